// SPDX-License-Identifier: Apache-2.0
//! Who votes with whose weight, in every epoch that a poll can have.
//!
//! The present and the past of a delegation never change, only what is scheduled for the next epoch. So in each epoch,
//! each account's weight belongs to exactly one voter: to its delegate then, or to itself.
use crate::{Change, Config, Delegations, Delegators, Error, Event, HistoryOf, Pallet, Weights};
use ergon_primitives::{traits::CurrentEpoch, Epoch, VoteWeight};
use ergon_storage::{Kept, Unreadable};
use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{DefensiveTruncateFrom, Get},
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_delegate(who: T::AccountId, delegate: T::AccountId) -> DispatchResult {
        let next = Self::next_epoch();
        ensure!(who != delegate, Error::<T>::SelfDelegation);
        ensure!(Self::is_member(&who), Error::<T>::NotMember);
        ensure!(Self::is_member(&delegate), Error::<T>::DelegateNotMember);
        ensure!(
            Self::delegate_at(&delegate, next).is_none(),
            Error::<T>::DelegateDelegates
        );
        ensure!(!Self::has_delegators_at(&who, next), Error::<T>::HasDelegators);
        ensure!(
            Self::delegate_at(&who, next).as_ref() != Some(&delegate),
            Error::<T>::AlreadyDelegated
        );
        Self::link(&who, &delegate)?;
        Self::schedule(&who, Some(delegate.clone()))?;
        Self::deposit_event(Event::Delegated {
            who,
            delegate,
            from: next,
        });
        Ok(())
    }

    pub(crate) fn do_undelegate(who: T::AccountId) -> DispatchResult {
        let delegate = Self::delegate_at(&who, Self::next_epoch()).ok_or(Error::<T>::NotDelegating)?;
        Self::end_delegation(who, delegate)
    }

    pub(crate) fn do_dismiss(delegate: T::AccountId, delegator: T::AccountId) -> DispatchResult {
        ensure!(
            Self::delegate_at(&delegator, Self::next_epoch()).as_ref() == Some(&delegate),
            Error::<T>::NotDelegator
        );
        Self::end_delegation(delegator, delegate)
    }

    /// The account that votes with the weight of `who` on polls of `epoch`, if it isn't `who`. Exact from
    /// [`Config::MaxPollEpochs`] epochs ago until the next one.
    pub fn delegate_at(who: &T::AccountId, epoch: Epoch) -> Option<T::AccountId> {
        in_force(&Delegations::<T>::get(who), epoch).cloned()
    }

    /// What `who` votes with on polls whose snapshot is at the start of `epoch`: its own weight and that of those who
    /// had delegated to it. Nothing if it is no member; and those who are no members count nothing for it.
    ///
    /// Complexity: O([`Config::MaxDelegators`]).
    pub fn effective_weight(who: &T::AccountId, epoch: Epoch) -> Result<VoteWeight, Error<T>> {
        if !Self::is_member(who) {
            return Ok(0);
        }
        ensure!(epoch >= Self::oldest_poll_epoch(), Error::<T>::PollTooOld);
        ensure!(Self::delegate_at(who, epoch).is_none(), Error::<T>::Delegated);
        let delegated = Delegators::<T>::get(who)
            .into_iter()
            .filter(|delegator| Self::delegate_at(delegator, epoch).as_ref() == Some(who))
            .map(|delegator| Self::own_weight(&delegator, epoch));
        Ok(delegated.fold(Self::own_weight(who, epoch), VoteWeight::saturating_add))
    }

    /// Weight of `who` alone at the start of `epoch`; 0 if it is no member.
    pub(crate) fn own_weight(who: &T::AccountId, epoch: Epoch) -> VoteWeight {
        if Self::is_member(who) {
            T::Weights::weight_at(who, epoch)
        } else {
            0
        }
    }

    pub(crate) fn next_epoch() -> Epoch {
        T::CurrentEpoch::current_epoch().saturating_add(1)
    }

    /// The earliest snapshot that can be voted on.
    pub(crate) fn oldest_poll_epoch() -> Epoch {
        T::CurrentEpoch::current_epoch().saturating_sub(T::MaxPollEpochs::get())
    }

    pub(crate) fn has_delegators_at(who: &T::AccountId, epoch: Epoch) -> bool {
        Delegators::<T>::get(who)
            .iter()
            .any(|delegator| Self::delegate_at(delegator, epoch).as_ref() == Some(who))
    }

    /// Whether a poll that can be voted on, or one of the next epoch, finds that `who` had delegated to `delegate`.
    pub(crate) fn matters(who: &T::AccountId, delegate: &T::AccountId) -> bool {
        let history = Delegations::<T>::get(who);
        let window = &history[superseded(&history, Self::oldest_poll_epoch())..];
        window.iter().any(|change| change.delegate.as_ref() == Some(delegate))
    }

    /// Puts `who` on the list of `delegate`, from which those fall that don't matter any more.
    fn link(who: &T::AccountId, delegate: &T::AccountId) -> DispatchResult {
        let mut delegators = Delegators::<T>::read(&Delegators::<T>::hashed_key_for(delegate))?.unwrap_or_default();
        delegators.retain(|delegator| Self::matters(delegator, delegate));
        if !delegators.contains(who) {
            delegators
                .try_push(who.clone())
                .map_err(|_| Error::<T>::TooManyDelegators)?;
        }
        Delegators::<T>::insert(delegate, delegators);
        Ok(())
    }

    fn end_delegation(who: T::AccountId, delegate: T::AccountId) -> DispatchResult {
        Self::schedule(&who, None)?;
        Self::deposit_event(Event::Undelegated {
            who,
            delegate,
            from: Self::next_epoch(),
        });
        Ok(())
    }

    /// Sets who votes with the weight of `who` from the next epoch on, instead of what was scheduled for it.
    fn schedule(who: &T::AccountId, delegate: Option<T::AccountId>) -> Result<(), Unreadable> {
        let next = Self::next_epoch();
        let history = Delegations::<T>::read(&Delegations::<T>::hashed_key_for(who))?.unwrap_or_default();
        let mut history = history.into_inner();
        history.retain(|change| change.from < next);
        history.drain(..superseded(&history, Self::oldest_poll_epoch()));
        if in_force(&history, next) != delegate.as_ref() {
            history.push(Change { from: next, delegate });
        }
        // Nobody is what there is without a history.
        if history.first().is_some_and(|change| change.delegate.is_none()) {
            history.remove(0);
        }
        if history.is_empty() {
            Delegations::<T>::remove(who);
        } else {
            Delegations::<T>::insert(who, HistoryOf::<T>::defensive_truncate_from(history));
        }
        Ok(())
    }
}

/// The delegate in `epoch`.
fn in_force<AccountId>(history: &[Change<AccountId>], epoch: Epoch) -> Option<&AccountId> {
    let change = history.iter().rev().find(|change| change.from <= epoch)?;
    change.delegate.as_ref()
}

/// How many changes at the beginning say nothing about `oldest` and later epochs.
fn superseded<AccountId>(history: &[Change<AccountId>], oldest: Epoch) -> usize {
    history.iter().rposition(|change| change.from <= oldest).unwrap_or(0)
}

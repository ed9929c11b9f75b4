// SPDX-License-Identifier: Apache-2.0
//! Who is a member, and when there are enough of them for the chain to open.
use crate::{Config, Error, Event, MemberRecord, Members, Opened, Opening, Pallet, Progress, Weights};
use ergon_primitives::traits::CurrentEpoch;
use ergon_storage::Kept;
use frame_support::{
    pallet_prelude::DispatchResult,
    traits::{Contains, Get},
};
use pallet_contributions::OnContribution;

impl<T: Config> Pallet<T> {
    /// Whether `who` is a member and still an operator.
    pub fn is_member(who: &T::AccountId) -> bool {
        Members::<T>::contains_key(who) && T::Operators::contains(who)
    }

    pub(crate) fn do_refresh_member(who: T::AccountId) -> DispatchResult {
        let now = T::CurrentEpoch::current_epoch();
        let weighs = T::Operators::contains(&who) && T::Weights::weight_at(&who, now) > 0;
        match Members::<T>::read(&Members::<T>::hashed_key_for(&who))? {
            None if weighs => Self::add_member(who),
            // Members that came in this epoch cannot weigh anything yet.
            Some(member) if !weighs && (member.since < now || !T::Operators::contains(&who)) => {
                Self::remove_member(who);
            }
            _ => return Err(Error::<T>::NothingToRefresh.into()),
        }
        Ok(())
    }

    pub(crate) fn may_found(who: &T::AccountId) -> bool {
        Self::own_weight(who, T::CurrentEpoch::current_epoch()) >= T::MinSubmitWeight::get()
    }

    fn add_member(who: T::AccountId) {
        let since = T::CurrentEpoch::current_epoch();
        Members::<T>::insert(&who, MemberRecord { rank: 0, since });
        Self::deposit_event(Event::MemberAdded { who });
    }

    fn remove_member(who: T::AccountId) {
        if let Some(MemberRecord { rank, .. }) = Members::<T>::take(&who) {
            Self::deposit_event(Event::MemberRemoved { who, rank });
        }
    }

    /// Counts `who` among the founders of this epoch, if it has the weight, and the epoch towards the opening, if those are enough.
    fn count_founder(who: &T::AccountId) {
        if Opened::<T>::get() || !Self::may_found(who) {
            return;
        }
        let (now, before) = (T::CurrentEpoch::current_epoch(), Progress::<T>::get());
        let (mut founders, mut epochs) = (before.founders, before.epochs);
        if before.epoch != now {
            founders.truncate(0);
        }
        // An epoch that counts already counts once, even if founders leave and others come.
        if founders.is_full() || founders.contains(who) {
            return;
        }
        founders.retain(Self::may_found);
        founders.force_push(who.clone());
        epochs = epochs.saturating_add(founders.is_full().into());
        if epochs < T::OpeningEpochs::get() {
            Progress::<T>::put(Opening {
                epoch: now,
                founders,
                epochs,
            });
        } else {
            Progress::<T>::kill();
            Opened::<T>::put(true);
            Self::deposit_event(Event::ChainOpened);
        }
    }
}

impl<T: Config> OnContribution<T::AccountId> for Pallet<T> {
    fn credited(operator: &T::AccountId) {
        if !T::Operators::contains(operator) {
            return;
        }
        if !Members::<T>::contains_key(operator) {
            Self::add_member(operator.clone());
        }
        Self::count_founder(operator);
    }

    fn forfeited(operator: &T::AccountId) {
        Self::remove_member(operator.clone());
    }
}

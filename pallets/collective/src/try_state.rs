// SPDX-License-Identifier: Apache-2.0
//! What must hold after every block.
use crate::{
    Adopted, Config, Delegations, Delegators, Members, OpenPoll, Opened, Pallet, PollIndexOf, Progress, Tally,
    VoteRecord, Voting,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use ergon_primitives::traits::CurrentEpoch;
use frame_support::{
    ensure,
    traits::{Get, Polling},
};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. the tally of every ongoing poll that has votes, or that a member is known to have submitted, and of every adopted one that isn't enacted
    ///    yet, is the sum of its votes, none of which weighs nothing; and what is adopted is stopped exactly if its tally doesn't suffice,
    /// 2. every delegation that matters is on its delegate's list, nobody is on a list twice, changes are in order and
    ///    change something,
    /// 3. in no epoch that matters has a delegator delegators,
    /// 4. nobody became a member in the future,
    /// 5. no founder counts twice, nor in the future, and the opening is under way exactly as long as the chain isn't open.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::check_tallies()?;
        Self::check_delegations()?;
        Self::check_levels()?;
        Self::check_members()
    }

    fn check_tallies() -> Result<(), TryRuntimeError> {
        let mut votes = BTreeMap::<PollIndexOf<T>, Vec<VoteRecord>>::new();
        for poll in OpenPoll::<T>::iter_values().chain(Adopted::<T>::iter_keys()) {
            votes.entry(poll).or_default();
        }
        for (poll, _, vote) in Voting::<T>::iter() {
            ensure!(vote.weight() > 0, "collective: a vote weighs nothing");
            votes.entry(poll).or_default().push(vote);
        }
        for (poll, votes) in votes {
            let adoption = Self::adoption(poll);
            ensure!(
                adoption
                    .as_ref()
                    .is_none_or(|adoption| adoption.stopped != adoption.suffices()),
                "collective: what is adopted is not stopped as its votes say"
            );
            let ongoing = T::Polls::as_ongoing(poll).map(|(tally, _)| tally);
            let Some(tally) = ongoing.or(adoption.map(|adoption| adoption.tally)) else {
                continue;
            };
            let mut sum = Tally::<T>::at(tally.epoch);
            votes.into_iter().for_each(|vote| sum.replace(None, Some(vote)));
            ensure!(
                (sum.bare_ayes, sum.ayes, sum.nays) == (tally.bare_ayes, tally.ayes, tally.nays),
                "collective: a tally is not the sum of its votes"
            );
        }
        Ok(())
    }

    fn check_delegations() -> Result<(), TryRuntimeError> {
        for (who, history) in Delegations::<T>::iter() {
            ensure!(!history.is_empty(), "collective: an empty history is kept");
            ensure!(
                history
                    .iter()
                    .zip(history.iter().skip(1))
                    .all(|(one, next)| one.from < next.from && one.delegate != next.delegate),
                "collective: a history is out of order or says something twice"
            );
            ensure!(
                history.iter().all(|change| change.from <= Self::next_epoch()),
                "collective: a delegation begins after the next epoch"
            );
            for delegate in history.iter().filter_map(|change| change.delegate.as_ref()) {
                ensure!(*delegate != who, "collective: an account has delegated to itself");
                ensure!(
                    !Self::matters(&who, delegate) || Delegators::<T>::get(delegate).contains(&who),
                    "collective: a delegate doesn't know its delegator"
                );
            }
        }
        for (_, delegators) in Delegators::<T>::iter() {
            let distinct: BTreeSet<_> = delegators.iter().collect();
            ensure!(
                distinct.len() == delegators.len(),
                "collective: a delegator is on a list twice"
            );
        }
        Ok(())
    }

    fn check_levels() -> Result<(), TryRuntimeError> {
        for who in Delegations::<T>::iter_keys() {
            for epoch in Self::oldest_poll_epoch()..=Self::next_epoch() {
                ensure!(
                    Self::delegate_at(&who, epoch).is_none() || !Self::has_delegators_at(&who, epoch),
                    "collective: a delegator has delegators"
                );
            }
        }
        Ok(())
    }

    fn check_members() -> Result<(), TryRuntimeError> {
        let now = T::CurrentEpoch::current_epoch();
        for (_, member) in Members::<T>::iter() {
            ensure!(member.rank == 0, "collective: a member has a rank");
            ensure!(member.since <= now, "collective: a member comes from the future");
        }
        let opening = Progress::<T>::get();
        ensure!(
            !Opened::<T>::get() || !Progress::<T>::exists(),
            "collective: the chain is open, but on its way there"
        );
        ensure!(opening.epoch <= now, "collective: there are founders in the future");
        ensure!(
            opening.epochs < T::OpeningEpochs::get(),
            "collective: the chain should be open"
        );
        let distinct: BTreeSet<_> = opening.founders.iter().collect();
        ensure!(
            distinct.len() == opening.founders.len(),
            "collective: a founder counts twice"
        );
        Ok(())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Casting votes, correcting them, and clearing them away.
use crate::{
    Adopted, Config, Error, Event, Pallet, PollIndexOf, Referenda, Tally, TaskNames, VoteRecord, Voting, VotingCleanup,
    WeightInfo,
};
use ergon_storage::Kept;
use frame_support::{
    dispatch::{DispatchResultWithPostInfo, Pays, PostDispatchInfo},
    ensure,
    pallet_prelude::DispatchResult,
    traits::{PollStatus, Polling},
    BoundedVec,
};

impl<T: Config> Pallet<T> {
    /// Whether a vote of `who` on the poll would count by its own weight, apart from what is delegated to it: so that it isn't
    /// bound to fail. Complexity: O(1).
    pub fn takes_vote(poll: PollIndexOf<T>, who: &T::AccountId) -> bool {
        T::Polls::as_ongoing(poll).is_some_and(|(tally, _)| {
            tally.epoch >= Self::oldest_poll_epoch()
                && Self::delegate_at(who, tally.epoch).is_none()
                && Self::own_weight(who, tally.epoch) > 0
        })
    }

    /// Whether `who` has a vote on the poll. Complexity: O(1).
    pub fn has_voted(poll: PollIndexOf<T>, who: &T::AccountId) -> bool {
        Voting::<T>::contains_key(poll, who)
    }

    pub(crate) fn do_vote(who: T::AccountId, poll: PollIndexOf<T>, aye: bool) -> DispatchResult {
        ensure!(Self::is_member(&who), Error::<T>::NotMember);
        let (tally, vote) = T::Polls::try_access_poll(poll, |status| {
            let PollStatus::Ongoing(tally, _) = status else {
                return Err(Error::<T>::NotPolling.into());
            };
            let weight = Self::effective_weight(&who, tally.epoch)?;
            ensure!(weight > 0, Error::<T>::NoWeight);
            let vote = VoteRecord::new(aye, weight);
            let old = Voting::<T>::read(&Voting::<T>::hashed_key_for(poll, &who))?;
            tally.replace(old, Some(vote));
            Voting::<T>::insert(poll, &who, vote);
            Ok((tally.clone(), vote))
        })?;
        Self::deposit_event(Event::Voted { who, poll, vote, tally });
        Ok(())
    }

    pub(crate) fn do_refresh_vote(poll: PollIndexOf<T>, who: T::AccountId) -> DispatchResult {
        if let Some(mut adoption) = Self::adoption(poll) {
            Self::correct(poll, who, &mut adoption.tally)?;
            return Self::settle(poll, adoption);
        }
        T::Polls::try_access_poll(poll, |status| match status {
            PollStatus::Ongoing(tally, _) => Self::correct(poll, who, tally),
            _ => Err(Error::<T>::NotPolling.into()),
        })
    }

    /// Makes a vote weigh what it should, in the tally too.
    fn correct(poll: PollIndexOf<T>, who: T::AccountId, tally: &mut Tally<T>) -> DispatchResult {
        let old = Voting::<T>::get(poll, &who).ok_or(Error::<T>::NoVote)?;
        let weight = Self::effective_weight(&who, tally.epoch)?;
        ensure!(weight != old.weight(), Error::<T>::NothingToRefresh);
        let vote = (weight > 0).then(|| VoteRecord::new(old.is_aye(), weight));
        tally.replace(Some(old), vote);
        Voting::<T>::set(poll, &who, vote);
        let tally = tally.clone();
        Self::deposit_event(Event::VoteRefreshed { who, poll, vote, tally });
        Ok(())
    }

    pub(crate) fn do_cleanup_poll(poll: PollIndexOf<T>, max: u32) -> DispatchResultWithPostInfo {
        let is_over = T::Polls::as_ongoing(poll).is_none() && Self::adoption(poll).is_none();
        ensure!(is_over, Error::<T>::Ongoing);
        let cursor = VotingCleanup::<T>::take(poll);
        // Not by what was cleared: that counts only what earlier blocks have put into the database.
        let votes = cursor.is_some() || Voting::<T>::iter_key_prefix(poll).next().is_some();
        ensure!(votes || Adopted::<T>::contains_key(poll), Error::<T>::NoneRemaining);
        Adopted::<T>::remove(poll);
        TaskNames::<T>::remove(T::Polls::task_name(poll));
        let cleared = Voting::<T>::clear_prefix(poll, max, cursor.as_ref().map(|cursor| &cursor[..]));
        if let Some(cursor) = cleared.maybe_cursor {
            VotingCleanup::<T>::insert(poll, BoundedVec::truncate_from(cursor));
        }
        Ok(PostDispatchInfo {
            actual_weight: Some(T::WeightInfo::cleanup_poll(cleared.unique)),
            pays_fee: if cleared.unique > 0 { Pays::No } else { Pays::Yes },
        })
    }
}

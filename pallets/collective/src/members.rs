// SPDX-License-Identifier: Apache-2.0
//! Who is a member, and when there are enough of them for the chain to open.
use crate::{Config, Error, Event, Founder, Founders, MemberRecord, Members, Opened, Pallet, Weights};
use ergon_primitives::traits::CurrentEpoch;
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
        match Members::<T>::get(&who) {
            None if weighs => Self::add_member(who),
            // Whoever came in this epoch cannot weigh anything yet.
            Some(member) if !weighs && (member.since < now || !T::Operators::contains(&who)) => {
                Self::remove_member(who);
            }
            _ => return Err(Error::<T>::NothingToRefresh.into()),
        }
        Ok(())
    }

    /// Whether proposals may ask for [`Config::LockedOrigins`].
    pub fn is_open() -> bool {
        Opened::<T>::get() || Self::can_open()
    }

    /// Opens the chain for good if the time has come.
    pub(crate) fn try_open() {
        if !Opened::<T>::get() && Self::can_open() {
            Opened::<T>::put(true);
            Founders::<T>::kill();
            Self::deposit_event(Event::ChainOpened);
        }
    }

    /// Whether there are enough founders, and each of them has held weight for long enough.
    fn can_open() -> bool {
        let now = T::CurrentEpoch::current_epoch();
        let founders = Founders::<T>::get();
        founders.is_full()
            && founders.iter().all(|founder| {
                founder.since.saturating_add(T::OpeningEpochs::get()) <= now && Self::may_found(&founder.who)
            })
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
            Founders::<T>::mutate(|founders| founders.retain(|founder| founder.who != who));
            Self::deposit_event(Event::MemberRemoved { who, rank });
        }
    }

    /// Puts `who` on the list of founders, if it has the weight and somebody's place is free.
    fn offer_place(who: &T::AccountId) {
        if Opened::<T>::get() || !Self::may_found(who) {
            return;
        }
        let mut founders = Founders::<T>::get();
        if founders.iter().any(|founder| founder.who == *who) {
            return;
        }
        founders.retain(|founder| Self::may_found(&founder.who));
        let founder = Founder {
            who: who.clone(),
            since: T::CurrentEpoch::current_epoch(),
        };
        if founders.try_push(founder).is_ok() {
            Founders::<T>::put(founders);
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
        Self::offer_place(operator);
    }

    fn forfeited(operator: &T::AccountId) {
        Self::remove_member(operator.clone());
    }
}

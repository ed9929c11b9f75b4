// SPDX-License-Identifier: Apache-2.0
//! What all newcomers together take of a block.
use crate::{Admitted, Config, NewcomerUse, NewcomersInBlock, Pallet, Points};
use ergon_primitives::{traits::Parameters as _, Units};
use ergon_storage::Kept;
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{Saturating, UniqueSaturatedInto};

impl<T: Config> Pallet<T> {
    /// Points that all newcomers together may take of a block.
    pub fn newcomer_points_per_block() -> Points {
        T::Parameters::get().newcomer_points_per_block(Self::block_points())
    }

    /// What was taken of this block. The entry of another block counts as none, so nothing need be cleared.
    pub(crate) fn newcomer_use() -> NewcomerUse<BlockNumberFor<T>> {
        let block = frame_system::Pallet::<T>::block_number();
        let last = NewcomersInBlock::<T>::get();
        if last.block == block {
            last
        } else {
            NewcomerUse {
                block,
                points: 0,
                changed_votes: 0,
                management: 0,
                units: 0,
                tickets: 0,
                vouched: 0,
            }
        }
    }

    /// Takes `points` of this block; `None` if newcomers have taken too many.
    pub(crate) fn take_newcomer_points(points: Points) -> Option<()> {
        Self::with_newcomer_points(points).map(NewcomersInBlock::<T>::put)
    }

    /// The same for a changed vote; `None` also if such votes have taken half of what newcomers may.
    pub(crate) fn take_changed_vote_points(points: Points) -> Option<()> {
        Self::with_changed_vote_points(points).map(NewcomersInBlock::<T>::put)
    }

    /// The same for a newcomer's management; `None` also if that has taken half of what newcomers may.
    pub(crate) fn take_management_points(points: Points) -> Option<()> {
        let mut taken = Self::with_newcomer_points(points)?;
        taken.management = taken.management.checked_add(points)?;
        (taken.management <= Self::newcomer_points_per_block() / 2).then(|| NewcomersInBlock::<T>::put(taken))
    }

    /// Whether a changed vote would have room and leave half of it to others.
    pub(crate) fn is_room_for_changed_vote(points: Points) -> bool {
        let most = Self::newcomer_points_per_block() / 4;
        Self::with_changed_vote_points(points).is_some_and(|taken| taken.changed_votes <= most)
    }

    fn with_newcomer_points(points: Points) -> Option<NewcomerUse<BlockNumberFor<T>>> {
        let mut taken = Self::newcomer_use();
        taken.points = taken.points.checked_add(points)?;
        (taken.points <= Self::newcomer_points_per_block()).then_some(taken)
    }

    fn with_changed_vote_points(points: Points) -> Option<NewcomerUse<BlockNumberFor<T>>> {
        let mut taken = Self::with_newcomer_points(points)?;
        taken.changed_votes = taken.changed_votes.checked_add(points)?;
        (taken.changed_votes <= Self::newcomer_points_per_block() / 2).then_some(taken)
    }

    /// What will have been taken with one more ticket; `None` if there is no room for it.
    pub(crate) fn with_ticket() -> Option<NewcomerUse<BlockNumberFor<T>>> {
        let mut taken = Self::with_newcomer_points(T::TicketPoints::get())?;
        taken.tickets = taken.tickets.checked_add(1)?;
        (taken.tickets <= Self::places()).then_some(taken)
    }

    /// The same for a newcomer that somebody vouches for, who pays for it.
    pub(crate) fn with_vouched() -> Option<NewcomerUse<BlockNumberFor<T>>> {
        let mut taken = Self::newcomer_use();
        taken.vouched = taken.vouched.checked_add(1)?;
        (taken.vouched <= Self::places()).then_some(taken)
    }

    /// Places of a block for tickets, and as many for those that somebody vouches for.
    pub(crate) fn places() -> u32 {
        T::MaxJoinsPerBlock::get() / 2
    }

    /// Blocks since `account` was last included among newcomers, or let in.
    pub(crate) fn waited(account: &T::AccountId) -> u64 {
        let now = frame_system::Pallet::<T>::block_number();
        let last = Admitted::<T>::get(account).unwrap_or(now);
        now.saturating_sub(last).unique_saturated_into()
    }

    /// `account` is included among newcomers in this block.
    pub(crate) fn note_included(account: &T::AccountId) {
        let now = frame_system::Pallet::<T>::block_number();
        Admitted::<T>::change_readable(&Admitted::<T>::hashed_key_for(account), |last| *last = now);
    }

    pub(crate) fn give_back_newcomer_points(points: Points) {
        let mut taken = Self::newcomer_use();
        taken.points = taken.points.saturating_sub(points);
        NewcomersInBlock::<T>::put(taken);
    }

    pub(crate) fn give_back_changed_vote_points(points: Points) {
        Self::give_back_newcomer_points(points);
        NewcomersInBlock::<T>::mutate(|taken| taken.changed_votes = taken.changed_votes.saturating_sub(points));
    }

    pub(crate) fn give_back_management_points(points: Points) {
        Self::give_back_newcomer_points(points);
        NewcomersInBlock::<T>::mutate(|taken| taken.management = taken.management.saturating_sub(points));
    }

    /// Takes `units` of this block; `None` if newcomers have taken too many.
    pub(crate) fn take_newcomer_units(units: Units) -> Option<()> {
        let mut taken = Self::newcomer_use();
        taken.units = taken.units.checked_add(units)?;
        let curve = T::Parameters::get();
        let most = curve.units(curve.newcomer_points_per_block(Self::block_points()));
        (taken.units <= most).then(|| NewcomersInBlock::<T>::put(taken))
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What operators are drawn for, and what becomes of it: the registry as the other pallets see it.
//!
//! # The budget
//!
//! An operator has one budget for all duties, of [`Config::BudgetBlocks`] blocks of work at the rates that its models are registered with,
//! or at the rate that its vote weight shows if that is higher. One half is for executions and the other for audits, so that operators full
//! of jobs can still check each other's. A duty takes [room](Room): the part of the half that its [load](Demand::load) is, the most that it can
//! need. What a budget is depends on the model's rate, so parts of it are added up, not loads. A duty that is larger than a half is taken if it
//! is the only one of its kind.
//!
//! The deadlines of jobs are twice the time of their load and [`BudgetBlocks`](Config::BudgetBlocks) more. So an operator that works at the
//! registered rate, gives half of its time to either kind and does what came first misses none, however full its budget is and whatever
//! comes: a half is done in `BudgetBlocks` at half of the rate, and a larger duty in twice its load.
//!
//! # Suspension
//!
//! After [`Config::MaxMissesInRow`] missed deadlines in a row an operator is drawn no longer. It can be active again
//! [`Config::SuspensionBlocks`] later, after the next time twice as many, and so on up to [`MAX_DOUBLINGS`] times; and
//! [`FORGIVEN_AFTER`] deadlines kept wipe the slate clean. Leaving and coming back don't. What it attested counts as kept once it is found right, so a wrong
//! attestation ends no row of misses.
use crate::{registry::OperatorOf, Active, Config, Event, HotKeys, Operators, Pallet, Probation, Status};
use ergon_primitives::{
    draw::Draw,
    traits::{Contributions, Demand, Duty, Load, Room, Workers, ALL_ROOM},
    ModelId, Units,
};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{BlockNumberProvider, Saturating};

/// How often the time of a suspension doubles at most.
pub const MAX_DOUBLINGS: u32 = 10;
/// Deadlines kept since the last suspension after which all are forgiven.
pub const FORGIVEN_AFTER: u32 = 32;

impl<T: Config> Pallet<T> {
    /// The load of all duties that an operator may have at once, if all are for a model with this rate.
    pub fn budget(operator: &T::AccountId, rate: Units) -> Load {
        let least = u128::from(T::BudgetBlocks::get()) * 1_000;
        let expected = u128::from(rate.max(1)) * u128::from(T::EpochBlocks::get().max(1));
        let shown = least * u128::from(T::Capacity::weight(operator)) / expected;
        Load::try_from(shown.max(least)).unwrap_or(Load::MAX)
    }

    /// The room that a duty takes of `operator`.
    fn room(operator: &T::AccountId, demand: &Demand) -> Room {
        let half = u128::from(Self::budget(operator, demand.rate) / 2).max(1);
        let room = (u128::from(demand.load()) * u128::from(ALL_ROOM)).div_ceil(half);
        Room::try_from(room).unwrap_or(Room::MAX).max(1)
    }

    /// The room that a duty would take of an operator that `may` be obliged to it, if it has that.
    fn room_left(
        operator: &T::AccountId,
        duty: Duty,
        demand: &Demand,
        may: impl Fn(&OperatorOf<T>) -> bool,
    ) -> Option<Room> {
        let entry = Operators::<T>::get(operator).filter(may)?;
        let taken = match duty {
            Duty::Execution => entry.executing,
            Duty::Audit => entry.auditing,
        };
        let room = Self::room(operator, demand);
        (taken == 0 || taken.saturating_add(room) <= ALL_ROOM).then_some(room)
    }

    /// Whether an operator on a list can be obliged to an audit.
    fn is_on_audit_duty(entry: &OperatorOf<T>) -> bool {
        match entry.status {
            Status::Active => true,
            Status::Draining => T::BlockNumberProvider::current_block_number() < entry.off_lists,
            Status::Suspended | Status::Jailed => false,
        }
    }

    fn oblige(operator: &T::AccountId, duty: Duty, room: Room) {
        Self::change(operator, |entry| {
            let taken = Self::taken(entry, duty);
            *taken = taken.saturating_add(room);
            entry.obligations = entry.obligations.saturating_add(1);
        });
    }

    fn taken(entry: &mut OperatorOf<T>, duty: Duty) -> &mut Room {
        match duty {
            Duty::Execution => &mut entry.executing,
            Duty::Audit => &mut entry.auditing,
        }
    }

    /// The operator has missed too many deadlines in a row.
    fn suspend(operator: &T::AccountId, entry: &mut OperatorOf<T>) {
        Self::stop(operator, entry, Status::Suspended);
        entry.misses_in_row = 0;
        let doubled = 1u32 << entry.suspensions.min(MAX_DOUBLINGS);
        let time = T::SuspensionBlocks::get().saturating_mul(doubled.into());
        entry.suspensions = entry.suspensions.saturating_add(1);
        entry.kept_since = 0;
        entry.resumable = T::BlockNumberProvider::current_block_number().saturating_add(time);
    }
}

impl<T: Config> Workers<T::AccountId, BlockNumberFor<T>> for Pallet<T> {
    fn operator_of(hot: &T::AccountId) -> Option<T::AccountId> {
        HotKeys::<T>::get(hot)
    }

    fn serving(model: &ModelId) -> u32 {
        Active::<T>::get(model)
    }

    fn established(model: &ModelId) -> u32 {
        Self::all_shares(model).auditors
    }

    fn most_tries() -> u32 {
        2 * crate::serving::TRIES + 1
    }

    /// Complexity: O([`TRIES`](crate::serving::TRIES) * log n).
    fn draw_executor(
        model: &ModelId,
        demand: &Demand,
        draw: &mut Draw,
        exclude: &[T::AccountId],
    ) -> Option<(T::AccountId, Room)> {
        let serves = |entry: &OperatorOf<T>| entry.status == Status::Active && entry.models.contains(model);
        let operator = Self::draw_listed_executor(model, draw, exclude, |listing| {
            Self::room_left(&listing.operator, Duty::Execution, demand, serves).is_some()
        })?;
        let room = Self::room(&operator, demand);
        Self::oblige(&operator, Duty::Execution, room);
        Some((operator, room))
    }

    /// Complexity: O([`TRIES`](crate::serving::TRIES) * log n).
    fn draw_auditor(
        model: &ModelId,
        answered: BlockNumberFor<T>,
        draw: &mut Draw,
        exclude: &[T::AccountId],
    ) -> Option<T::AccountId> {
        Self::draw_listed_auditor(model, draw, exclude, |listing| {
            listing.since <= answered && Self::may_audit(&listing.operator)
        })
    }

    fn may_audit(operator: &T::AccountId) -> bool {
        Operators::<T>::get(operator).is_some_and(|entry| Self::is_on_audit_duty(&entry))
    }

    fn oblige_auditor(operator: &T::AccountId, demand: &Demand) -> Option<Room> {
        let room = Self::room_left(operator, Duty::Audit, demand, Self::is_on_audit_duty)?;
        Self::oblige(operator, Duty::Audit, room);
        Some(room)
    }

    fn release(operator: &T::AccountId, duty: Duty, room: Room) {
        Self::change(operator, |entry| {
            let taken = Self::taken(entry, duty);
            *taken = taken.saturating_sub(room);
        });
    }

    fn discharge(operator: &T::AccountId) {
        Self::change(operator, |entry| {
            entry.obligations = entry.obligations.saturating_sub(1)
        });
    }

    fn reweigh(operator: &T::AccountId, model: &ModelId) {
        Self::follow_weight(model, operator);
    }

    fn note_kept(operator: &T::AccountId) {
        Self::change(operator, |entry| {
            entry.kept = entry.kept.saturating_add(1);
            entry.misses_in_row = 0;
            entry.kept_since = entry.kept_since.saturating_add(1);
            if entry.kept_since >= FORGIVEN_AFTER {
                entry.suspensions = 0;
            }
        });
    }

    fn note_missed(operator: &T::AccountId) {
        Self::fail_probation(operator);
        let suspended = Self::change(operator, |entry| {
            entry.missed = entry.missed.saturating_add(1);
            // What else it owed when it was suspended is part of what it is suspended for.
            if !matches!(entry.status, Status::Active | Status::Draining) {
                return false;
            }
            entry.misses_in_row = entry.misses_in_row.saturating_add(1);
            let suspended = entry.misses_in_row >= T::MaxMissesInRow::get();
            if suspended {
                Self::suspend(operator, entry);
            }
            suspended
        });
        if suspended {
            Self::deposit_event(Event::Suspended {
                operator: operator.clone(),
            });
        }
    }

    fn probation(operator: &T::AccountId) -> Option<u32> {
        Probation::<T>::get(operator)
    }

    fn note_stood(operator: &T::AccountId, required: u32) {
        Self::advance_probation(operator, required);
    }

    fn note_disputed(operator: &T::AccountId) {
        Self::restart_probation(operator);
    }

    fn jail(operator: &T::AccountId) {
        Self::fail_probation(operator);
        let jailed = Self::change(operator, |entry| {
            let free = entry.status != Status::Jailed;
            if free {
                Self::stop(operator, entry, Status::Jailed);
            }
            free
        });
        if jailed {
            Self::deposit_event(Event::Jailed {
                operator: operator.clone(),
            });
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Which epochs have which half-life, and how much decays between two of them.
// An epoch begins in a hook, where a panic stops the chain.
#![deny(clippy::arithmetic_side_effects)]
use crate::{
    types::Span,
    weight::{HalfLives, HALF_LIFE},
    KEPT_EPOCHS,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::ops::RangeInclusive;
use ergon_primitives::Epoch;
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Half-lives that make sense, in epochs: up to a year of epochs of 4 hours.
pub const HALF_LIFE_EPOCHS: RangeInclusive<u32> = 1..=2_190;

/// Most changes that are kept. There is at most one per epoch, so they reach back over all epochs that records are exact for.
const KEPT_CHANGES: u32 = KEPT_EPOCHS + 1;

/// A half-life, and since when it has been in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Change {
    /// The first epoch with this half-life.
    pub from: Epoch,
    /// The half-life, in epochs; not 0.
    pub half_life: u32,
    /// The index at the start of that epoch.
    pub index: HalfLives,
}

impl Change {
    fn index_at(&self, epoch: Epoch) -> HalfLives {
        // 2^32 epochs at 64 binary places fit. Rounding the product, and not each epoch, a half-life is a whole one.
        let epochs = u128::from(epoch.saturating_sub(self.from)).saturating_mul(HALF_LIFE);
        let passed = epochs.checked_div(self.half_life.into()).unwrap_or_default();
        self.index.saturating_add(passed)
    }
}

/// The **index** of an epoch is the number of half-lives that have passed from epoch 0 to its start. Between two epochs a
/// weight decays by 2 to the power of the difference, whatever the half-lives were.
///
/// ```
/// use pallet_contributions::{weight::HALF_LIFE, Schedule};
/// let mut schedule = Schedule::default();
/// assert!(schedule.change(0, 4));
/// assert!(schedule.change(8, 2));
/// assert_eq!(schedule.index_at(8), Some(2 * HALF_LIFE));
/// assert_eq!(schedule.index_at(12), Some(4 * HALF_LIFE));
/// assert!(!schedule.change(12, 2), "it is in force already");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Schedule(BoundedVec<Change, ConstU32<KEPT_CHANGES>>);

impl Schedule {
    /// Lets the epochs from `epoch` on have another half-life, and forgets the oldest change if there are too many. `false` if
    /// nothing is different, or if this epoch's half-life has been chosen before. The first half-life
    /// holds from epoch 0 on.
    pub fn change(&mut self, epoch: Epoch, half_life: u32) -> bool {
        let half_life = half_life.max(1);
        let (from, index) = match self.0.last() {
            Some(last) if last.half_life == half_life || last.from >= epoch => return false,
            Some(last) => (epoch, last.index_at(epoch)),
            None => (0, 0),
        };
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.force_push(Change { from, half_life, index });
        true
    }

    /// Index of `epoch`; `None` before the changes that are kept. For epochs to come, the last half-life counts.
    pub fn index_at(&self, epoch: Epoch) -> Option<HalfLives> {
        let change = self.0.iter().rev().find(|change| change.from <= epoch)?;
        Some(change.index_at(epoch))
    }

    /// The current epoch, from start to end.
    pub fn span(&self, epoch: Epoch) -> Span {
        let index_at = |epoch| self.0.last().map_or(0, |change| change.index_at(epoch));
        Span {
            epoch,
            start: index_at(epoch),
            end: index_at(epoch.saturating_add(1)),
        }
    }

    /// Whether the changes ascend, up to the epoch `now`, and there is one.
    pub fn is_ordered(&self, now: Epoch) -> bool {
        let ascends = |pair: &[Change]| pair[0].from < pair[1].from && pair[0].index_at(pair[1].from) == pair[1].index;
        self.0.windows(2).all(ascends) && self.0.last().is_some_and(|last| last.from <= now)
    }

    /// The changes that are kept, oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }
}

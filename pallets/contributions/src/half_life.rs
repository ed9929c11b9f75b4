// SPDX-License-Identifier: Apache-2.0
//! Which epochs have which half-life, which are void, and how much decays between two of them.
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

/// Half-lives that governance can choose, in epochs. The longest is 90 days of epochs of 4 hours: even then, an epoch of steady work is worth
/// 1/780 of its units, so workers get a vote within weeks and can choose another half-life.
pub const HALF_LIFE_EPOCHS: RangeInclusive<u32> = 1..=540;

/// Most changes that are kept. At most one begins in each epoch, so they reach back over all epochs that records are exact for.
const KEPT_CHANGES: u32 = KEPT_EPOCHS + 1;

/// How fast weights decay, and since when.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Change {
    /// The first epoch of it.
    pub from: Epoch,
    /// The half-life, in epochs; not 0. `None` for void epochs.
    pub half_life: Option<u32>,
    /// The index at the start of that epoch.
    pub index: HalfLives,
}

impl Change {
    fn index_at(&self, epoch: Epoch) -> HalfLives {
        let Some(half_life) = self.half_life else {
            return self.index;
        };
        // 2^32 epochs at 64 binary places fit. Rounding the product, and not each epoch, a half-life is a whole one.
        let epochs = u128::from(epoch.saturating_sub(self.from)).saturating_mul(HALF_LIFE);
        let passed = epochs.checked_div(half_life.into()).unwrap_or_default();
        self.index.saturating_add(passed)
    }
}

/// The **index** of an epoch is the number of half-lives that have passed from epoch 0 to its start. Between two epochs a
/// weight decays by 2 to the power of the difference, whatever the half-lives were. A **void** epoch takes no time: the next one has the
/// same index. The schedule is told so when the next one begins.
///
/// ```
/// use pallet_contributions::{weight::HALF_LIFE, Schedule};
/// let mut schedule = Schedule::default();
/// assert!(schedule.begin(0, 4, false));
/// assert!(schedule.begin(8, 2, false));
/// assert_eq!(schedule.index_at(8), Some(2 * HALF_LIFE));
/// assert!(!schedule.begin(12, 2, false), "it is in force already");
/// assert_eq!(schedule.index_at(12), Some(4 * HALF_LIFE));
/// assert!(!schedule.begin(13, 2, true));
/// assert_eq!(schedule.index_at(13), schedule.index_at(12), "epoch 12 was void");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Schedule(BoundedVec<Change, ConstU32<KEPT_CHANGES>>);

impl Schedule {
    /// Lets the epochs from `epoch` on have this half-life; `void` says whether the epoch before was void. Forgets the oldest changes if there
    /// are too many. Does nothing if this has been said of `epoch` before. The first half-life holds from epoch 0 on.
    ///
    /// Returns whether the half-life is another one than before.
    pub fn begin(&mut self, epoch: Epoch, half_life: u32, void: bool) -> bool {
        let half_life = Some(half_life.max(1));
        let Some(last) = self.0.last().copied() else {
            self.push(0, half_life, 0);
            return true;
        };
        if last.from >= epoch {
            return false;
        }
        if void {
            // At least 0, as `last` began before.
            let closed = epoch.saturating_sub(1);
            let index = last.index_at(closed);
            if last.from == closed {
                self.0.pop();
            }
            if self.0.last().is_none_or(|before| before.half_life.is_some()) {
                self.push(closed, None, index);
            }
            self.push(epoch, half_life, index);
        } else if last.half_life != half_life {
            self.push(epoch, half_life, last.index_at(epoch));
        }
        last.half_life != half_life
    }

    fn push(&mut self, from: Epoch, half_life: Option<u32>, index: HalfLives) {
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.force_push(Change { from, half_life, index });
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

    /// Whether the changes ascend, up to the epoch `now`, there is one, and the last is not to a void epoch.
    pub fn is_ordered(&self, now: Epoch) -> bool {
        let ascends = |pair: &[Change]| pair[0].from < pair[1].from && pair[0].index_at(pair[1].from) == pair[1].index;
        let last = self.0.last();
        self.0.windows(2).all(ascends) && last.is_some_and(|last| last.from <= now && last.half_life.is_some())
    }

    /// The changes that are kept, oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }
}

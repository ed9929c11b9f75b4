// SPDX-License-Identifier: Apache-2.0
//! What the ledger keeps of an operator, or of all.
use crate::weight::HalfLives;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{traits::Source, Epoch, Units, VoteWeight};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Closed epochs that a record keeps: so many that the votes on a poll can be counted again until what it proposes is enacted.
pub const KEPT_EPOCHS: u32 = 24;

/// Units, by what they are for.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct UnitsBySource {
    /// Settled jobs of requesters.
    pub job: Units,
    /// Audits of others' answers.
    pub audit: Units,
}

impl UnitsBySource {
    /// Units of one source.
    pub fn from_source(source: Source, units: Units) -> Self {
        match source {
            Source::Job => Self { job: units, audit: 0 },
            Source::Audit => Self { job: 0, audit: units },
        }
    }

    /// Adds, source by source; saturates.
    pub fn add(&mut self, other: &Self) {
        self.job = self.job.saturating_add(other.job);
        self.audit = self.audit.saturating_add(other.audit);
    }

    /// Subtracts, source by source; stops at 0.
    pub fn subtract(&mut self, other: &Self) {
        self.job = self.job.saturating_sub(other.job);
        self.audit = self.audit.saturating_sub(other.audit);
    }

    /// The units that count for weight: those of jobs.
    pub fn weighing(&self) -> Units {
        self.job
    }
}

/// An epoch in which something was credited; in the total, also one before an epoch in which something was forfeited.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Worked {
    /// Its number.
    pub epoch: Epoch,
    /// What was credited in it.
    pub units: UnitsBySource,
    /// The weight at its end, which is the start of the next one.
    pub weight: VoteWeight,
    /// The index of the next one.
    pub index: HalfLives,
}

/// From one epoch's start to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Its number.
    pub epoch: Epoch,
    /// Its index.
    pub start: HalfLives,
    /// The index of the next one.
    pub end: HalfLives,
}

/// [`average`](crate::weight::average), or [`average_of_all`](crate::weight::average_of_all).
pub type Average = fn(VoteWeight, Units, HalfLives, HalfLives) -> VoteWeight;

/// The work of an operator, or of all.
///
/// The last epoch may be the current one. Its weight is then what it will be when the epoch closes; nothing is left to be done at that
/// time.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Record {
    /// The last epochs that changed the weight by more than decay, oldest first.
    pub worked: BoundedVec<Worked, ConstU32<{ KEPT_EPOCHS + 1 }>>,
}

impl Record {
    /// Adds `units` to those of the current epoch.
    pub fn credit(&mut self, now: Span, units: &UnitsBySource, average: Average) {
        let mut units = *units;
        units.add(&self.take_units(now.epoch));
        let (previous, since) = self
            .worked
            .last()
            .map_or((0, now.start), |last| (last.weight, last.index));
        let (elapsed, last) = (now.end.saturating_sub(since), now.end.saturating_sub(now.start));
        self.push(Worked {
            epoch: now.epoch,
            units,
            weight: average(previous, units.weighing(), elapsed, last),
            index: now.end,
        });
    }

    /// Takes `units` of the current epoch and `weight` at its start away.
    pub fn forfeit(&mut self, now: Span, units: &UnitsBySource, weight: VoteWeight, average: Average) {
        let mut units_left = self.take_units(now.epoch);
        units_left.subtract(units);
        let weight_left = self.weight_at(now.epoch, now.start, average).saturating_sub(weight);
        match (self.worked.last_mut(), now.epoch.checked_sub(1)) {
            // Before the first epoch has closed, the weight is 0 and stays so.
            (_, None) => {}
            (Some(last), Some(before)) if last.epoch == before => last.weight = weight_left,
            (_, Some(before)) => self.push(Worked {
                epoch: before,
                units: UnitsBySource::default(),
                weight: weight_left,
                index: now.start,
            }),
        }
        if units_left != UnitsBySource::default() {
            self.credit(now, &units_left, average);
        }
    }

    /// Weight at the start of `epoch`, which has this index; 0 before the epochs that are kept.
    pub fn weight_at(&self, epoch: Epoch, index: HalfLives, average: Average) -> VoteWeight {
        let known = self.worked.iter().rev().find(|worked| worked.epoch < epoch);
        known.map_or(0, |worked| {
            average(worked.weight, 0, index.saturating_sub(worked.index), 0)
        })
    }

    /// What was credited in `epoch`; nothing for epochs that aren't kept.
    pub fn units_in(&self, epoch: Epoch) -> UnitsBySource {
        let known = self.worked.iter().find(|worked| worked.epoch == epoch);
        known.map_or_else(Default::default, |worked| worked.units)
    }

    /// Whether epochs ascend, up to the current one, and their indices don't descend.
    pub fn is_ordered(&self, now: Span) -> bool {
        let ascends = |pair: &[Worked]| pair[0].epoch < pair[1].epoch && pair[0].index <= pair[1].index;
        let last = self.worked.last();
        self.worked.windows(2).all(ascends) && last.is_none_or(|last| last.epoch <= now.epoch && last.index <= now.end)
    }

    /// Takes the entry of `epoch` out, if it is the last one.
    fn take_units(&mut self, epoch: Epoch) -> UnitsBySource {
        match self.worked.last() {
            Some(last) if last.epoch == epoch => self.worked.pop().map_or_else(Default::default, |last| last.units),
            _ => UnitsBySource::default(),
        }
    }

    /// Appends, dropping the oldest when there is no room.
    fn push(&mut self, worked: Worked) {
        if self.worked.is_full() {
            self.worked.remove(0);
        }
        self.worked.force_push(worked);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What the ledger keeps, and how it rolls from epoch to epoch.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{traits::Source, Epoch, Units, VoteWeight};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Most closed epochs that a record keeps.
pub const KEPT_EPOCHS: u32 = 16;

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

/// An epoch that is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ClosedEpoch {
    /// Its number.
    pub epoch: Epoch,
    /// What was credited in it.
    pub units: UnitsBySource,
    /// The weight at its end, which is the start of the next one.
    pub weight: VoteWeight,
}

/// The work of an operator, or of all.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Record {
    /// The epoch in which something was credited last.
    pub open_epoch: Epoch,
    /// What was credited in it; counts only once it is closed.
    pub open_units: UnitsBySource,
    /// The last closed epochs that changed the weight by more than decay, oldest first.
    pub closed: BoundedVec<ClosedEpoch, ConstU32<KEPT_EPOCHS>>,
}

impl Record {
    /// The record with `now` as its open epoch. `average` is as in [`weight::average`](crate::weight::average) at the
    /// chain's half-life.
    pub fn rolled(mut self, now: Epoch, average: impl Fn(VoteWeight, Units, u32) -> VoteWeight) -> Self {
        if self.open_epoch >= now {
            return self;
        }
        let units = core::mem::take(&mut self.open_units);
        if units != UnitsBySource::default() {
            let epoch = self.open_epoch;
            let weight = match self.closed.last() {
                Some(last) => average(last.weight, units.weighing(), epoch - last.epoch),
                None => average(0, units.weighing(), 1),
            };
            self.push(ClosedEpoch { epoch, units, weight });
        }
        self.open_epoch = now;
        self
    }

    /// Weight at the start of `epoch`, which is at most the open one; 0 before the closed epochs that are kept.
    pub fn weight_at(&self, epoch: Epoch, average: impl Fn(VoteWeight, Units, u32) -> VoteWeight) -> VoteWeight {
        let known = self.closed.iter().rev().find(|closed| closed.epoch < epoch);
        known.map_or(0, |closed| average(closed.weight, 0, epoch - 1 - closed.epoch))
    }

    /// What was credited in `epoch`; nothing for epochs that aren't kept.
    pub fn units_in(&self, epoch: Epoch) -> UnitsBySource {
        if epoch == self.open_epoch {
            return self.open_units;
        }
        self.closed
            .iter()
            .find(|closed| closed.epoch == epoch)
            .map_or_else(Default::default, |closed| closed.units)
    }

    /// Sets the weight at the start of the open epoch.
    pub fn replace_weight(&mut self, weight: VoteWeight) {
        // Before the first epoch has closed, the weight is 0 and stays so.
        let Some(before) = self.open_epoch.checked_sub(1) else {
            return;
        };
        match self.closed.last_mut() {
            Some(last) if last.epoch == before => last.weight = weight,
            _ => self.push(ClosedEpoch {
                epoch: before,
                units: UnitsBySource::default(),
                weight,
            }),
        }
    }

    /// Whether the closed epochs ascend to before the open one, and that is at most `now`.
    pub fn is_ordered(&self, now: Epoch) -> bool {
        let mut epochs = self.closed.iter().map(|closed| closed.epoch).chain([self.open_epoch]);
        epochs
            .clone()
            .zip(epochs.by_ref().skip(1))
            .all(|(one, next)| one < next)
            && self.open_epoch <= now
    }

    /// Appends, dropping the oldest when there is no room.
    fn push(&mut self, closed: ClosedEpoch) {
        if self.closed.is_full() {
            self.closed.remove(0);
        }
        self.closed.force_push(closed);
    }
}

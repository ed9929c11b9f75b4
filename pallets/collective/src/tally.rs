// SPDX-License-Identifier: Apache-2.0
//! The tally of a poll, with the snapshot that it is counted against.
use crate::{Config, VoteRecord, Weights};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::marker::PhantomData;
use ergon_primitives::{traits::CurrentEpoch, Epoch, VoteWeight};
use frame_support::{
    traits::{Get, VoteTally},
    CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// Sums of the votes of a poll. The first three fields are those of `pallet-ranked-collective`.
///
/// With the snapshot inside, a poll has the same voters and the same denominator until it ends, whatever is computed,
/// delegated or lost meanwhile.
#[derive(
    CloneNoBound,
    DebugNoBound,
    EqNoBound,
    PartialEqNoBound,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[scale_info(skip_type_params(T))]
#[codec(mel_bound())]
pub struct Tally<T> {
    /// Accounts that voted aye.
    pub bare_ayes: u32,
    /// Weight of the ayes.
    pub ayes: VoteWeight,
    /// Weight of the nays.
    pub nays: VoteWeight,
    /// The epoch at whose start weights and delegations count: that of submission.
    pub epoch: Epoch,
    /// Sum of all weights then, or [`Config::TotalFloor`] if that is more.
    pub total: VoteWeight,
    #[codec(skip)]
    _runtime: PhantomData<T>,
}

impl<T: Config> Tally<T> {
    /// Without votes, counted against weights and delegations at the start of `epoch`.
    pub fn at(epoch: Epoch) -> Self {
        Self {
            bare_ayes: 0,
            ayes: 0,
            nays: 0,
            epoch,
            total: T::Weights::total_at(epoch).max(T::TotalFloor::get()),
            _runtime: PhantomData,
        }
    }

    /// Takes `old` out and puts `new` in. Saturates.
    pub fn replace(&mut self, old: Option<VoteRecord>, new: Option<VoteRecord>) {
        match old {
            Some(VoteRecord::Aye(weight)) => {
                self.bare_ayes = self.bare_ayes.saturating_sub(1);
                self.ayes = self.ayes.saturating_sub(weight);
            }
            Some(VoteRecord::Nay(weight)) => self.nays = self.nays.saturating_sub(weight),
            None => {}
        }
        match new {
            Some(VoteRecord::Aye(weight)) => {
                self.bare_ayes = self.bare_ayes.saturating_add(1);
                self.ayes = self.ayes.saturating_add(weight);
            }
            Some(VoteRecord::Nay(weight)) => self.nays = self.nays.saturating_add(weight),
            None => {}
        }
    }
}

impl<T: Config, Class> VoteTally<VoteWeight, Class> for Tally<T> {
    fn new(_: Class) -> Self {
        Self::at(T::CurrentEpoch::current_epoch())
    }

    fn ayes(&self, _: Class) -> VoteWeight {
        self.ayes
    }

    /// Share of all weight that voted aye.
    fn support(&self, _: Class) -> Perbill {
        // `from_rational` takes anything over 0 for everything.
        Perbill::from_rational(self.ayes, self.total.max(1))
    }

    /// Share of the weight that voted that voted aye.
    fn approval(&self, _: Class) -> Perbill {
        Perbill::from_rational(self.ayes, self.ayes.saturating_add(self.nays).max(1))
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn unanimity(class: Class) -> Self {
        Self::from_requirements(Perbill::one(), Perbill::one(), class)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn rejection(class: Class) -> Self {
        let tally = Self::unanimity(class);
        Self {
            bare_ayes: 0,
            ayes: 0,
            nays: tally.ayes,
            ..tally
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn from_requirements(support: Perbill, approval: Perbill, class: Class) -> Self {
        let tally = Self::new(class);
        // Enough for shares of a billionth to be exact.
        let total = tally.total.max(1_000_000_000);
        let ayes = support.mul_ceil(total);
        let votes = u128::from(ayes) * 1_000_000_000 / u128::from(approval.deconstruct().max(1));
        let nays = VoteWeight::try_from(votes)
            .unwrap_or(VoteWeight::MAX)
            .saturating_sub(ayes);
        Self {
            bare_ayes: 1,
            ayes,
            nays,
            total,
            ..tally
        }
    }

    /// Nothing: [`from_requirements`](Self::from_requirements) brings its own total.
    #[cfg(feature = "runtime-benchmarks")]
    fn setup(_: Class, _: Perbill) {}
}

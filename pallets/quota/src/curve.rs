// SPDX-License-Identifier: Apache-2.0
//! The quota curve: how much of the chain goes with how much weight, and with none.
use crate::{Config, Pallet, Points};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::Units;
use frame_support::{
    dispatch::{DispatchClass, DispatchInfo},
    traits::Get,
};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::{traits::UniqueSaturatedInto, Perbill};

/// Most of a block that all newcomers together may ever get.
pub const MAX_NEWCOMER_SHARE: Perbill = Perbill::from_percent(10);
/// Most units that may go with a point: 10^12 multiply-accumulates with a microsecond.
pub const MAX_UNITS_PER_POINT: u64 = 1_000_000;

/// Transactions of a newcomer's [first steps](Config::FirstSteps): registering, voting, submitting a proposal and placing its deposit.
pub const FIRST_STEPS: u64 = 4;
/// Bytes of such a transaction.
pub(crate) const STEP_BYTES: u32 = 512;

/// What governance may change about quotas. The ranges are those of [`check`](Self::check).
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    PartialEq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaParameters {
    /// Capacity of all vote weight together.
    pub weight_points: Points,
    /// Capacity of everybody, and least capacity of a new line.
    pub newcomer_points: Points,
    /// Share of a block's normal weight that all newcomers together may take, and of the units that would go with it.
    pub newcomer_share: Perbill,
    /// Units that a bucket holds for each point that its owner's other bucket holds.
    pub units_per_point: u64,
    /// Capacity of each operator for duties.
    pub duty_points: Points,
    /// Capacity of each operator with weight for votes.
    pub vote_points: Points,
}

/// What the ranges follow from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Points in the normal part of a block.
    pub block_points: Points,
    /// Blocks that fill an empty bucket.
    pub refill_blocks: u64,
    /// What a newcomer must be able to send with a full bucket.
    pub first_steps: Points,
    /// What a newcomer must be able to ask for with a full bucket.
    pub least_units: Units,
}

impl QuotaParameters {
    /// Checks every range. Whatever passes leaves everybody the first steps, voting and proposing among them, and a job, so that there is always work to
    /// be credited, and governance can always choose something else.
    pub fn check(&self, limits: &Limits) -> Result<(), &'static str> {
        if self.newcomer_share > MAX_NEWCOMER_SHARE {
            return Err("newcomers would get more than their share of a block");
        }
        if self.newcomer_points < limits.first_steps {
            return Err("newcomer_points don't cover the first steps");
        }
        if self.newcomer_points > self.newcomer_points_per_block(limits.block_points) {
            return Err("what one newcomer may send must fit into the newcomers' share of a block");
        }
        if self.weight_points < self.newcomer_points {
            return Err("weight would be worth less than none");
        }
        if self.weight_points > limits.block_points.saturating_mul(limits.refill_blocks) {
            return Err("weight would be worth more than there is");
        }
        for guaranteed in [self.duty_points, self.vote_points] {
            if guaranteed < limits.first_steps {
                return Err("duty_points and vote_points must cover some calls");
            }
            if guaranteed > self.weight_points {
                return Err("an operator would be guaranteed more than all weight together");
            }
        }
        if self.units_per_point == 0 || self.units_per_point > MAX_UNITS_PER_POINT {
            return Err("units_per_point is out of range");
        }
        // No operator has less than a newcomer, and all newcomers together get as much of each block.
        if self.units(self.newcomer_points) < limits.least_units {
            return Err("nobody could ask for a job");
        }
        Ok(())
    }

    /// Units that go with a capacity in points.
    pub fn units(&self, capacity: Points) -> Units {
        capacity.saturating_mul(self.units_per_point)
    }

    /// Points that all newcomers together may take of a block whose normal part has `block_points`.
    pub fn newcomer_points_per_block(&self, block_points: Points) -> Points {
        self.newcomer_share * block_points
    }
}

impl<T: Config> Pallet<T> {
    /// What the parameters are checked against. Complexity: O(1).
    pub fn limits() -> Limits {
        let steps = DispatchInfo {
            call_weight: T::FirstSteps::get(),
            ..Default::default()
        };
        let others = (FIRST_STEPS - 1).saturating_mul(Self::cost(&Default::default(), STEP_BYTES));
        Limits {
            block_points: Self::block_points(),
            refill_blocks: T::RefillBlocks::get().unique_saturated_into(),
            first_steps: Self::cost(&steps, STEP_BYTES).saturating_add(others),
            least_units: T::LeastUnits::get(),
        }
    }

    /// Points in the normal part of a block.
    pub(crate) fn block_points() -> Points {
        let weights = T::BlockWeights::get();
        let normal = weights.get(DispatchClass::Normal).max_total;
        Self::points_in(normal.unwrap_or(weights.max_block))
    }
}

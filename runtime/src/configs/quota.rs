// SPDX-License-Identifier: Apache-2.0
//! Quota: what replaces fees. A point is a microsecond of a block, see [`pallet_quota`].
use super::*;
use crate::{Contributions, Workers};
use ergon_primitives::{
    traits::{Contributions as _, Workers as _},
    VoteWeight,
};
use pallet_compute_collective::WeightInfo as _;
use pallet_quota::{Accounts, Classify, Lane, Points};
use pallet_workers::WeightInfo as _;

/// Points in the normal part of a block.
const BLOCK_POINTS: Points = timing::SLOT_MILLISECONDS / 3 * 1_000 / 4 * 3;
/// What everybody may use without having earned it: registering and voting, with some room. At most a tenth of a block, so that it fits
/// into what all newcomers have together.
const NEWCOMER_POINTS: Points = 60_000;
/// A microsecond of a block comes with 10^9 multiply-accumulates.
const UNITS_PER_POINT: u64 = 1_000;
/// Zero bits at the beginning of the easiest ticket: 2^23 tries are some seconds of one core.
const TICKET_BITS: u32 = if cfg!(feature = "production") { 23 } else { 16 };

parameter_types! {
    pub const NewcomerShare: Perbill = Perbill::from_percent(10);
    /// Registering, and voting once.
    pub FirstSteps: Weight = <Runtime as pallet_workers::Config>::WeightInfo::register()
        .saturating_add(<Runtime as pallet_compute_collective::Config>::WeightInfo::vote());
}

impl pallet_quota::Config for Runtime {
    type Accounts = OperatorsByWeight;
    type Lanes = Drawn;
    type PointsPerByte = ConstU64<1>;
    type UnitsPerPoint = ConstU64<UNITS_PER_POINT>;
    type RefillBlocks = ConstU32<{ timing::REFILL_BLOCKS }>;
    /// Half of all block space.
    type WeightPoints = ConstU64<{ BLOCK_POINTS / 2 * timing::REFILL_BLOCKS as u64 }>;
    type NewcomerPoints = ConstU64<NEWCOMER_POINTS>;
    type NewcomerShare = NewcomerShare;
    type NewcomerUnitsPerBlock = ConstU64<{ BLOCK_POINTS / 10 * UNITS_PER_POINT }>;
    type FirstSteps = FirstSteps;
    /// About a hundred of the largest answers.
    type DutyPoints = ConstU64<2_000_000>;
    type VotePoints = ConstU64<200_000>;
    type GenesisHalfLife = ConstU32<{ timing::GENESIS_LINE_HALF_LIFE }>;
    type MaxLines = ConstU32<64>;
    type RetargetBlocks = ConstU32<{ timing::REFILL_BLOCKS }>;
    type TicketsPerPeriod = ConstU32<60>;
    type TicketLifetime = ConstU32<{ timing::REFILL_BLOCKS / 2 }>;
    type MaxTicketsPerBlock = ConstU32<8>;
    type EasiestTarget = ConstU64<{ u64::MAX >> TICKET_BITS }>;
    type HardestTarget = ConstU64<{ u64::MAX >> (TICKET_BITS + 12) }>;
    type WeightInfo = pallet_quota::weights::EstimatedWeight<Runtime>;
}

/// Operators as the registry and the ledger know them.
pub struct OperatorsByWeight;

impl Accounts<AccountId> for OperatorsByWeight {
    fn operator_of(account: &AccountId) -> Option<AccountId> {
        if pallet_workers::Operators::<Runtime>::contains_key(account) {
            return Some(account.clone());
        }
        Workers::operator_of(account)
    }

    fn weight(operator: &AccountId) -> VoteWeight {
        Contributions::weight(operator)
    }

    fn total_weight() -> VoteWeight {
        Contributions::total()
    }
}

/// A duty is one only for the operator that was drawn for it: nobody gets its priority for calls that are bound to fail.
pub struct Drawn;

impl Classify<AccountId, RuntimeCall> for Drawn {
    fn lane(operator: &AccountId, call: &RuntimeCall) -> Lane {
        let drawn = match call {
            RuntimeCall::Jobs(pallet_jobs::Call::submit_result { job, .. } | pallet_jobs::Call::reveal { job, .. }) => {
                pallet_jobs::Executing::<Runtime>::contains_key(operator, job)
            }
            RuntimeCall::Audits(pallet_audits::Call::attest { job, .. }) => {
                pallet_audits::Pending::<Runtime>::contains_key(operator, job)
            }
            RuntimeCall::RankedCollective(pallet_compute_collective::Call::vote { .. }) => return Lane::Vote,
            _ => false,
        };
        if drawn {
            Lane::Duty
        } else {
            Lane::Ordinary
        }
    }
}

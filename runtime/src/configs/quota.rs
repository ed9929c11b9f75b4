// SPDX-License-Identifier: Apache-2.0
//! Quota: what replaces fees. A point is a microsecond of a block, see [`pallet_quota`].
use super::{governance::Operators, *};
use crate::{extensions, parameters::InForce, Contributions, Jobs, RankedCollective, UncheckedExtrinsic, Workers};
use alloc::{vec, vec::Vec};
use ergon_primitives::{
    ticket::Ticket,
    traits::{Contributions as _, Workers as _},
    Units, VoteWeight,
};
use frame_support::{
    traits::{Contains, Get},
    BoundedVec,
};
use pallet_compute_collective::WeightInfo as _;
use pallet_quota::{Accounts, Classify, Lane, Points, QuotaParameters};
use pallet_referenda::WeightInfo as _;
use pallet_workers::WeightInfo as _;
use sp_runtime::{generic::Era, traits::TransactionExtension, MultiSignature};

/// Points in the normal part of a block.
const BLOCK_POINTS: Points = timing::SLOT_MILLISECONDS / 3 * 1_000 / 4 * 3;
/// Zero bits at the beginning of the easiest ticket: 2^23 tries are some seconds of one core.
const TICKET_BITS: u32 = if cfg!(feature = "production") { 23 } else { 16 };

/// What everybody can ask for: 512 tokens and 256 more of a model of 8 * 10^9 parameters, at its default prices.
const LEAST_UNITS: Units = (512 + 256) * 8_000;

/// The quota curve, until governance chooses another one (`Work::Quota`).
pub const CURVE: QuotaParameters = QuotaParameters {
    // Half of all block space.
    weight_points: BLOCK_POINTS / 2 * timing::REFILL_BLOCKS as u64,
    // Registering, voting and proposing, with some room. At most a tenth of a block, so that it fits into what all newcomers have together.
    newcomer_points: 60_000,
    newcomer_share: Perbill::from_percent(10),
    // A microsecond of a block comes with 10^9 multiply-accumulates.
    units_per_point: 1_000,
    // About a hundred of the largest answers.
    duty_points: 2_000_000,
    vote_points: 200_000,
};

parameter_types! {
    /// Registering, voting once, and proposing: submitting a proposal and placing its deposit, where it is dearest.
    pub FirstSteps: Weight = extensions(0, Era::mortal(64, 0))
        .weight(&frame_system::Call::remark { remark: Vec::new() }.into())
        .saturating_mul(pallet_quota::FIRST_STEPS)
        .saturating_add(<Runtime as pallet_workers::Config>::WeightInfo::register())
        .saturating_add(<Runtime as pallet_compute_collective::Config>::WeightInfo::vote())
        .saturating_add(<Runtime as pallet_referenda::Config>::WeightInfo::submit())
        .saturating_add(<Runtime as pallet_referenda::Config>::WeightInfo::place_decision_deposit_passing());
}

/// Most units that one newcomer can ask for in an epoch: what a full bucket holds and what comes back to it. Averaged over epochs, no weight
/// that it earns by its own requests is more.
pub const NEWCOMER_UNITS: Units =
    CURVE.newcomer_points * CURVE.units_per_point * (timing::REFILL_BLOCKS as u64 + timing::EPOCH_SLOTS)
        / timing::REFILL_BLOCKS as u64;
/// Most units that all newcomers together, however many, can ask for in an epoch, if every slot has a block. What they earn by each
/// others' requests weighs less, however long they go on.
pub const NEWCOMERS_UNITS: Units = BLOCK_POINTS * CURVE.newcomer_share.deconstruct() as u64 / 1_000_000_000
    * CURVE.units_per_point
    * timing::EPOCH_SLOTS;

/// Bytes of a block that are left for its header and for what every block carries: 64 times what they take by now.
const RESERVED_BYTES: u32 = 64 * 1024;

parameter_types! {
    /// What is left of the normal part of a block for one transaction.
    pub MaxTransactionBytes: u32 = Length::get().max.get(DispatchClass::Normal).saturating_sub(RESERVED_BYTES);
}

parameter_types! {
    /// The longest call with a ticket, as a transaction.
    pub TicketPoints: Points = {
        let nobody = AccountId::new([0; 32]);
        let call = pallet_workers::Call::join {
            operator: nobody.clone(),
            hot: nobody,
            endpoint: BoundedVec::truncate_from(vec![0; pallet_workers::MAX_ENDPOINT_BYTES as usize]),
            models: BoundedVec::truncate_from(vec![Default::default(); pallet_workers::MAX_MODELS as usize]),
            ticket: Ticket { block: 0, nonce: 0 },
            signature: MultiSignature::Sr25519(Default::default()),
        };
        let transaction = UncheckedExtrinsic::new_transaction(call.into(), extensions(0, Era::Immortal));
        crate::quota::cost(&transaction)
    };
}

impl pallet_quota::Config for Runtime {
    type Accounts = OperatorsByWeight;
    type Lanes = Awaited;
    type Newcomers = Workers;
    type CurrentEpoch = Sessions;
    type WeightsSince = EpochStart;
    type MaxTransactionBytes = MaxTransactionBytes;
    type Parameters = InForce;
    type PointsPerByte = ConstU64<1>;
    type RefillBlocks = ConstU32<{ timing::REFILL_BLOCKS }>;
    type FirstSteps = FirstSteps;
    type LeastUnits = ConstU64<LEAST_UNITS>;
    type GenesisHalfLife = ConstU32<{ timing::GENESIS_LINE_HALF_LIFE }>;
    type MaxLines = ConstU32<64>;
    type RetargetBlocks = ConstU32<{ timing::REFILL_BLOCKS }>;
    type TicketsPerPeriod = ConstU32<60>;
    type TicketLifetime = ConstU32<{ timing::REFILL_BLOCKS / 2 }>;
    type MaxJoinsPerBlock = ConstU32<8>;
    type MaxVouchesPerEpoch = ConstU32<2>;
    type VoucherBan = ConstU32<6>;
    type TicketPoints = TicketPoints;
    type EasiestTarget = ConstU64<{ u64::MAX >> TICKET_BITS }>;
    type HardestTarget = ConstU64<{ u64::MAX >> (TICKET_BITS + 12) }>;
    type WeightInfo = pallet_quota::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
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

    fn is_established(operator: &AccountId) -> bool {
        Operators::contains(operator) && Workers::probation(operator).is_none()
    }
}

/// The block in which the current epoch began.
pub struct EpochStart;

impl Get<BlockNumber> for EpochStart {
    fn get() -> BlockNumber {
        pallet_babe::EpochStart::<Runtime>::get().1
    }
}

/// Whether an operator's own key changes by `call` what its workers may do and what it is drawn for.
fn manages(call: &pallet_workers::Call<Runtime>) -> bool {
    use pallet_workers::Call;
    matches!(
        call,
        Call::update { .. }
            | Call::add_hot_key { .. }
            | Call::remove_hot_key { .. }
            | Call::drain { .. }
            | Call::resume { .. }
            | Call::remove { .. }
    )
}

/// What is awaited: a duty only by a hot key of the operator that was drawn for it, when its time has come and if it is done right; a
/// vote only by the operator itself, on a poll where it counts. So nobody gets their buckets for calls that fail.
pub struct Awaited;

impl Classify<AccountId, RuntimeCall> for Awaited {
    fn lane(who: &AccountId, operator: &AccountId, call: &RuntimeCall) -> Lane {
        let due = match call {
            RuntimeCall::Jobs(call) => Jobs::is_due(who, call),
            // The call would refuse anybody but a hot key.
            RuntimeCall::Audits(pallet_audits::Call::attest { job, .. }) => {
                pallet_audits::Pending::<Runtime>::contains_key(operator, job)
                    && Workers::operator_of(who).as_ref() == Some(operator)
            }
            RuntimeCall::Workers(call) if who == operator && manages(call) => return Lane::Management,
            RuntimeCall::RankedCollective(pallet_compute_collective::Call::vote { poll, .. })
                if who == operator && RankedCollective::takes_vote(*poll, operator) =>
            {
                let changed = RankedCollective::has_voted(*poll, operator);
                return if changed { Lane::ChangedVote } else { Lane::Vote };
            }
            _ => false,
        };
        if due {
            Lane::Duty
        } else {
            Lane::Ordinary
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Our own pallets. Times and rates are in `parameters.rs`; here stand the bounds of storage and work.
use super::*;
use crate::{
    parameters::{HalfLifeInForce, InForce},
    Audits, Beacon, Contributions, Jobs, Models, Quota, RankedCollective, Signature, Validators, Workers,
};
use alloc::vec::Vec;
use ergon_primitives::{
    traits::{CurrentEpoch, Parameters as _},
    Epoch,
};
use frame_support::{
    dispatch::DispatchClass,
    traits::{EitherOfDiverse, Get},
    weights::Weight,
};
use frame_system::EnsureRoot;
use pallet_audits::AuditParameters;
use pallet_compute_collective::EnsureModels;
use pallet_jobs::JobParameters;
use pallet_session::SessionManager;

/// Most models, retired ones included.
const MAX_MODELS: u32 = 64;
/// Output tokens that every device is expected to decode in a block, of models for which no other rate is registered: 10 a second on a
/// public network. On a development network it is for small models, and so that an executor has room for four jobs of the demo.
const TOKENS_PER_BLOCK: u32 = if cfg!(feature = "production") { 60 } else { 150 };
/// Blocks of work that an operator may owe at once.
const BUDGET_BLOCKS: u32 = 10;
/// Missed deadlines in a row after which an operator is no longer drawn.
const MAX_MISSES_IN_ROW: u32 = 3;
/// Most accounts that one operator ever brings onto the chain as its hot keys.
const MAX_HOT_KEYS_EVER: u32 = 32;
/// Most jobs that are assigned in a block, which [`ServiceWeight`] leaves room for unless many operators are busy. A block of a development
/// network is half as long.
const ASSIGNMENTS: u32 = if cfg!(feature = "production") { 160 } else { 80 };
/// Most jobs of one model that wait, those that wait for the delay of their draw included: that of 15 blocks takes 2,400 places on a public
/// network, if as many are submitted as can be assigned.
const MAX_QUEUED: u32 = if cfg!(feature = "production") { 4_096 } else { 1_024 };

impl pallet_beacon::Config for Runtime {
    type Randomness = pallet_babe::ParentBlockRandomness<Runtime>;
    type WeightInfo = pallet_beacon::weights::MeasuredWeight<Runtime>;
}

impl pallet_models::Config for Runtime {
    type BlockNumberProvider = Clock;
    type GovernanceOrigin = EitherOfDiverse<EnsureRoot<AccountId>, EnsureModels>;
    type MaxModels = ConstU32<MAX_MODELS>;
    type TokensPerBlock = ConstU32<TOKENS_PER_BLOCK>;
    type Retention = ConstU32<{ timing::MODEL_RETENTION }>;
    type WeightInfo = pallet_models::weights::MeasuredWeight<Runtime>;
}

impl pallet_workers::Config for Runtime {
    type BlockNumberProvider = Clock;
    type GovernanceOrigin = EnsureRoot<AccountId>;
    type Models = Models;
    type Capacity = Contributions;
    type Admission = Quota;
    type Signature = Signature;
    type ListDelay = AuditDelay;
    type BudgetBlocks = ConstU32<BUDGET_BLOCKS>;
    type EpochBlocks = ConstU32<{ timing::EPOCH_SLOTS as u32 }>;
    type SuspensionBlocks = ConstU32<{ timing::SUSPENSION_BLOCKS }>;
    type MaxMissesInRow = ConstU32<MAX_MISSES_IN_ROW>;
    type MaxHotKeysEver = ConstU32<MAX_HOT_KEYS_EVER>;
    type WeightInfo = pallet_workers::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

impl pallet_contributions::Config for Runtime {
    type CurrentEpoch = Sessions;
    type HalfLifeEpochs = HalfLifeInForce;
    type OnChange = RankedCollective;
}

impl pallet_audits::Config for Runtime {
    type Parameters = InForce;
    type Beacon = Beacon;
    type Workers = Workers;
    type Contributions = Contributions;
    type OnAudit = Jobs;
    type WeightInfo = pallet_audits::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

impl pallet_jobs::Config for Runtime {
    type BlockNumberProvider = Clock;
    type Parameters = InForce;
    type Beacon = Beacon;
    type Models = Models;
    type Workers = Workers;
    type Contributions = Contributions;
    type Audits = Audits;
    type Quota = Quota;
    type LifeWeight = LifeWeight;
    type CreditMemory = CreditMemory;
    type MaxQueued = ConstU32<MAX_QUEUED>;
    type MaxWaitingModels = ConstU32<MAX_MODELS>;
    type ServiceWeight = ServiceWeight;
    type MaxAssignmentsPerBlock = ConstU32<ASSIGNMENTS>;
    type MaxDuePerBlock = ConstU32<{ ASSIGNMENTS + pallet_jobs::MAX_STEPS }>;
    type MaxPrunedPerBlock = ConstU32<{ 2 * ASSIGNMENTS + pallet_jobs::MAX_STEPS }>;
    type WeightInfo = pallet_jobs::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

/// Lists follow what operators ask for when an answer of the same block is audited.
pub struct AuditDelay;

impl Get<BlockNumber> for AuditDelay {
    fn get() -> BlockNumber {
        let JobParameters { audit_delay, .. } = InForce::get();
        audit_delay
    }
}

/// Half-lives of weight for which prompts that were credited are known at least.
const CREDIT_MEMORY_HALF_LIVES: BlockNumber = 4;

/// Several half-lives, so that what is credited again for a stored answer replaces little of what it was worth, and as long as jobs are kept.
pub struct CreditMemory;

impl Get<BlockNumber> for CreditMemory {
    fn get() -> BlockNumber {
        let JobParameters { retention, .. } = InForce::get();
        let half_life = HalfLifeInForce::get().saturating_mul(timing::EPOCH_SLOTS as u32);
        half_life.saturating_mul(CREDIT_MEMORY_HALF_LIVES).max(retention)
    }
}

/// Half of a block for what its start does for jobs.
pub struct ServiceWeight;

impl Get<Weight> for ServiceWeight {
    fn get() -> Weight {
        Weights::get().max_block.div(2)
    }
}

/// Operators that a draw looks at until it finds one that has room, where half of them are busy.
const TRIES: u32 = 2;

/// What a job takes of blocks after its submission: the work at the start of blocks, and the transactions of its executor and auditors.
///
/// That of a job whose operators keep their deadlines. Other executors and auditors are found at nobody's charge, since others than the requester
/// cause it: a job has three executors at most, and operators that miss three deadlines in a row are suspended, each time for longer.
pub struct LifeWeight;

impl Get<Weight> for LifeWeight {
    fn get() -> Weight {
        use pallet_audits::WeightInfo as _;
        use pallet_jobs::WeightInfo as _;
        let AuditParameters { auditors_per_job, .. } = InForce::get();
        let auditors = auditors_per_job.into();
        let steps = pallet_jobs::Work {
            ripe: 1,
            due: 1,
            draws: auditors_per_job,
            tries: TRIES.saturating_mul(auditors_per_job.saturating_add(1)),
            visits: 1,
            assigned: 1,
            pruned: 1,
            forgotten: 1,
            ..Default::default()
        };
        let transaction = Weights::get().get(DispatchClass::Normal).base_extrinsic;
        let transactions = transaction.saturating_mul(u64::from(auditors_per_job).saturating_add(2));
        let jobs = <Runtime as pallet_jobs::Config>::WeightInfo::on_initialize(&steps)
            .saturating_sub(<Runtime as pallet_jobs::Config>::WeightInfo::on_initialize_idle());
        jobs.saturating_add(<Runtime as pallet_jobs::Config>::WeightInfo::submit_result())
            .saturating_add(<Runtime as pallet_audits::Config>::WeightInfo::attest().saturating_mul(auditors))
            .saturating_add(<Runtime as pallet_jobs::Config>::WeightInfo::reveal(auditors_per_job))
            .saturating_add(transactions)
    }
}

/// An epoch is a session.
pub struct Sessions;

impl CurrentEpoch for Sessions {
    fn current_epoch() -> Epoch {
        Session::current_index()
    }
}

/// Tells when an epoch begins. The validators stay the same until governance names others.
impl SessionManager<AccountId> for Sessions {
    fn new_session(_: Epoch) -> Option<Vec<AccountId>> {
        Validators::take_next()
    }

    fn end_session(_: Epoch) {}

    fn start_session(_: Epoch) {
        Contributions::begin_epoch();
    }
}

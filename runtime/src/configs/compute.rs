// SPDX-License-Identifier: Apache-2.0
//! Our own pallets. Times and rates are in `parameters.rs`; here stand the bounds of storage and work.
use super::*;
use crate::{
    parameters::{HalfLifeInForce, InForce},
    Audits, Beacon, Contributions, Jobs, Models, Quota, RankedCollective, Signature, Workers,
};
use alloc::vec::Vec;
use ergon_primitives::{traits::CurrentEpoch, Epoch};
use frame_support::traits::EitherOfDiverse;
use frame_system::EnsureRoot;
use pallet_compute_collective::EnsureModels;
use pallet_session::SessionManager;

/// Most models, retired ones included.
const MAX_MODELS: u32 = 64;
/// Most jobs that one operator has in flight.
const MAX_IN_FLIGHT: u32 = 4;
/// Missed deadlines in a row after which an operator is drawn no more.
const MAX_MISSES_IN_ROW: u32 = 3;
/// Most accounts that one operator ever brings onto the chain as its hot keys.
const MAX_HOT_KEYS_EVER: u32 = 32;

impl pallet_beacon::Config for Runtime {
    type Randomness = pallet_babe::ParentBlockRandomness<Runtime>;
    type WeightInfo = pallet_beacon::weights::MeasuredWeight<Runtime>;
}

impl pallet_models::Config for Runtime {
    type GovernanceOrigin = EitherOfDiverse<EnsureRoot<AccountId>, EnsureModels>;
    type MaxModels = ConstU32<MAX_MODELS>;
    type Retention = ConstU32<{ timing::MODEL_RETENTION }>;
    type WeightInfo = pallet_models::weights::MeasuredWeight<Runtime>;
}

impl pallet_workers::Config for Runtime {
    type GovernanceOrigin = EnsureRoot<AccountId>;
    type Models = Models;
    type Capacity = Contributions;
    type Admission = Quota;
    type Signature = Signature;
    type MaxInFlight = ConstU32<MAX_IN_FLIGHT>;
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
    type OnAttested = Jobs;
    type WeightInfo = pallet_audits::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

impl pallet_jobs::Config for Runtime {
    type Parameters = InForce;
    type Beacon = Beacon;
    type Models = Models;
    type Workers = Workers;
    type Contributions = Contributions;
    type Audits = Audits;
    type Quota = Quota;
    type MaxQueued = ConstU32<1024>;
    type MaxWaitingModels = ConstU32<MAX_MODELS>;
    type MaxAssignmentsPerBlock = ConstU32<28>;
    type MaxDuePerBlock = ConstU32<36>;
    type MaxPrunedPerBlock = ConstU32<36>;
    type WeightInfo = pallet_jobs::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

/// An epoch is a session.
pub struct Sessions;

impl CurrentEpoch for Sessions {
    fn current_epoch() -> Epoch {
        Session::current_index()
    }
}

/// Tells when an epoch begins. The validators are those of the genesis for ever: others are never named.
impl SessionManager<AccountId> for Sessions {
    fn new_session(_: Epoch) -> Option<Vec<AccountId>> {
        None
    }

    fn end_session(_: Epoch) {}

    fn start_session(_: Epoch) {
        Contributions::begin_epoch();
    }
}

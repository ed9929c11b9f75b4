// SPDX-License-Identifier: Apache-2.0
//! Who validates: accounts that have set session keys and that governance names, until they are elected by weight.
use super::*;
use crate::SessionKeys;
use frame_support::traits::Contains;
use frame_system::EnsureRoot;
use sp_runtime::traits::{ConvertInto, OpaqueKeys};

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Babe;
    type NextSessionRotation = Babe;
    type SessionManager = Sessions;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type KeyDeposit = ConstU128<0>;
}

impl pallet_validators::Config for Runtime {
    type SetOrigin = EnsureRoot<AccountId>;
    type Registration = Session;
    type MaxValidators = ConstU32<MAX_AUTHORITIES>;
    type WeightInfo = pallet_validators::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

/// Every call but `Session.purge_keys`: a validator without keys drops out of the set in the next session, and once all had purged
/// theirs, no block could be authored. `Session.set_keys` replaces keys, which is enough for a validator whose keys are lost or stolen.
pub struct KeepsKeys;

impl Contains<RuntimeCall> for KeepsKeys {
    fn contains(call: &RuntimeCall) -> bool {
        !matches!(call, RuntimeCall::Session(pallet_session::Call::purge_keys { .. }))
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A runtime in which all accounts below [`Keyless`] have session keys.
use crate as pallet_validators;
use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ValidatorRegistration},
};
use frame_system::EnsureRoot;
use sp_runtime::BuildStorage;

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(RuntimeCall, RuntimeEvent, RuntimeError, RuntimeOrigin, RuntimeTask)]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Validators = pallet_validators;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

/// Most validators.
pub const MAX_VALIDATORS: u32 = 4;

parameter_types! {
    /// The first account without session keys.
    pub static Keyless: u64 = 100;
}

/// Accounts below [`Keyless`].
pub struct HaveKeys;

impl ValidatorRegistration<u64> for HaveKeys {
    fn is_registered(who: &u64) -> bool {
        *who < Keyless::get()
    }
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_validators::benchmarking::BenchmarkHelper<u64> for HaveKeys {
    fn validator(index: u32) -> u64 {
        index.into()
    }
}

impl pallet_validators::Config for Test {
    type SetOrigin = EnsureRoot<u64>;
    type Registration = HaveKeys;
    type MaxValidators = ConstU32<MAX_VALIDATORS>;
    type WeightInfo = pallet_validators::weights::MeasuredWeight<Test>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = HaveKeys;
}

/// The genesis state.
pub fn new_test_ext() -> sp_io::TestExternalities {
    let storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
    storage.into()
}

/// Runs `test` in block 1, where events are kept, and checks the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        Keyless::set(100);
        System::set_block_number(1);
        test();
        Validators::do_try_state().unwrap();
    });
}

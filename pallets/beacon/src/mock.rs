// SPDX-License-Identifier: Apache-2.0
//! A runtime with a source of randomness that tests set by hand.
use crate as pallet_beacon;
use ergon_primitives::H256;
use frame_support::{derive_impl, parameter_types, traits::Randomness};
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
    pub type Beacon = pallet_beacon;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

parameter_types! {
    /// What the parent block's author revealed.
    pub static ParentRandomness: Option<H256> = None;
}

/// Hands out [`ParentRandomness`].
pub struct HandSet;

impl Randomness<Option<H256>, u64> for HandSet {
    fn random(_subject: &[u8]) -> (Option<H256>, u64) {
        (ParentRandomness::get(), System::block_number().saturating_sub(1))
    }
}

impl pallet_beacon::Config for Test {
    type Randomness = HandSet;
    type WeightInfo = pallet_beacon::weights::MeasuredWeight<Test>;
}

/// The genesis state.
pub fn new_test_ext() -> sp_io::TestExternalities {
    let storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
    storage.into()
}

/// Runs `test` on the genesis state and checks the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        ParentRandomness::set(None);
        test();
        Beacon::do_try_state().unwrap();
    });
}

/// Starts the next block, whose parent revealed `randomness`.
pub fn next_block(randomness: Option<H256>) {
    ParentRandomness::set(randomness);
    System::run_to_block::<AllPalletsWithSystem>(System::block_number() + 1);
}

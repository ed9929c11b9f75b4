// SPDX-License-Identifier: Apache-2.0
//! A runtime whose epoch tests set by hand.
use crate::{self as pallet_contributions, OnContribution};
use ergon_primitives::{
    traits::{Contributions as _, CurrentEpoch, Source},
    Epoch, VoteWeight,
};
use frame_support::{derive_impl, parameter_types};
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
    pub type Contributions = pallet_contributions;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

parameter_types! {
    /// The current epoch.
    pub static Now: Epoch = 0;
    /// The half-life that governance wants.
    pub static Wanted: u32 = HALF_LIFE;
    /// What was told about whom: `true` for credited, `false` for forfeited.
    pub static Told: Vec<(u64, bool)> = Vec::new();
}

/// Says [`Now`].
pub struct HandSet;

impl CurrentEpoch for HandSet {
    fn current_epoch() -> Epoch {
        Now::get()
    }
}

/// Writes to [`Told`].
pub struct Listener;

impl OnContribution<u64> for Listener {
    fn credited(operator: &u64) {
        Told::mutate(|told| told.push((*operator, true)));
    }

    fn forfeited(operator: &u64) {
        Told::mutate(|told| told.push((*operator, false)));
    }
}

/// Half-life of the test runtime, unless it is changed.
pub const HALF_LIFE: u32 = 4;

impl pallet_contributions::Config for Test {
    type CurrentEpoch = HandSet;
    type HalfLifeEpochs = Wanted;
    type OnChange = Listener;
}

/// Credited by [`go_to`], what doesn't weigh.
pub const BYSTANDER: u64 = 99;

/// Begins `epoch`, and says so; the one before isn't void.
pub fn go_to(epoch: Epoch) {
    Contributions::credit(&BYSTANDER, Source::Audit, 1);
    idle_until(epoch);
}

/// Begins `epoch`, and says so.
pub fn idle_until(epoch: Epoch) {
    Now::set(epoch);
    Contributions::begin_epoch();
}

/// Runs `test` in block 1 and epoch 0, and checks the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
    build_with_weights(&[], test);
}

/// The same on a network that starts with these weights.
pub fn build_with_weights(weights: &[(u64, VoteWeight)], test: impl FnOnce()) {
    Now::set(0);
    Wanted::set(HALF_LIFE);
    Told::set(Vec::new());
    let config = RuntimeGenesisConfig {
        contributions: pallet_contributions::GenesisConfig {
            weights: weights.to_vec(),
        },
        ..Default::default()
    };
    sp_io::TestExternalities::new(config.build_storage().unwrap()).execute_with(|| {
        System::set_block_number(1);
        test();
        Contributions::do_try_state().unwrap();
    });
}

// SPDX-License-Identifier: Apache-2.0
//! A chain whose migration the tests begin and end, with one pallet that each block needs and one that only open blocks run.
use crate::{self as pallet_clock, Gate};
use frame_executive::OnInitializeWithWeightRegistration;
use frame_support::{
    derive_impl,
    migrations::MultiStepMigrator,
    parameter_types,
    traits::{OnFinalize, OnIdle, OnPoll},
    weights::{Weight, WeightMeter},
};
use frame_system::mocking::MockBlock;

/// Counts the calls of its hooks.
#[frame_support::pallet]
pub mod counter {
    use frame_support::{pallet_prelude::*, weights::WeightMeter};
    use frame_system::pallet_prelude::*;

    /// What `on_initialize` weighs.
    pub const WEIGHT: Weight = Weight::from_parts(1_000, 0);

    #[pallet::pallet]
    pub struct Pallet<T, I = ()>(_);

    #[pallet::config]
    pub trait Config<I: 'static = ()>: frame_system::Config {}

    /// Calls of `on_initialize`, `on_poll`, `on_idle` and `on_finalize`.
    #[pallet::storage]
    pub type Calls<T: Config<I>, I: 'static = ()> = StorageValue<_, [u32; 4], ValueQuery>;

    #[pallet::hooks]
    impl<T: Config<I>, I: 'static> Hooks<BlockNumberFor<T>> for Pallet<T, I> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Calls::<T, I>::mutate(|calls| calls[0] += 1);
            WEIGHT
        }

        fn on_poll(_: BlockNumberFor<T>, _: &mut WeightMeter) {
            Calls::<T, I>::mutate(|calls| calls[1] += 1);
        }

        fn on_idle(_: BlockNumberFor<T>, _: Weight) -> Weight {
            Calls::<T, I>::mutate(|calls| calls[2] += 1);
            Weight::zero()
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            Calls::<T, I>::mutate(|calls| calls[3] += 1);
        }
    }
}

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Clock = pallet_clock;
    #[runtime::pallet_index(2)]
    pub type Needed = counter;
    #[runtime::pallet_index(3)]
    pub type Other = counter<Instance1>;
}

parameter_types! {
    /// Whether a migration is under way.
    pub storage Ongoing: bool = false;
}

pub struct Migrator;
impl MultiStepMigrator for Migrator {
    fn ongoing() -> bool {
        Ongoing::get()
    }

    fn step() -> Weight {
        Weight::zero()
    }
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlock<Test>;
    type DbWeight = frame_support::weights::constants::RocksDbWeight;
    type MultiBlockMigrator = Migrator;
}

impl pallet_clock::Config for Test {}
impl counter::Config for Test {}
impl counter::Config<frame_support::instances::Instance1> for Test {}

type Gated = Gate<Test, AllPalletsWithSystem, (System, Needed)>;

/// Runs the hooks of the next block as `Executive` does, with `during` between its start and its end; returns what the start weighs.
pub fn run_block(during: impl FnOnce()) -> Weight {
    let number = System::block_number() + 1;
    System::set_block_number(number);
    let weight = Gated::on_initialize_with_weight_registration(number);
    during();
    if !Ongoing::get() {
        Gated::on_poll(number, &mut WeightMeter::new());
        Gated::on_idle(number, Weight::MAX);
    }
    Gated::on_finalize(number);
    Clock::do_try_state().unwrap();
    weight
}

/// Calls of the hooks of the pallet that each block needs, and of the other one.
pub fn calls() -> [[u32; 4]; 2] {
    [
        counter::Calls::<Test>::get(),
        counter::Calls::<Test, frame_support::instances::Instance1>::get(),
    ]
}

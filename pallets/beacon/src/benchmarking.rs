// SPDX-License-Identifier: Apache-2.0
//! Benchmark of the hook.
use crate::{Config, Pallet, Updated};
use frame_benchmarking::v2::*;
use frame_support::traits::Hooks;
use frame_system::pallet_prelude::BlockNumberFor;

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn on_initialize() {
        let block = BlockNumberFor::<T>::from(2u32);

        #[block]
        {
            Pallet::<T>::on_initialize(block);
        }

        assert!(Updated::<T>::get() == block);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

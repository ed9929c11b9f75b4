// SPDX-License-Identifier: Apache-2.0
//! Benchmark of the call.
use crate::{Call, Config, Next, Pallet};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::traits::{EnsureOrigin, Get};

/// Makes what the benchmark needs.
pub trait BenchmarkHelper<AccountId> {
    /// Another account for each index, with session keys.
    fn validator(index: u32) -> AccountId;
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn set_validators(v: Linear<1, { T::MaxValidators::get() }>) -> Result<(), BenchmarkError> {
        let origin = T::SetOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)?;
        let validators: Vec<_> = (0..v).map(T::BenchmarkHelper::validator).collect();

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, validators.clone());

        assert_eq!(Next::<T>::get().map(|next| next.into_inner()), Some(validators));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

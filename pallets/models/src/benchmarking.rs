// SPDX-License-Identifier: Apache-2.0
//! Benchmarks of every call, with the longest manifest.
use crate::{Call, Config, Models, Pallet, Status};
use alloc::{vec, vec::Vec};
use ergon_primitives::{
    hash,
    manifest::{Architecture, Dimensions, Manifest, ARITHMETIC_VERSION},
    units::Prices,
    ModelId, H256,
};
use frame_benchmarking::{v2::*, BenchmarkError};
use frame_support::traits::{EnsureOrigin, Get};
use sp_runtime::traits::BlockNumberProvider;

/// A manifest with the longest name and the most tokens that end an answer.
pub fn longest_manifest() -> Manifest {
    Manifest {
        name: vec![b'm'; 64].try_into().unwrap_or_default(),
        architecture: Architecture::Llama,
        dimensions: Dimensions {
            layers: 2,
            hidden: 64,
            feed_forward: 128,
            heads: 4,
            kv_heads: 2,
            head_dim: 16,
            vocabulary: 256,
            context: 512,
        },
        arithmetic_version: ARITHMETIC_VERSION,
        weights_root: H256::repeat_byte(1),
        tokens_root: H256::repeat_byte(2),
        tokenizer: H256::repeat_byte(3),
        chat_template: H256::repeat_byte(4),
        end_of_sequence: vec![255; 8].try_into().unwrap_or_default(),
    }
}

fn governance<T: Config>() -> Result<T::RuntimeOrigin, BenchmarkError> {
    T::GovernanceOrigin::try_successful_origin().map_err(|()| BenchmarkError::Stop("nobody governs models"))
}

/// Fills the registry with `count` models, all but one of which retired so long ago that they may be forgotten; gives the first of them.
fn full_of_retired_ones<T: Config>(count: u32) -> Result<ModelId, BenchmarkError> {
    for index in Models::<T>::count()..count {
        let manifest = Manifest {
            weights_root: hash(&[&index.to_le_bytes()]),
            ..longest_manifest()
        };
        Pallet::<T>::do_register(manifest, None, None)?;
    }
    let origin = governance::<T>()?;
    let models: Vec<_> = Models::<T>::iter_keys().collect();
    for model in &models[1..] {
        Pallet::<T>::retire(origin.clone(), *model)?;
    }
    let now = T::BlockNumberProvider::current_block_number();
    frame_system::Pallet::<T>::set_block_number(now + T::Retention::get());
    Ok(models[1])
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register() -> Result<(), BenchmarkError> {
        let (origin, manifest) = (governance::<T>()?, longest_manifest());
        let model = manifest.id();
        let first = full_of_retired_ones::<T>(T::MaxModels::get())?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, manifest, None, None);

        assert!(Models::<T>::contains_key(model) && !Models::<T>::contains_key(first));
        Ok(())
    }

    #[benchmark]
    fn retire() -> Result<(), BenchmarkError> {
        let (origin, manifest) = (governance::<T>()?, longest_manifest());
        let model = manifest.id();
        full_of_retired_ones::<T>(T::MaxModels::get() - 1)?;
        Pallet::<T>::do_register(manifest, None, None)?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, model);

        assert!(Models::<T>::get(model).is_some_and(|entry| entry.status == Status::Retired));
        Ok(())
    }

    #[benchmark]
    fn set_prices() -> Result<(), BenchmarkError> {
        let (origin, manifest) = (governance::<T>()?, longest_manifest());
        let model = manifest.id();
        Pallet::<T>::do_register(manifest, None, None)?;
        let prices = Prices {
            prompt_token: 1,
            output_token: 2,
            attended_position: 3,
        };

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, model, prices);

        assert!(Models::<T>::get(model).is_some_and(|entry| entry.prices == prices));
        Ok(())
    }

    #[benchmark]
    fn set_rate() -> Result<(), BenchmarkError> {
        let (origin, manifest) = (governance::<T>()?, longest_manifest());
        let model = manifest.id();
        Pallet::<T>::do_register(manifest, None, None)?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, model, 1);

        assert!(Models::<T>::get(model).is_some_and(|entry| entry.tokens_per_block == 1));
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::genesis(alloc::vec![]), crate::mock::Test);
}

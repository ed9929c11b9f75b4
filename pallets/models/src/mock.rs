// SPDX-License-Identifier: Apache-2.0
//! A runtime whose governance is Root.
use crate as pallet_models;
use ergon_primitives::{
    manifest::{Architecture, Dimensions, Manifest, ARITHMETIC_VERSION},
    units::Prices,
    H256,
};
use frame_support::{
    derive_impl,
    traits::{ConstU32, ConstU64},
};
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
    pub type Models = pallet_models;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

/// Blocks for which a retired model is kept.
pub const RETENTION: u64 = 100;

impl pallet_models::Config for Test {
    type BlockNumberProvider = System;
    type GovernanceOrigin = frame_system::EnsureRoot<u64>;
    type MaxModels = ConstU32<3>;
    type TokensPerBlock = ConstU32<40>;
    type Retention = ConstU64<RETENTION>;
    type WeightInfo = pallet_models::weights::MeasuredWeight<Test>;
}

/// A small model called `name`.
pub fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.as_bytes().to_vec().try_into().unwrap(),
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
        chat_template: H256::zero(),
        end_of_sequence: vec![0].try_into().unwrap(),
    }
}

/// Prices that are not the default ones.
pub const PRICES: Prices = Prices {
    prompt_token: 1,
    output_token: 2,
    attended_position: 0,
};

/// The state after a genesis with `models`.
pub fn genesis(models: Vec<(Manifest, Option<Prices>)>) -> sp_io::TestExternalities {
    let config = RuntimeGenesisConfig {
        system: Default::default(),
        models: pallet_models::GenesisConfig {
            models,
            _config: Default::default(),
        },
    };
    config.build_storage().unwrap().into()
}

/// Runs `test` in block 1, with model "genesis" registered, and checks the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
    genesis(vec![(manifest("genesis"), None)]).execute_with(|| {
        System::set_block_number(1);
        test();
        Models::do_try_state().unwrap();
    });
}

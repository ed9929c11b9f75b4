// SPDX-License-Identifier: Apache-2.0
//! A public network with many operators that have weight.
use crate::chain;
use ergon_primitives::{
    hash,
    traits::{Contributions as _, Parameters, Source},
    ModelId, Units,
};
use ergon_runtime::{parameters::InForce, AccountId, Contributions, Runtime, RuntimeOrigin, Workers};
use pallet_jobs::JobParameters;
use sp_core::{sr25519::Pair, Pair as _};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_io::TestExternalities;

/// Accounts that send jobs. All have a quota from genesis, so that quotas aren't what is measured.
pub const REQUESTERS: u32 = 200;
/// Points of each.
const POINTS: u64 = 100_000_000;
/// Blocks for which jobs are kept that are over; a public network keeps them for a day.
const RETENTION: u32 = 20;
/// Blocks after which as many jobs are forgotten as are submitted: two draws, and each step a block later.
pub const CYCLE: u32 = 2 * 15 + RETENTION + 10;
/// What each operator worked in the first epoch.
const WORKED: Units = 1_000_000_000;

/// The key of the operator with this number.
pub fn operator(index: u32) -> Pair {
    pair("operator", index)
}

/// The key that its worker signs with.
pub fn hot(index: u32) -> Pair {
    pair("hot", index)
}

/// The key of the requester with this number.
pub fn requester(index: u32) -> Pair {
    pair("requester", index)
}

fn pair(name: &str, index: u32) -> Pair {
    Pair::from_seed(&hash(&[name.as_bytes(), &index.to_le_bytes()]).0)
}

/// The account of a key.
pub fn account(pair: &Pair) -> AccountId {
    pair.public().into()
}

/// The one model of the genesis.
pub fn model() -> ModelId {
    let (model, _) = pallet_models::Models::<Runtime>::iter()
        .next()
        .expect("the genesis has a model");
    model
}

/// Its state when all operators have weight and stand on the list.
pub fn of_operators(operators: u32) -> TestExternalities {
    let mut chain = chain::of_genesis(genesis(operators));
    chain.execute_with(|| {
        let jobs = JobParameters {
            refund_delay: JobParameters::PRODUCTION.deadline_margin,
            retention: RETENTION,
            ..JobParameters::PRODUCTION
        };
        InForce::set(jobs);
        chain::run_blocks(1);
        (0..operators).for_each(|index| enlist(index, model()));
        chain::begin_epoch();
        // Changes to lists wait for the delay, and some are made in each block.
        while pallet_workers::ServingCount::<Runtime>::get(model()) < operators {
            chain::run_blocks(1);
        }
    });
    chain.execute_with(|| {
        let weighs = |index| Contributions::weight(&account(&operator(index))) > 0;
        assert!((0..operators).all(weighs), "an operator has no weight");
    });
    chain.commit_all().expect("a state in memory");
    chain
}

fn enlist(index: u32, model: ModelId) {
    let who = account(&operator(index));
    Contributions::credit(&who, Source::Job, WORKED);
    let endpoint = b"https://worker.example:8080".to_vec().try_into().expect("it is short");
    let models = vec![model].try_into().expect("it is one");
    Workers::register(RuntimeOrigin::signed(who), account(&hot(index)), endpoint, models)
        .expect("the genesis lets it register");
}

/// The genesis of the development preset, with these operators and the requesters in it.
fn genesis(operators: u32) -> Vec<u8> {
    let mut genesis: serde_json::Value =
        serde_json::from_slice(&chain::full_genesis(DEV_RUNTIME_PRESET)).expect("JSON");
    let sponsored: Vec<_> = (0..operators).map(|index| account(&operator(index))).collect();
    let lines: Vec<_> = (0..REQUESTERS)
        .map(|index| (account(&requester(index)), POINTS))
        .collect();
    genesis["workers"]["sponsored"] = serde_json::json!(sponsored);
    genesis["quota"]["lines"] = serde_json::json!(lines);
    serde_json::to_vec(&genesis).expect("JSON")
}

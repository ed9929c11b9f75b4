// SPDX-License-Identifier: Apache-2.0
//! The beacon of the composed runtime, fed by the VRF outputs of slot claims.
use crate::{
    chain::{begin_epoch_by, of_preset, run_block_by},
    market::{answer, job, open_market, submit, wait_for},
};
use ergon_primitives::{
    hash,
    traits::{Beacon as _, Parameters as _},
    JobId, H256,
};
use ergon_runtime::{parameters::InForce, Beacon, BlockNumber, Runtime, Session, System};
use ergon_runtime_api::JobState;
use pallet_jobs::JobParameters;
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie};

/// Runs `test` on the local network, whose validators are Alice, Bob and Charlie.
fn local<R>(test: impl FnOnce() -> R) -> R {
    of_preset(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(test)
}

#[test]
fn every_block_mixes_in_the_vrf_output_of_its_parent_over_several_epochs() {
    local(|| {
        let mut parent = run_block_by(Alice, vec![]);
        let authors = [Bob, Charlie, Alice].into_iter().cycle();
        for (index, author) in authors.take(15).enumerate() {
            let before = Beacon::value();
            let output = if index % 5 == 4 {
                begin_epoch_by(author)
            } else {
                run_block_by(author, vec![])
            };
            let fresh = hash(&[b"ergon/beacon", &parent]);
            assert_eq!(
                Beacon::value(),
                hash(&[&before.0, &fresh.0]),
                "block {}",
                System::block_number()
            );
            parent = output;
        }
        assert_eq!(Session::current_index(), 3);
    });
}

#[test]
fn another_author_of_the_parent_means_another_value_and_other_draws() {
    let outcome = |authors: [Sr25519Keyring; 3]| {
        local(|| {
            for author in authors {
                run_block_by(author, vec![]);
            }
            (Beacon::value(), Beacon::draw(b"test", b"").bits())
        })
    };
    let usual = outcome([Alice, Alice, Alice]);
    for author in [Bob, Charlie] {
        let other = outcome([Alice, author, Alice]);
        assert_ne!(usual.0, other.0);
        assert_ne!(usual.1, other.1);
        // Who makes the block in which something is drawn has no say in it.
        assert_eq!(usual, outcome([Alice, Alice, author]));
    }
    assert_ne!(outcome([Alice, Bob, Alice]), outcome([Alice, Charlie, Alice]));
}

/// Runs blocks until the job is in `state`, which takes `delay` of them: the first and the last by these authors, those between by Alice.
/// Returns the value of the beacon in the last one.
fn reach(id: JobId, state: JobState, delay: BlockNumber, [first, last]: [Sr25519Keyring; 2]) -> H256 {
    for author in std::iter::once(first).chain((2..delay).map(|_| Alice)).chain([last]) {
        assert_ne!(job(id).state, state, "it waits for {delay} blocks");
        run_block_by(author, vec![]);
    }
    assert_eq!(job(id).state, state);
    Beacon::value()
}

fn parameters() -> JobParameters {
    InForce::get()
}

#[test]
fn an_executor_is_drawn_with_the_vrf_output_of_a_block_after_that_of_the_job() {
    // The sampling key is drawn with the executor.
    let key = |authors: [Sr25519Keyring; 2]| {
        local(|| {
            let id = submit(open_market(), None);
            reach(id, JobState::Assigned, parameters().assignment_delay, authors);
            pallet_jobs::Jobs::<Runtime>::get(id).unwrap().sampling_key.unwrap()
        })
    };
    let usual = key([Alice, Alice]);
    // The first block after the job's: what its author reveals was unknown when the job was fixed, and decides.
    assert_ne!(key([Bob, Alice]), usual);
    assert_eq!(key([Alice, Bob]), usual);
}

#[test]
fn auditors_are_drawn_with_the_vrf_output_of_a_block_after_that_of_the_answer() {
    let value = |authors: [Sr25519Keyring; 2]| {
        local(|| {
            let id = submit(open_market(), Some(1));
            wait_for(id, JobState::Assigned);
            answer(id);
            reach(id, JobState::Auditing, parameters().audit_delay, authors)
        })
    };
    let usual = value([Alice, Alice]);
    assert_ne!(value([Bob, Alice]), usual);
    assert_eq!(value([Alice, Bob]), usual);
}

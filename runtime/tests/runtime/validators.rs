// SPDX-License-Identifier: Apache-2.0
//! Governance replaces the validators; `e2e/tests/10-validators` does so on running nodes.
use crate::{
    chain::{begin_epoch, key, of_preset, run_block},
    market::{account, send},
};
use codec::Encode;
use ergon_runtime::{Babe, Grandpa, Runtime, RuntimeCall, RuntimeOrigin, Session, SessionKeys, Validators};
use frame_support::{assert_noop, assert_ok};
use sp_core::{crypto::DEV_PHRASE, ed25519, proof_of_possession::ProofOfPossessionGenerator, Pair as _};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_runtime::traits::Dispatchable;

/// Runs `test` on the local network, whose validators are Alice, Bob and Charlie.
fn local(test: impl FnOnce()) {
    of_preset(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(test);
}

/// Sets the session keys at the path `validator`, with the proof that `owner` has them.
fn set_keys(validator: &str, owner: &str) -> pallet_session::Call<Runtime> {
    let mut author = key(validator);
    let mut finality = ed25519::Pair::from_string(&format!("{DEV_PHRASE}{validator}"), None).unwrap();
    let keys = SessionKeys {
        babe: author.public().into(),
        grandpa: finality.public().into(),
    };
    let proof = account(owner).using_encoded(|owner| {
        let proofs = (
            author.generate_proof_of_possession(owner),
            finality.generate_proof_of_possession(owner),
        );
        proofs.encode()
    });
    pallet_session::Call::set_keys { keys, proof }
}

/// The keys that BABE and GRANDPA know now.
fn authorities() -> SetOfKeys {
    let author = Babe::authorities().into_iter().map(|(key, _)| key.encode()).collect();
    let finality = Grandpa::grandpa_authorities();
    (author, finality.into_iter().map(|(key, _)| key.encode()).collect())
}

/// Keys of BABE, and of GRANDPA.
type SetOfKeys = (Vec<Vec<u8>>, Vec<Vec<u8>>);

fn authorities_of(validators: &[&str]) -> SetOfKeys {
    let finality = |path: &&str| ed25519::Pair::from_string(&format!("{DEV_PHRASE}{path}"), None).unwrap();
    (
        validators.iter().map(|path| key(path).public().encode()).collect(),
        validators.iter().map(|path| finality(path).public().encode()).collect(),
    )
}

fn set_id() -> u64 {
    pallet_grandpa::CurrentSetId::<Runtime>::get()
}

/// Runs blocks until a session with this index has begun.
fn reach_session(index: u32) {
    while Session::current_index() < index {
        run_block(vec![]);
        begin_epoch();
    }
}

#[test]
fn validators_named_by_root_take_over_babe_and_grandpa_and_the_set_id_rises() {
    const NEW: [&str; 2] = ["//Dave", "//Eve"];
    local(|| {
        let old = authorities_of(&["//Alice", "//Bob", "//Charlie"]);
        for validator in NEW {
            send(validator, set_keys(validator, validator));
        }
        let named = Session::current_index();
        assert_ok!(Validators::set_validators(
            RuntimeOrigin::root(),
            NEW.map(account).to_vec()
        ));
        reach_session(named + 1);
        assert_eq!((authorities(), set_id()), (old, 0));
        reach_session(named + 2);
        // Blocks are authored by Dave now: the test chain has each block authored by the first authority.
        assert_eq!((authorities(), set_id()), (authorities_of(&NEW), 1));
        assert_eq!(Session::validators(), NEW.map(account));
        reach_session(named + 4);
        assert_eq!((authorities(), set_id()), (authorities_of(&NEW), 1));
    });
}

#[test]
fn an_account_without_session_keys_is_not_named() {
    local(|| {
        assert_noop!(
            Validators::set_validators(RuntimeOrigin::root(), vec![account("//Alice"), account("//Dave")]),
            pallet_validators::Error::<Runtime>::NoSessionKeys
        );
        send("//Dave", set_keys("//Dave", "//Dave"));
        assert_ok!(Validators::set_validators(
            RuntimeOrigin::root(),
            vec![account("//Alice"), account("//Dave")]
        ));
    });
}

#[test]
fn nobody_validates_with_keys_of_others() {
    local(|| {
        run_block(vec![]);
        for (keys, owner, error) in [
            // A proof that was made for another account.
            ("//Dave", "//Eve", pallet_session::Error::<Runtime>::InvalidProof),
            // Keys that a validator has.
            ("//Alice", "//Dave", pallet_session::Error::DuplicatedKey),
        ] {
            let call = RuntimeCall::from(set_keys(keys, owner));
            let refused = call.dispatch(RuntimeOrigin::signed(account("//Dave")));
            assert_eq!(refused.map_err(|error| error.error), Err(error.into()));
        }
    });
}

#[test]
fn a_validator_that_would_purge_its_keys_is_refused_alone_and_in_a_batch() {
    local(|| {
        let purge = RuntimeCall::from(pallet_session::Call::purge_keys {});
        let batch = pallet_utility::Call::batch_all {
            calls: vec![purge.clone()],
        };
        for call in [purge, batch.into()] {
            let refused = call.dispatch(RuntimeOrigin::signed(account("//Alice")));
            assert_eq!(
                refused.map_err(|error| error.error),
                Err(frame_system::Error::<Runtime>::CallFiltered.into())
            );
        }
        assert!(Session::load_keys(&account("//Alice")).is_some());
    });
}

#[test]
fn a_validator_replaces_its_own_keys() {
    local(|| {
        send("//Bob", set_keys("//Bob//new", "//Bob"));
        let set = Session::current_index();
        reach_session(set + 2);
        assert_eq!(authorities(), authorities_of(&["//Alice", "//Bob//new", "//Charlie"]));
        assert_eq!(set_id(), 1);
    });
}

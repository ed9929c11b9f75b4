// SPDX-License-Identifier: Apache-2.0
use crate::chain;
use ergon_runtime::{
    genesis::{self, development},
    AccountId, AllPalletsWithSystem, Babe, Balances, Grandpa, Runtime, Session, System,
};
use frame_support::traits::{fungible::Inspect, IntegrityTest};
use sp_core::{crypto::DEV_PHRASE, sr25519::Pair, Pair as _};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};

#[test]
fn both_presets_make_a_genesis_with_their_validators() {
    let expected = [
        ("development", vec![Alice]),
        ("local_testnet", vec![Alice, Bob, Charlie]),
    ];
    for (name, validators) in expected {
        chain::of_preset(name).execute_with(|| {
            let accounts: Vec<AccountId> = validators.iter().map(|key| key.to_account_id()).collect();
            assert_eq!(Session::validators(), accounts);
            assert_eq!(Babe::authorities().len(), validators.len());
            assert_eq!(Grandpa::grandpa_authorities().len(), validators.len());
        });
    }
}

#[test]
fn a_public_network_has_another_preset_than_developers() {
    let developers = ["development", "local_testnet"];
    let names = genesis::preset_names();
    // Tests bring the developers' presets along; `e2e/governance/production` asks the runtime that is published.
    let expected: Vec<_> = cfg!(feature = "production")
        .then_some("public")
        .into_iter()
        .chain(developers)
        .collect();
    assert_eq!(names, expected);
    assert_eq!(genesis::preset(&"production".into()), None);
}

#[test]
fn a_genesis_without_validators_is_refused_and_the_error_says_what_it_needs() {
    let preset = chain::full_genesis("development");
    let mut genesis: serde_json::Value = serde_json::from_slice(&preset).unwrap();
    genesis["session"]["keys"] = serde_json::json!([]);
    let build = |genesis: Vec<u8>| TestExternalities::default().execute_with(|| genesis::build(genesis));
    let error = build(serde_json::to_vec(&genesis).unwrap()).unwrap_err();
    assert!(error.contains("session.keys"), "{error}");
    assert_eq!(build(preset), Ok(()));
}

#[cfg(feature = "production")]
#[test]
fn the_public_preset_brings_models_but_no_keys_and_is_refused_without_them() {
    let json = String::from_utf8(chain::full_genesis(genesis::PUBLIC_PRESET)).unwrap();
    let genesis: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(!genesis["models"]["models"].as_array().unwrap().is_empty());
    for (pallet, field) in [("session", "keys"), ("workers", "sponsored"), ("quota", "lines")] {
        assert_eq!(genesis[pallet][field], serde_json::json!([]), "{pallet}.{field}");
    }
    let built = TestExternalities::default().execute_with(|| genesis::build(json.into_bytes()));
    assert!(built.unwrap_err().contains("session.keys"));
}

#[test]
fn the_models_of_the_presets_are_registered() {
    chain::dev().execute_with(|| {
        let file: Vec<serde_json::Value> = serde_json::from_str(include_str!("../../presets/models.json")).unwrap();
        assert_eq!(pallet_models::Models::<Runtime>::count() as usize, file.len());
    });
}

#[test]
fn worker_accounts_are_those_of_the_development_phrase() {
    for (index, account) in development::WORKERS.iter().enumerate() {
        let derived = Pair::from_string(&format!("{DEV_PHRASE}//Worker{}", index + 1), None)
            .unwrap()
            .public();
        assert_eq!(derived.0, *account, "//Worker{}", index + 1);
    }
}

#[test]
fn well_known_accounts_are_sponsored_without_owning_anything() {
    chain::dev().execute_with(|| {
        for account in development::well_known_accounts() {
            assert!(System::providers(&account) > 0, "{account}");
            assert!(
                pallet_workers::Sponsored::<Runtime>::contains_key(&account),
                "{account}"
            );
            assert_eq!(Balances::total_balance(&account), 0);
        }
    });
}

#[test]
fn every_pallet_agrees_with_its_configuration() {
    chain::dev().execute_with(<AllPalletsWithSystem as IntegrityTest>::integrity_test);
}

#[test]
fn nothing_is_issued_and_the_validators_stay_over_several_sessions() {
    chain::of_preset("local_testnet").execute_with(|| {
        let validators = Session::validators();
        // Each block checks the issuance, as an invariant.
        for _ in 0..3 {
            chain::run_blocks(5);
            chain::begin_epoch();
        }
        assert_eq!(Session::current_index(), 3);
        assert_eq!(Session::validators(), validators);
    });
}

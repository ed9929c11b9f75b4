// SPDX-License-Identifier: Apache-2.0
//! Presets of the networks that developers run: `development` (one validator, Alice) and `local_testnet` (Alice, Bob and Charlie).
//!
//! Both give the same well-known accounts a quota and let them become operators: the keyring's (`//Alice` to `//Ferdie`, `//One`, `//Two`)
//! and `//Worker1` to `//Worker9`. Everybody has the keys of all of them, so a public network's runtime has this module only where its
//! benchmarks or tests ask for it (feature `development-presets`).
use crate::{AccountId, SessionKeys};
use alloc::vec::Vec;
use serde_json::{json, Value};
use sp_core::hex2array;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// Public keys of `//Worker1` to `//Worker9` under the development phrase; a test derives them.
pub const WORKERS: [[u8; 32]; 9] = [
    hex2array!("e08f879ee9bb4ffa0bc92d47d98d7aaeab08a3485d34dc7533c2dcac9dc18138"),
    hex2array!("eec52b72035badd46e8a0275a15f99367158d1414d6c9b8424691e277637ea68"),
    hex2array!("4041cf72330f495df0f94664182b5e7ee3cceefd29273a9389579d084d082715"),
    hex2array!("f4e8e7b73e30c301f69bab26bb017b0f7ea1bb17ce07802d4e3eb10fc0a63c16"),
    hex2array!("00bede1f94902342f63c486d1754b1b8efb086f8f5dcf1b6138796f658faa22f"),
    hex2array!("8afdae7b20600fa571cd3b64c648672a65c9021ba9d9b5408b213f23e53ab077"),
    hex2array!("8e925063ebef5a0c07add99d0040b5c8d9f9fe518296d1d5bf92f1029772383c"),
    hex2array!("fcc66837c24bc00eff56687567412789081240dc1cc4cae79561be95a7c71139"),
    hex2array!("6ce8690e0b5957f8bb057b36b7d63ab7e691bfba4c5bc7dae9d9ab85cfc70451"),
];

/// Quota of each well-known account: more than a tenth of all block space.
pub const QUOTA_POINTS: u64 = 10_000_000;

/// JSON patch of `development`.
pub(super) fn development() -> Value {
    patch(&[ALICE])
}

/// JSON patch of `local_testnet`.
pub(super) fn local_testnet() -> Value {
    patch(&[ALICE, BOB, CHARLIE])
}

/// A validator of a preset: the account is the sr25519 key's, which is its BABE key as well.
type Validator = (Sr25519Keyring, Ed25519Keyring);
const ALICE: Validator = (Sr25519Keyring::Alice, Ed25519Keyring::Alice);
const BOB: Validator = (Sr25519Keyring::Bob, Ed25519Keyring::Bob);
const CHARLIE: Validator = (Sr25519Keyring::Charlie, Ed25519Keyring::Charlie);

fn patch(validators: &[Validator]) -> Value {
    let keys = validators.iter().map(session_keys).collect();
    let known = well_known_accounts();
    let lines = known.iter().cloned().map(|account| (account, QUOTA_POINTS)).collect();
    let mut genesis = super::patch(keys, known, lines);
    if cfg!(not(feature = "production")) {
        genesis["sudo"] = json!({ "key": Sr25519Keyring::Alice.to_account_id() });
    }
    genesis
}

/// The accounts that may send transactions and become operators from the first block on.
pub fn well_known_accounts() -> Vec<AccountId> {
    Sr25519Keyring::iter()
        .map(|key| key.to_account_id())
        .chain(WORKERS.map(AccountId::from))
        .collect()
}

fn session_keys((account, finality): &Validator) -> (AccountId, AccountId, SessionKeys) {
    let keys = SessionKeys {
        babe: account.public().into(),
        grandpa: finality.public().into(),
    };
    (account.to_account_id(), account.to_account_id(), keys)
}

// SPDX-License-Identifier: Apache-2.0
//! Runs blocks of the real runtime on the genesis of a preset.
use codec::Encode;
use ergon_runtime::{
    check_invariants, extensions, genesis, timing, Babe, BlockNumber, Executive, Header, MultiBlockMigrations,
    RuntimeCall, RuntimeGenesisConfig, SignedPayload, System, UncheckedExtrinsic,
};
use frame_support::migrations::MultiStepMigrator;
use sp_consensus_babe::{
    digests::{CompatibleDigestItem, PreDigest, SecondaryVRFPreDigest},
    make_vrf_transcript, AuthorityId, Epoch, Randomness, Slot, RANDOMNESS_VRF_CONTEXT,
};
use sp_core::{
    crypto::{VrfSecret, DEV_PHRASE},
    sr25519::Pair,
    Pair as _,
};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    generic::Era,
    traits::Header as _,
    transaction_validity::{TransactionSource, TransactionValidity},
    Digest, DigestItem, MultiAddress, MultiSignature,
};

/// The state after the genesis block of this preset.
pub fn of_preset(name: &str) -> TestExternalities {
    of_genesis(full_genesis(name))
}

/// The state after this genesis block.
pub fn of_genesis(json: Vec<u8>) -> TestExternalities {
    let mut chain = TestExternalities::default();
    chain.execute_with(|| {
        genesis::build(json).unwrap();
        check_invariants().unwrap();
    });
    chain
}

/// As [`of_preset`], of the development network.
pub fn dev() -> TestExternalities {
    of_preset(DEV_RUNTIME_PRESET)
}

/// The preset's patch over the default genesis, as the node merges them.
pub fn full_genesis(name: &str) -> Vec<u8> {
    let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).unwrap();
    let patch = serde_json::from_slice(&genesis::preset(&name.into()).unwrap()).unwrap();
    merge(&mut config, patch);
    serde_json::to_vec(&config).unwrap()
}

/// JSON merge patch (RFC 7386) without its removal by null, which presets don't use.
fn merge(target: &mut serde_json::Value, patch: serde_json::Value) {
    match (target, patch) {
        (serde_json::Value::Object(target), serde_json::Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

/// Runs the next block, by the first validator, with these extrinsics after the timestamp; each must be valid, what they did is in the
/// events.
pub fn run_block(extrinsics: Vec<UncheckedExtrinsic>) {
    run_block_in(next_slot(), first_validator(next_slot()), extrinsics);
}

/// As [`run_block`], by any validator; returns the VRF output that it reveals.
pub fn run_block_by(author: Sr25519Keyring, extrinsics: Vec<UncheckedExtrinsic>) -> Randomness {
    run_block_in(next_slot(), author, extrinsics)
}

/// Leaves the rest of the epoch's slots empty and runs the first block of the next one, by the first validator.
pub fn begin_epoch() {
    let slot = next_epoch_start();
    run_block_in(slot, first_validator(slot), vec![]);
}

/// As [`begin_epoch`], by any validator; returns the VRF output that it reveals.
pub fn begin_epoch_by(author: Sr25519Keyring) -> Randomness {
    run_block_in(next_epoch_start(), author, vec![])
}

/// Whether the next block is the first of an epoch, which takes no transactions.
pub fn is_epoch_over() -> bool {
    System::block_number() > 0 && next_slot() >= next_epoch_start()
}

fn run_block_in(slot: Slot, author: Sr25519Keyring, extrinsics: Vec<UncheckedExtrinsic>) -> Randomness {
    let (header, timestamp, output) = begin_block(slot, author);
    Executive::initialize_block(&header);
    for extrinsic in std::iter::once(timestamp).chain(extrinsics) {
        let _outcome = Executive::apply_extrinsic(extrinsic).expect("a valid extrinsic");
    }
    Executive::finalize_block();
    // They don't hold of what is half migrated.
    if !MultiBlockMigrations::ongoing() {
        check_invariants().unwrap();
    }
    output
}

/// The header of the next block, its inherent, and the VRF output that it reveals.
pub fn begin_block(slot: Slot, author: Sr25519Keyring) -> (Header, UncheckedExtrinsic, Randomness) {
    let (claim, output) = claim(author, slot);
    let digest = Digest { logs: vec![claim] };
    let (number, parent) = (System::block_number() + 1, System::parent_hash());
    let header = Header::new(number, Default::default(), Default::default(), parent, digest);
    let now = *slot * timing::SLOT_MILLISECONDS;
    let timestamp = UncheckedExtrinsic::new_bare(RuntimeCall::Timestamp(pallet_timestamp::Call::set { now }));
    (header, timestamp, output)
}

/// The slot after that of the last block.
pub fn next_slot() -> Slot {
    Babe::current_slot() + 1
}

fn next_epoch_start() -> Slot {
    let epoch = Babe::current_epoch();
    epoch.start_slot + epoch.duration
}

/// The epoch of a slot in the current or the next one.
fn epoch_of(slot: Slot) -> Epoch {
    if slot < next_epoch_start() {
        Babe::current_epoch()
    } else {
        Babe::next_epoch()
    }
}

/// The first validator of a slot's epoch.
pub fn first_validator(slot: Slot) -> Sr25519Keyring {
    let (first, _) = epoch_of(slot).authorities.swap_remove(0);
    let author = Sr25519Keyring::iter().find(|keyring| first == AuthorityId::from(keyring.public()));
    author.expect("a validator of the keyring")
}

/// The claim of a secondary slot as the node makes it, and its VRF output. Whose turn it is doesn't matter here: nodes check that when they
/// import a block, not the runtime.
fn claim(author: Sr25519Keyring, slot: Slot) -> (DigestItem, Randomness) {
    let epoch = epoch_of(slot);
    let key = AuthorityId::from(author.public());
    let index = epoch.authorities.iter().position(|(authority, _)| *authority == key);
    let input = make_vrf_transcript(&epoch.randomness, slot, epoch.epoch_index);
    let claim = SecondaryVRFPreDigest {
        authority_index: index.expect("a validator") as u32,
        slot,
        vrf_signature: author.pair().vrf_sign(&input.clone().into_sign_data()),
    };
    let output = author.pair().make_bytes(RANDOMNESS_VRF_CONTEXT, &input);
    (DigestItem::babe_pre_digest(PreDigest::SecondaryVRF(claim)), output)
}

/// The key at this path under the development phrase.
pub fn key(path: &str) -> Pair {
    Pair::from_string(&format!("{DEV_PHRASE}{path}"), None).unwrap()
}

/// A transaction that stays valid for ever.
pub fn signed(signer: &Pair, nonce: u32, call: RuntimeCall) -> UncheckedExtrinsic {
    signed_in(Era::Immortal, signer, nonce, call)
}

/// A transaction as stock clients send it.
pub fn signed_in(era: Era, signer: &Pair, nonce: u32, call: RuntimeCall) -> UncheckedExtrinsic {
    let payload = SignedPayload::new(call, extensions(nonce, era)).unwrap();
    let signature = MultiSignature::Sr25519(payload.using_encoded(|bytes| signer.sign(bytes)));
    let (call, extensions, _) = payload.deconstruct();
    UncheckedExtrinsic::new_signed(call, MultiAddress::Id(signer.public().into()), signature, extensions)
}

/// What the pool hears of a transaction; the state stays as it is.
pub fn validate(transaction: UncheckedExtrinsic) -> TransactionValidity {
    sp_io::storage::start_transaction();
    let validity = Executive::validate_transaction(TransactionSource::External, transaction, System::parent_hash());
    sp_io::storage::rollback_transaction();
    validity
}

/// Runs this many empty blocks.
pub fn run_blocks(count: BlockNumber) {
    for _ in 0..count {
        run_block(vec![]);
    }
}

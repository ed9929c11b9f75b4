// SPDX-License-Identifier: Apache-2.0
//! The WebAssembly that the node carries: compiled like what is published, by `ergon-runtime-wasm`.
use codec::Encode;
use ergon_chain_spec::dev;
use ergon_runtime::{extensions, Runtime, RuntimeCall, SignedPayload, UncheckedExtrinsic, WASM_BINARY};
use pallet_models::Models;
use sc_chain_spec::ChainSpec as _;
use sc_executor::{error::Error, WasmExecutor};
use sp_core::{
    traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
    Pair as _,
};
use sp_io::{SubstrateHostFunctions, TestExternalities};
use sp_keyring::Sr25519Keyring::Alice;
use sp_runtime::{generic::Era, MultiAddress, MultiSignature};
use std::{env, path::Path};

/// The state of a development network after genesis.
fn genesis() -> TestExternalities {
    let storage = dev()
        .and_then(|spec| spec.as_storage_builder().build_storage())
        .unwrap();
    TestExternalities::new_with_code(WASM_BINARY.expect("built with WebAssembly"), storage)
}

/// Applies a transaction in WebAssembly.
fn apply(chain: &mut TestExternalities, transaction: UncheckedExtrinsic) -> Result<Vec<u8>, Error> {
    let fetcher = WrappedRuntimeCode(WASM_BINARY.unwrap().into());
    let code = RuntimeCode {
        code_fetcher: &fetcher,
        heap_pages: None,
        hash: b"the only one".to_vec(),
    };
    let executor = WasmExecutor::<SubstrateHostFunctions>::builder().build();
    let (method, context) = ("BlockBuilder_apply_extrinsic", CallContext::Offchain);
    let (applied, _) = executor.call(&mut chain.ext(), &code, method, &transaction.encode(), context);
    applied
}

/// A transaction by which Alice, who is above the vote here, prices the first model as it is priced already.
fn price_again() -> UncheckedExtrinsic {
    let (model, entry) = Models::<Runtime>::iter().next().expect("a model of the genesis");
    let call = pallet_models::Call::set_prices {
        model,
        prices: entry.prices,
    };
    let sudo = RuntimeCall::from(pallet_sudo::Call::sudo {
        call: Box::new(call.into()),
    });
    let payload = SignedPayload::new(sudo, extensions(0, Era::Immortal)).unwrap();
    let signature = MultiSignature::Sr25519(payload.using_encoded(|bytes| Alice.pair().sign(bytes)));
    let (call, extensions, _) = payload.deconstruct();
    UncheckedExtrinsic::new_signed(call, MultiAddress::Id(Alice.to_account_id()), signature, extensions)
}

#[test]
fn a_product_of_ours_that_overflows_in_a_call_fails_in_webassembly_instead_of_wrapping() {
    let mut chain = genesis();
    let transaction = chain.execute_with(price_again);
    let applied = apply(&mut chain, transaction).expect("the call does nothing that can fail");
    // Applied, dispatched, and without an error of the call itself, which sudo would keep: `Ok(Ok(()))`.
    assert_eq!(applied, [0, 0]);

    let mut chain = genesis();
    let transaction = chain.execute_with(|| {
        let transaction = price_again();
        // No call lets such a model in; what follows from its size doesn't fit.
        Models::<Runtime>::translate_values(|mut entry: pallet_models::Model| {
            entry.manifest.dimensions.hidden = u32::MAX;
            entry.manifest.dimensions.heads = u32::MAX;
            entry.manifest.dimensions.head_dim = u32::MAX;
            Some(entry)
        });
        transaction
    });
    let error = apply(&mut chain, transaction).expect_err("the product can't be told from a correct one otherwise");
    assert!(
        error.to_string().contains("attempt to multiply with overflow"),
        "{error}"
    );
}

#[test]
fn the_webassembly_names_no_folder_of_the_machine_that_it_was_built_on() {
    let limit = sp_maybe_compressed_blob::CODE_BLOB_BOMB_LIMIT;
    let code = sp_maybe_compressed_blob::decompress(WASM_BINARY.unwrap(), limit).unwrap();
    assert!(code.len() > WASM_BINARY.unwrap().len(), "it is compressed");
    let names = |text: &str| code.windows(text.len()).any(|window| window == text.as_bytes());
    // What the messages of panics name instead.
    for kept in ["/registry/frame-support-", "pallets/jobs/src/"] {
        assert!(
            names(kept),
            "{kept} isn't there, so nothing can be said of what is looked for below"
        );
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"].map(env::var);
    for folder in folders.into_iter().flatten().chain([workspace.display().to_string()]) {
        assert!(!names(&format!("{folder}/")), "{folder}");
    }
}

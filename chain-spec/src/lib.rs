// SPDX-License-Identifier: Apache-2.0
//! Chain specifications: the runtime's genesis presets under the names that the node's `--chain` takes.
//!
//! | name | validators | for |
//! |---|---|---|
//! | `dev` | Alice | one machine, one node |
//! | `local` (the default) | Alice, Bob, Charlie | a network of three nodes on one machine |
//!
//! Anything else is the path of a JSON specification.
use ergon_runtime::{genesis, WASM_BINARY};
use sc_service::{ChainType, Properties};

/// A specification; nothing in it is ours, so there are no extensions.
pub type ChainSpec = sc_service::GenericChainSpec;

/// The specification with this name or at this path.
pub fn load(name: &str) -> Result<ChainSpec, String> {
    match name {
        "dev" => dev(),
        "" | "local" => local(),
        path => ChainSpec::from_json_file(path.into()),
    }
}

/// One validator, Alice.
pub fn dev() -> Result<ChainSpec, String> {
    preset(
        "Ergon Development",
        "dev",
        ChainType::Development,
        genesis::DEV_RUNTIME_PRESET,
    )
}

/// Three validators: Alice, Bob and Charlie.
pub fn local() -> Result<ChainSpec, String> {
    preset(
        "Ergon Local",
        "local",
        ChainType::Local,
        genesis::LOCAL_TESTNET_RUNTIME_PRESET,
    )
}

fn preset(name: &str, id: &str, kind: ChainType, preset: &str) -> Result<ChainSpec, String> {
    let wasm = WASM_BINARY
        .ok_or("this binary was built without the runtime's WebAssembly; build it without SKIP_WASM_BUILD")?;
    Ok(ChainSpec::builder(wasm, None)
        .with_name(name)
        .with_id(id)
        .with_protocol_id("ergon")
        .with_chain_type(kind)
        .with_genesis_config_preset_name(preset)
        .with_properties(properties())
        .build())
}

/// What wallets read. There is no token; where nothing says so, they make one up, "Unit" with 12 decimals.
fn properties() -> Properties {
    [
        ("ss58Format".into(), 42.into()),
        ("isEthereum".into(), false.into()),
        ("tokenDecimals".into(), 0.into()),
        ("tokenSymbol".into(), "none".into()),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sc_chain_spec::ChainSpec as _;

    #[test]
    fn both_networks_have_a_genesis_state() {
        for (name, kind) in [("dev", ChainType::Development), ("local", ChainType::Local)] {
            let spec = load(name).unwrap();
            assert_eq!((spec.id(), spec.chain_type()), (name, kind));
            assert!(!spec.as_storage_builder().build_storage().unwrap().top.is_empty());
        }
    }

    #[test]
    fn wallets_are_told_that_there_is_no_token() {
        let properties = dev().unwrap().properties();
        assert_eq!(properties["tokenDecimals"], 0);
        assert_eq!(properties["tokenSymbol"], "none");
    }

    #[test]
    fn a_specification_survives_its_json() {
        let json = dev().unwrap().as_json(true).unwrap();
        let path = std::env::temp_dir().join(format!("ergon-chain-spec-{}.json", std::process::id()));
        std::fs::write(&path, &json).unwrap();
        let again = load(path.to_str().unwrap()).and_then(|spec| spec.as_json(true));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(again.unwrap(), json);
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = load("no/such/specification.json").err().unwrap();
        assert!(error.contains("no/such/specification.json"), "{error}");
    }
}

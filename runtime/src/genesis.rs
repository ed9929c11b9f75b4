// SPDX-License-Identifier: Apache-2.0
//! How a network begins: presets of the genesis, and what every genesis must have.
//!
//! | preset | in the runtime of | validators |
//! |---|---|---|
//! | `development` | developers' networks | Alice |
//! | `local_testnet` | developers' networks | Alice, Bob and Charlie |
//! | `public` | a public network | none: the founders add keys to `session.keys`, and its first accounts to `quota.lines` and `workers.sponsored` |
//!
//! All know the same models (`presets/models.json`). A genesis without validators, such as `public` as it is, is refused.
use crate::{
    timing, AccountId, Babe, BabeConfig, ModelsConfig, QuotaConfig, RuntimeGenesisConfig, SessionConfig, SessionKeys,
    WorkersConfig,
};
use alloc::{string::ToString, vec::Vec};
use ergon_primitives::{manifest::Manifest, units::Prices};
use frame_support::{build_struct_json_patch, genesis_builder_helper::build_state};
use serde_json::Value;
use sp_consensus_babe::{AllowedSlots, BabeEpochConfiguration};
use sp_genesis_builder::PresetId;
pub use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};

#[cfg(any(not(feature = "production"), feature = "development-presets"))]
pub mod development;

/// How BABE runs: the secondary slots carry a VRF output too, so that every block feeds the beacon.
pub const BABE_EPOCH: BabeEpochConfiguration = BabeEpochConfiguration {
    c: timing::PRIMARY_PROBABILITY,
    allowed_slots: AllowedSlots::PrimaryAndSecondaryVRFSlots,
};

/// Name of a public network's preset.
pub const PUBLIC_PRESET: &str = "public";

/// The names of all presets.
pub fn preset_names() -> Vec<PresetId> {
    let names = [PUBLIC_PRESET, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET].map(PresetId::from);
    names.into_iter().filter(|name| preset(name).is_some()).collect()
}

/// JSON patch of the preset with this name, over the default genesis.
pub fn preset(id: &PresetId) -> Option<Vec<u8>> {
    let patch = match id.as_str() {
        #[cfg(feature = "production")]
        PUBLIC_PRESET => patch(Vec::new(), Vec::new(), Vec::new()),
        #[cfg(any(not(feature = "production"), feature = "development-presets"))]
        DEV_RUNTIME_PRESET => development::development(),
        #[cfg(any(not(feature = "production"), feature = "development-presets"))]
        LOCAL_TESTNET_RUNTIME_PRESET => development::local_testnet(),
        _ => return None,
    };
    Some(patch.to_string().into_bytes())
}

/// Writes the state of the genesis block that `json` describes. Refuses one without validators: nobody could author the next block.
pub fn build(json: Vec<u8>) -> sp_genesis_builder::Result {
    build_state::<RuntimeGenesisConfig>(json)?;
    if Babe::authorities().is_empty() {
        return Err("the genesis has no validators: put their accounts and session keys into session.keys".into());
    }
    Ok(())
}

/// A genesis with the models, in which `keys` are those of the validators, the `sponsored` accounts may become operators, and `lines` give
/// accounts a quota in points.
fn patch(
    keys: Vec<(AccountId, AccountId, SessionKeys)>,
    sponsored: Vec<AccountId>,
    lines: Vec<(AccountId, u64)>,
) -> Value {
    build_struct_json_patch!(RuntimeGenesisConfig {
        babe: BabeConfig {
            epoch_config: BABE_EPOCH
        },
        session: SessionConfig { keys: keys },
        models: ModelsConfig { models: models() },
        workers: WorkersConfig { sponsored: sponsored },
        quota: QuotaConfig { lines: lines },
    })
}

/// The models of the first block, at their default prices.
fn models() -> Vec<(Manifest, Option<Prices>)> {
    let manifests: Vec<Manifest> =
        serde_json::from_str(include_str!("../presets/models.json")).expect("a test reads this file");
    manifests.into_iter().map(|manifest| (manifest, None)).collect()
}

// SPDX-License-Identifier: Apache-2.0
//! Where the real files are. `make test` fetches them; in CI a missing one fails the test, elsewhere it is skipped by name.
use ergon_engine::testing::skip;
use std::{env, path::PathBuf};

/// Folder that `scripts/fetch-models.sh` fills.
fn cache() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let xdg = || {
        env::var_os("XDG_CACHE_HOME")
            .map_or_else(|| home().join(".cache"), PathBuf::from)
            .join("ergon")
    };
    env::var_os("ERGON_CACHE")
        .map_or_else(xdg, PathBuf::from)
        .join("models")
}

/// Name of the imported SmolLM2: with the first 12 digits of the weights root that genesis pins, as the Makefile has it.
pub fn model_file() -> String {
    let pinned = include_str!("../../../../runtime/presets/models.json");
    let pinned: serde_json::Value = serde_json::from_str(pinned).expect("the presets are JSON");
    let root = pinned[0]["weights_root"].as_str().expect("the first model has a root");
    format!("smollm2-135m-instruct-{}.ergon", &root["0x".len()..][..12])
}

/// The imported SmolLM2: the file that `ERGON_MODEL` names, or else the one that `make model` makes.
pub fn real_model() -> Option<PathBuf> {
    real_file("ERGON_MODEL", &model_file())
}

/// The file that `variable` names, or else `file` in the cache.
pub fn real_file(variable: &str, file: &str) -> Option<PathBuf> {
    let path = env::var_os(variable).map_or_else(|| cache().join(file), PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing; `make test` fetches it", path.display()));
    None
}

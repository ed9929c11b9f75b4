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

/// The file that `variable` names, or else `file` in the cache.
pub fn real_file(variable: &str, file: &str) -> Option<PathBuf> {
    let path = env::var_os(variable).map_or_else(|| cache().join(file), PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing; `make test` fetches it", path.display()));
    None
}

// SPDX-License-Identifier: Apache-2.0
//! The worker is compiled against the runtime's metadata, from a committed file that must be fresh.
use ergon_runtime::Runtime;
use std::{env, fs, path::Path};

/// A file, so that the worker doesn't depend on the runtime's build.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-worker/chain/metadata.scale");

/// With `ERGON_WRITE_METADATA=1` (`make metadata`) it writes the file instead.
#[test]
fn the_workers_metadata_is_that_of_the_runtime() {
    let metadata = Runtime::metadata_at_version(16).expect("version 16 is supported");
    if env::var("ERGON_WRITE_METADATA").is_ok_and(|value| value == "1") {
        fs::write(FILE, &**metadata).unwrap();
        return;
    }
    let committed = fs::read(Path::new(FILE)).unwrap_or_default();
    assert!(
        committed == **metadata,
        "gpu-worker/chain/metadata.scale is stale: run `make metadata` and commit the file"
    );
}

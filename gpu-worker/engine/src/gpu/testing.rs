// SPDX-License-Identifier: Apache-2.0
//! Adapters for tests of the bits.
use super::{adapters, include_software_adapters, Adapter};
use crate::testing::skip;

/// Every Vulkan adapter of this machine, the software adapters llvmpipe and SwiftShader with them.
///
/// Without the latter two a test that adapters agree says little, so a missing one is named on stderr as skipped.
///
/// # Panics
/// If one is missing where the environment variable `CI` is set and not empty.
pub fn vulkan_adapters() -> Vec<Adapter> {
    include_software_adapters();
    let mut found = adapters();
    found.retain(|adapter| adapter.api == "Vulkan");
    for wanted in ["llvmpipe", "SwiftShader"] {
        if !found.iter().any(|adapter| adapter.name.contains(wanted)) {
            skip(&format!(
                "the Vulkan adapter {wanted} is missing; `make test` installs it"
            ));
        }
    }
    found
}

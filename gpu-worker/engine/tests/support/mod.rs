// SPDX-License-Identifier: Apache-2.0
//! Adapters that a test needs.
use ergon_engine::gpu::{adapters, include_software_adapters, Adapter};

/// Both software adapters and every other Vulkan adapter of this machine. One that is missing fails the test where `CI` is `true`;
/// elsewhere it is named as skipped.
pub fn vulkan_adapters() -> Vec<Adapter> {
    include_software_adapters();
    let found: Vec<_> = adapters()
        .into_iter()
        .filter(|adapter| adapter.api == "Vulkan")
        .collect();
    for wanted in ["llvmpipe", "SwiftShader"] {
        if !found.iter().any(|adapter| adapter.name.contains(wanted)) {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "the Vulkan adapter {wanted} is missing");
            eprintln!("skipped: there is no Vulkan adapter {wanted}");
        }
    }
    found
}

// SPDX-License-Identifier: Apache-2.0
//! Builds the runtime's WebAssembly beside its native code.

fn main() {
    #[cfg(feature = "std")]
    {
        // The workspace is compiled by clippy's driver; the nested build may use a toolchain that has none.
        std::env::remove_var("RUSTC_WORKSPACE_WRAPPER");
        substrate_wasm_builder::WasmBuilder::build_using_defaults();
    }
}

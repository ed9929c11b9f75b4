// SPDX-License-Identifier: Apache-2.0
//! Builds the runtime's WebAssembly beside its native code, with the same features. `SKIP_WASM_BUILD` leaves it out.

#[cfg(not(feature = "std"))]
fn main() {}

#[cfg(feature = "std")]
fn main() {
    use ergon_runtime_wasm::Builder;
    use std::{env, fs, path::Path};

    let out = env::var("OUT_DIR").expect("cargo sets it");
    // Beside `build`, the folder of build scripts: OUT_DIR is target/release/build/ergon-runtime-…/out.
    let profile = Path::new(&out).ancestors().nth(3).expect("OUT_DIR is that deep");
    let builder = Builder::new(&profile.join("runtime-wasm"));
    for source in builder.sources() {
        println!("cargo:rerun-if-changed={}", source.display());
    }
    for variable in ["SKIP_WASM_BUILD", "WASM_BUILD_TOOLCHAIN"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let code = if env::var_os("SKIP_WASM_BUILD").is_some() {
        "None".into()
    } else {
        let features = FEATURES
            .into_iter()
            .filter_map(|(name, enabled)| enabled.then_some(name));
        let runtime = builder
            .build(&features.collect::<Vec<_>>().join(","))
            .unwrap_or_else(|error| panic!("{error}"));
        format!("Some(include_bytes!({:?}))", runtime.path)
    };
    let source = format!("/// The compressed WebAssembly of this runtime, if it was built.\npub const WASM_BINARY: Option<&[u8]> = {code};\n");
    fs::write(Path::new(&out).join("wasm_binary.rs"), source).expect("OUT_DIR can be written to");
}

/// The features of the runtime but for `std`, and whether each is on.
#[cfg(feature = "std")]
const FEATURES: [(&str, bool); 5] = [
    ("development-presets", cfg!(feature = "development-presets")),
    ("next-version", cfg!(feature = "next-version")),
    ("production", cfg!(feature = "production")),
    ("runtime-benchmarks", cfg!(feature = "runtime-benchmarks")),
    ("try-runtime", cfg!(feature = "try-runtime")),
];

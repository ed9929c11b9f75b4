// SPDX-License-Identifier: Apache-2.0
//! Builds the runtime's WebAssembly: for the node, which carries one (`runtime/build.rs`), and for publishing (`make runtime-hash`).
//!
//! # The same bytes in any folder
//!
//! Voters on an upgrade build it and compare the hash, so nothing of the machine may get into the code:
//!
//! | what differs | what is done |
//! |---|---|
//! | folders of the checkout, of cargo's registry, of the toolchain and of the build, which messages of panics name | the compiler replaces them ([`Builder::flags`]) |
//! | names that cargo gives to crates, which depend on where a crate is | the crates are built as members of this workspace, by whose root cargo names them |
//! | flags and profiles in the environment | they are taken away |
//! | versions of dependencies | `--locked` |
//! | the compressor | it is a dependency, and so locked, too |
//!
//! What has to be equal is the source, the compiler ([`Builder::compiler`]; `rust-toolchain.toml` pins it), and the architecture that it
//! runs on.
//!
//! `substrate-wasm-builder` isn't used, since it makes a workspace of its own in the target folder: to that one, our crates are foreign, so
//! their names depend on both folders; and it replaces this workspace's profiles, so our crates would lose their overflow checks.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The profile in the workspace's manifest.
const PROFILE: &str = "runtime";
const TARGET: &str = "wasm32v1-none";
/// Most bytes of the code before it is compressed, as the node allows.
const MAX_BYTES: usize = sp_maybe_compressed_blob::CODE_BLOB_BOMB_LIMIT;

/// What to build, and where.
pub struct Builder {
    workspace: PathBuf,
    folder: PathBuf,
}

/// A runtime that was built.
pub struct Runtime {
    /// The file that the chain runs: compressed WebAssembly.
    pub path: PathBuf,
    /// Blake2-256 of that file, with `0x` before it: what `System.authorize_upgrade` takes.
    pub hash: String,
}

impl Builder {
    /// Builds in `folder`, which keeps what was compiled.
    pub fn new(folder: &Path) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        Self {
            workspace: workspace.expect("the crate is in runtime/wasm").to_path_buf(),
            folder: folder.to_path_buf(),
        }
    }

    /// Builds the runtime with these of its features, separated by commas.
    pub fn build(&self, features: &str) -> Result<Runtime, String> {
        let mut cargo = self.tool("cargo");
        for (name, _) in env::vars() {
            if name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_BUILD_") {
                cargo.env_remove(name);
            }
        }
        cargo
            .args([
                "rustc",
                "--quiet",
                "--locked",
                "--package",
                "ergon-runtime",
                "--lib",
                "--crate-type",
                "cdylib",
            ])
            .args([
                "--profile",
                PROFILE,
                "--target",
                TARGET,
                "--no-default-features",
                "--features",
                features,
            ])
            .env("CARGO_TARGET_DIR", &self.folder)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags()?.join("\x1f"))
            // Incremental compilation cuts the code into other pieces.
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTC")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env_remove("RUSTFLAGS");
        let status = cargo
            .status()
            .map_err(|error| format!("cargo could not be started: {error}"))?;
        if !status.success() {
            return Err(format!(
                "the runtime with the features '{features}' was not built: cargo {status}"
            ));
        }
        self.compress(features)
    }

    /// The compiler, in a line.
    pub fn compiler(&self) -> Result<String, String> {
        self.output("rustc", &["--version"])
    }

    /// What the compiler is told besides what the profile says.
    fn flags(&self) -> Result<Vec<String>, String> {
        // What the node's executor expects of a runtime: its memory is imported, table and heap base are exported.
        let mut flags: Vec<String> = ["--cfg", "substrate_runtime"].map(Into::into).into();
        for argument in ["--export-table", "--export=__heap_base", "--import-memory"] {
            flags.push(format!("-Clink-arg={argument}"));
        }
        // Of the prefixes that fit, the compiler takes the last one.
        let mut replaced = vec![
            (self.workspace.clone(), "/ergon".to_string()),
            (self.folder.clone(), "/build".to_string()),
        ];
        let registries = fs::read_dir(cargo_home()?.join("registry/src"))
            .into_iter()
            .flatten()
            .flatten();
        replaced.extend(registries.map(|registry| (registry.path(), "/registry".to_string())));
        let sysroot = PathBuf::from(self.output("rustc", &["--print", "sysroot"])?);
        // Where the sources of the standard library are installed, the compiler names their folder instead of this one.
        replaced.push((
            sysroot.join("lib/rustlib/src/rust"),
            format!("/rustc/{}", self.commit()?),
        ));
        flags.extend(
            replaced
                .into_iter()
                .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
        );
        Ok(flags)
    }

    /// The commit that the compiler was built from.
    fn commit(&self) -> Result<String, String> {
        let version = self.output("rustc", &["--version", "--verbose"])?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        Ok(commit.unwrap_or("unknown").to_string())
    }

    /// The next runtime takes the place of what the compiler wrote, so each set of features has a name of its own.
    fn compress(&self, features: &str) -> Result<Runtime, String> {
        let compiled = self.folder.join(TARGET).join(PROFILE).join("ergon_runtime.wasm");
        let code = fs::read(&compiled).map_err(|error| format!("{}: {error}", compiled.display()))?;
        let compressed = sp_maybe_compressed_blob::compress_strongly(&code, MAX_BYTES)
            .ok_or_else(|| format!("{}: {} bytes are more than {MAX_BYTES}", compiled.display(), code.len()))?;
        let name = if features.is_empty() { "default" } else { features };
        let path = self.folder.join(format!("ergon_runtime.{name}.compressed.wasm"));
        fs::write(&path, &compressed).map_err(|error| format!("{}: {error}", path.display()))?;
        let digits = sp_crypto_hashing::blake2_256(&compressed)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        Ok(Runtime {
            path,
            hash: format!("0x{digits}"),
        })
    }

    fn output(&self, tool: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.tool(tool).args(arguments).output();
        let output = output.map_err(|error| format!("{tool} could not be started: {error}"))?;
        if !output.status.success() {
            return Err(format!("{tool} {}: {}", arguments.join(" "), output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    }

    /// A program of the toolchain that has the target; `scripts/setup.sh` says which one that is.
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.workspace);
        if let Ok(toolchain) = env::var("WASM_BUILD_TOOLCHAIN") {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        command
    }

    /// Files and folders that the runtime is made of.
    pub fn sources(&self) -> Vec<PathBuf> {
        let crates = ["primitives", "primitives/exact", "runtime", "runtime/api"].map(|name| self.workspace.join(name));
        let pallets = fs::read_dir(self.workspace.join("pallets"))
            .into_iter()
            .flatten()
            .flatten();
        let parts = |folder: PathBuf| ["Cargo.toml", "src"].map(|part| folder.join(part));
        let mut sources: Vec<_> = crates
            .into_iter()
            .chain(pallets.map(|pallet| pallet.path()))
            .flat_map(parts)
            .collect();
        let others = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "runtime/presets"];
        sources.extend(others.map(|name| self.workspace.join(name)));
        sources
    }
}

fn cargo_home() -> Result<PathBuf, String> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let folder = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
    folder.ok_or_else(|| "neither CARGO_HOME nor HOME is set, so cargo's registry can't be found".into())
}

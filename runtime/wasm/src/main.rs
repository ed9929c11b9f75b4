// SPDX-License-Identifier: Apache-2.0
//! `ergon-runtime-wasm FOLDER [FEATURES]` builds a runtime there and prints its path; what it is made with, and its hash, go to the standard
//! error. See the library.
use ergon_runtime_wasm::Builder;
use std::{env, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ergon-runtime-wasm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<PathBuf, String> {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().ok_or("usage: ergon-runtime-wasm FOLDER [FEATURES]")?;
    let features = arguments.next().unwrap_or_default();
    let builder = Builder::new(&PathBuf::from(folder));
    let runtime = builder.build(&features)?;
    let compiler = builder.compiler()?;
    eprintln!(
        "runtime with the features '{features}', by {compiler}: blake2-256 {}",
        runtime.hash
    );
    Ok(runtime.path)
}

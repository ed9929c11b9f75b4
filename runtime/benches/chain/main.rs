// SPDX-License-Identifier: Apache-2.0
//! How many whole job lives a block of a public network holds: `make bench-chain`.
//!
//! 1,000 operators with weight serve one model. Each block is run in the WebAssembly of the runtime, from the state that the block before left,
//! and gets what an author would put into it: first what is owed (reveals, attestations, results), then as many submissions as jobs can
//! be assigned. Once a job is forgotten for each that is submitted, blocks are measured.
//!
//! The state is in memory, so the times that are printed have no disk in them; weights reckon with one.
#[allow(dead_code)]
#[path = "../../tests/runtime/chain.rs"]
mod chain;
mod lives;
#[allow(dead_code)]
#[path = "../../tests/runtime/market.rs"]
mod market;
mod network;
mod report;
mod wasm;

use ergon_runtime::WASM_BINARY;
use lives::Lives;
use report::Report;
use std::process::ExitCode;

/// Operators that serve the model.
const OPERATORS: u32 = 1_000;
/// Lives that a block must hold.
const BAR: u32 = 120;
/// Blocks that are measured.
const MEASURED: u32 = 12;

fn main() -> ExitCode {
    let (Some(runtime), true) = (WASM_BINARY, cfg!(feature = "production")) else {
        eprintln!("bench-chain: this was built without the WebAssembly of a public network; run 'make bench-chain'");
        return ExitCode::from(2);
    };
    let mut chain = network::of_operators(OPERATORS);
    let runtime = wasm::Runtime::new(runtime);
    let mut lives = chain.execute_with(Lives::new);
    for _ in 0..network::CYCLE {
        runtime.run_block(&mut chain, &mut lives);
    }
    let mut report = Report::default();
    for _ in 0..MEASURED {
        report.add(runtime.run_block(&mut chain, &mut lives));
    }
    chain.execute_with(|| report.print());
    if report.lives() < BAR {
        eprintln!("bench-chain: {} lives a block, {BAR} are the bar", report.lives());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

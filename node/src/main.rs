// SPDX-License-Identifier: Apache-2.0
//! Ergon Node: authors blocks with BABE, finalizes them with GRANDPA, and answers JSON-RPC.
#![warn(missing_docs)]
// The framework's error types are large, and every function here passes them on.
#![allow(clippy::result_large_err)]

mod cli;
mod command;
mod errors;
mod metrics;
mod ports;
mod rpc;
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", errors::text(&error));
            ExitCode::FAILURE
        }
    }
}

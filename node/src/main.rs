// SPDX-License-Identifier: Apache-2.0
//! Ergon Node: authors blocks with BABE, finalizes them with GRANDPA, and answers JSON-RPC.
#![warn(missing_docs)]
// The framework's error types are large, and every function here passes them on.
#![allow(clippy::result_large_err)]

mod cli;
mod command;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}

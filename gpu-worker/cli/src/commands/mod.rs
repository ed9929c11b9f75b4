// SPDX-License-Identifier: Apache-2.0
//! One module for each subcommand, and the arguments that several share.
pub mod adapters;
pub mod arguments;
pub mod embed;
pub mod generate;
pub mod key;
pub mod model;
pub mod ppl;
pub mod prompt;
pub mod run;
pub mod selftest;
pub mod web;

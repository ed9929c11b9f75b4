// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker run`: the daemon that answers jobs and audits answers.
//!
//! | module | does |
//! |---|---|
//! | [`config`] | merges the TOML file and the flags |
//! | [`logging`] | log lines as text or JSON |
//! | [`answer`] | from a prompt on chain to token ids, or the reason why there is no answer |
//! | [`compute`] | loads models, computes answers |
//! | [`computations`] | the computations under way |
//! | [`journal`] | keeps every computed answer until its job is over |
//! | [`plan`] | decides what is to be done, as a pure function |
//! | [`share`] | which of the operator's duties are this worker's |
//! | [`resumption`] | when a suspended operator is brought back |
//! | [`service`] | connects, follows finalized blocks, carries the plan out |
pub mod answer;
pub mod computations;
pub mod compute;
pub mod config;
pub mod journal;
pub mod logging;
pub mod plan;
pub mod resumption;
pub mod service;
pub mod share;

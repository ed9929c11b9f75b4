// SPDX-License-Identifier: Apache-2.0
//! Tests of the composed runtime; what a single pallet does is tested there.
mod beacon;
mod chain;
mod dependencies;
mod genesis;
mod governance;
mod job;
mod market;
mod migrations;
mod operators;
mod parameters;
mod probation;
mod quota;
mod quota_admission;
mod quota_votes;
mod transactions;
mod validators;

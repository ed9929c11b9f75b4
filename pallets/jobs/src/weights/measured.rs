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
    fn submit() -> Weight {
        Weight::from_parts(403_318_000, 0).saturating_add(T::DbWeight::get().reads_writes(24, 8))
    }
    fn submit_result() -> Weight {
        Weight::from_parts(190_963_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 5))
    }
    fn reveal() -> Weight {
        Weight::from_parts(932_953_000, 0).saturating_add(T::DbWeight::get().reads_writes(65, 38))
    }
    fn cancel() -> Weight {
        Weight::from_parts(71_727_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 9))
    }
    fn on_initialize_idle() -> Weight {
        Weight::from_parts(301_708_000, 0).saturating_add(T::DbWeight::get().reads_writes(60, 2))
    }
    fn due() -> Weight {
        Weight::from_parts(127_850_000, 0).saturating_add(T::DbWeight::get().reads_writes(14, 9))
    }
    fn silent() -> Weight {
        Weight::from_parts(105_907_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 8))
    }
    fn redraw() -> Weight {
        // Provisional: until `make benchmarks` runs. A draw that finds somebody at once.
        Self::silent()
            .saturating_add(Weight::from_parts(100_000_000, 0))
            .saturating_add(T::DbWeight::get().reads_writes(10, 4))
    }
    fn misses(m: u32) -> Weight {
        Weight::from_parts(135_971_000, 0)
            .saturating_add(Weight::from_parts(130_373_500, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads_writes(20, 21))
            .saturating_add(T::DbWeight::get().reads(14).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().writes(27).saturating_mul(m.into()))
    }
    fn ripen() -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(60_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(6, 7))
    }
    fn visit() -> Weight {
        // Provisional: until `make benchmarks` runs. Eight operators are looked at: the tree, the listing, the record and the weight.
        Weight::from_parts(200_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(48, 0))
    }
    fn assign() -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(12, 14))
    }
    fn prune(a: u32) -> Weight {
        Weight::from_parts(77_304_000, 0)
            .saturating_add(Weight::from_parts(11_587_500, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads_writes(8, 8))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(2).saturating_mul(a.into()))
    }
    fn forget(p: u32) -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(10_000_000, 0)
            .saturating_add(Weight::from_parts(8_000_000, 0).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads_writes(2, 1))
            .saturating_add(T::DbWeight::get().reads_writes(1, 1).saturating_mul(p.into()))
    }
}

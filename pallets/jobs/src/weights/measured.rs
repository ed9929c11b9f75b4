// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | AMD EPYC |
//! | date | 2026-11-22 |
//! | command | `frame-omni-bencher v1 benchmark pallet --pallet pallet_jobs --extrinsic '*' --output-analysis median-slopes --steps 20 --repeat 10` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn submit() -> Weight {
        Weight::from_parts(425_621_000, 0).saturating_add(T::DbWeight::get().reads_writes(24, 8))
    }
    fn submit_result() -> Weight {
        Weight::from_parts(96_894_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 5))
    }
    fn reveal() -> Weight {
        Weight::from_parts(1_202_503_000, 0).saturating_add(T::DbWeight::get().reads_writes(66, 38))
    }
    fn cancel() -> Weight {
        Weight::from_parts(79_528_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 9))
    }
    fn on_initialize_idle() -> Weight {
        Weight::from_parts(322_358_000, 0).saturating_add(T::DbWeight::get().reads_writes(60, 2))
    }
    fn due() -> Weight {
        Weight::from_parts(143_622_000, 0).saturating_add(T::DbWeight::get().reads_writes(14, 9))
    }
    fn silent() -> Weight {
        Weight::from_parts(120_899_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 8))
    }
    fn redraw() -> Weight {
        Weight::from_parts(505_609_000, 0).saturating_add(T::DbWeight::get().reads_writes(65, 10))
    }
    fn misses(m: u32) -> Weight {
        Weight::from_parts(156_003_000, 0)
            .saturating_add(Weight::from_parts(136_946_000, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads_writes(20, 21))
            .saturating_add(T::DbWeight::get().reads(14).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().writes(27).saturating_mul(m.into()))
    }
    fn visit() -> Weight {
        Weight::from_parts(655_852_000, 0).saturating_add(T::DbWeight::get().reads_writes(92, 8))
    }
    fn prune(a: u32) -> Weight {
        Weight::from_parts(99_557_500, 0)
            .saturating_add(Weight::from_parts(13_159_500, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads_writes(8, 8))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(2).saturating_mul(a.into()))
    }
}

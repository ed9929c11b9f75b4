// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | Intel(R) Xeon(R) Processor |
//! | date | 2026-12-01 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=20 ERGON_BENCH_REPEAT=10` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn vote() -> Weight {
        Weight::from_parts(981_135_000, 0).saturating_add(T::DbWeight::get().reads_writes(139, 5))
    }
    fn delegate() -> Weight {
        Weight::from_parts(568_686_000, 0).saturating_add(T::DbWeight::get().reads_writes(72, 2))
    }
    fn undelegate() -> Weight {
        Weight::from_parts(36_522_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn dismiss() -> Weight {
        Weight::from_parts(49_308_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn refresh_vote() -> Weight {
        Weight::from_parts(929_987_000, 0).saturating_add(T::DbWeight::get().reads_writes(137, 4))
    }
    fn refresh_member() -> Weight {
        Weight::from_parts(31_906_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 1))
    }
    fn cleanup_poll(n: u32) -> Weight {
        Weight::from_parts(54_568_333, 0)
            .saturating_add(Weight::from_parts(1_618_333, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads_writes(5, 2))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    fn veto() -> Weight {
        Weight::from_parts(55_927_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 3))
    }
}

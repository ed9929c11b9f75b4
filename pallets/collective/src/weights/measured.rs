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
    fn vote() -> Weight {
        Weight::from_parts(723_642_000, 0).saturating_add(T::DbWeight::get().reads_writes(139, 5))
    }
    fn delegate() -> Weight {
        Weight::from_parts(381_765_000, 0).saturating_add(T::DbWeight::get().reads_writes(72, 2))
    }
    fn undelegate() -> Weight {
        Weight::from_parts(23_495_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn dismiss() -> Weight {
        Weight::from_parts(37_626_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn refresh_vote() -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(800_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(140, 6))
    }
    fn refresh_member() -> Weight {
        Weight::from_parts(25_948_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 2))
    }
    fn cleanup_poll(n: u32) -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(40_000_000, 0)
            .saturating_add(Weight::from_parts(1_095_536, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads_writes(4, 2))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
    fn veto() -> Weight {
        // Provisional: until `make benchmarks` runs.
        Weight::from_parts(60_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 4))
    }
}

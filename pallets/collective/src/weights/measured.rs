// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | AMD EPYC |
//! | date | 2026-11-22 |
//! | command | `frame-omni-bencher v1 benchmark pallet --pallet pallet_compute_collective --extrinsic '*' --output-analysis median-slopes --steps 20 --repeat 10` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn vote() -> Weight {
        Weight::from_parts(760_428_000, 0).saturating_add(T::DbWeight::get().reads_writes(139, 5))
    }
    fn delegate() -> Weight {
        Weight::from_parts(401_976_000, 0).saturating_add(T::DbWeight::get().reads_writes(72, 2))
    }
    fn undelegate() -> Weight {
        Weight::from_parts(26_109_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn dismiss() -> Weight {
        Weight::from_parts(40_950_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
    }
    fn refresh_vote() -> Weight {
        Weight::from_parts(753_047_000, 0).saturating_add(T::DbWeight::get().reads_writes(137, 5))
    }
    fn refresh_member() -> Weight {
        Weight::from_parts(27_701_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 2))
    }
    fn cleanup_poll(n: u32) -> Weight {
        Weight::from_parts(27_116_694, 0)
            .saturating_add(Weight::from_parts(1_345_305, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads_writes(3, 0))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(n.into()))
    }
}

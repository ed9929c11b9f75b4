// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | AMD EPYC |
//! | date | 2026-11-22 |
//! | command | `frame-omni-bencher v1 benchmark pallet --pallet pallet_models --extrinsic '*' --output-analysis median-slopes --steps 20 --repeat 10` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn register() -> Weight {
        Weight::from_parts(23_044_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 2))
    }
    fn retire() -> Weight {
        Weight::from_parts(16_064_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
    fn set_prices() -> Weight {
        Weight::from_parts(16_084_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet. **Estimates**, from counted reads and writes and not from benchmarks.
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights that the pallet asks for, one a call.
pub trait WeightInfo {
    /// Of `register`.
    fn register() -> Weight;
    /// Of `retire`.
    fn retire() -> Weight;
    /// Of `set_prices`.
    fn set_prices() -> Weight;
}

/// Estimates from the database weights of runtime `T`.
pub struct EstimatedWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> EstimatedWeight<T> {
    fn of(reads: u64, writes: u64) -> Weight {
        Weight::from_parts(20_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }
}

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    fn register() -> Weight {
        Self::of(2, 2)
    }

    fn retire() -> Weight {
        Self::of(1, 1)
    }

    fn set_prices() -> Weight {
        Self::of(1, 1)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet. **Estimates**, from counted reads and writes and not from benchmarks.
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights that the pallet asks for.
pub trait WeightInfo {
    /// Of the hook that every block starts with.
    fn on_initialize() -> Weight;
}

/// Estimates from the database weights of runtime `T`.
pub struct EstimatedWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    fn on_initialize() -> Weight {
        Weight::from_parts(10_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 2))
    }
}

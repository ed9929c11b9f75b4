// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet.
// Provisional: until `make benchmarks` runs.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Estimated times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn set_validators(validators: u32) -> Weight {
        Weight::from_parts(20_000_000, 0)
            .saturating_add(Weight::from_parts(5_000_000, 0).saturating_mul(validators.into()))
            .saturating_add(T::DbWeight::get().reads_writes(0, 1))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(validators.into()))
    }
}

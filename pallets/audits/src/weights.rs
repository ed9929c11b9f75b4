// SPDX-License-Identifier: Apache-2.0
//! Weights of the pallet. **Estimates**: storage accesses counted by hand, times the runtime's database weight; to be replaced by
//! benchmarks.
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights of the calls.
pub trait WeightInfo {
    /// An attestation, and the end of the audit in the pallet that drives it.
    fn attest() -> Weight;
}

/// Estimates from the runtime's database weight.
pub struct EstimatedWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    fn attest() -> Weight {
        // Reads: key, audit, operator record, job, parameters, agenda. Writes: audit, pending, operator record, job, agenda (2).
        Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(7, 6))
    }
}

impl WeightInfo for () {
    fn attest() -> Weight {
        Weight::zero()
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet. **Estimates**, from counted reads and writes and not from benchmarks.
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights that the pallet asks for.
pub trait WeightInfo {
    /// Of `sponsor`. Complexity: O(1).
    fn sponsor() -> Weight;
    /// Of `withdraw`. Complexity: O(1).
    fn withdraw() -> Weight;
    /// Of the extension, for the longest way: a sponsored newcomer whose sponsor has weight. Complexity: O(1).
    fn charge_quota() -> Weight;
}

/// Estimates from the database weights of runtime `T`.
pub struct EstimatedWeight<T>(PhantomData<T>);

/// Reads for the capacity of one account: itself, its lines from genesis and a sponsor, what it gives, whose key it is (two),
/// and its weight.
const CAPACITY: u64 = 7;
/// Reads that are the same for all: the epoch, the half-lives, the total weight, the curve, and what newcomers have taken.
const COMMON: u64 = 5;

impl<T: frame_system::Config> EstimatedWeight<T> {
    fn of(reads: u64, writes: u64) -> Weight {
        Weight::from_parts(25_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }
}

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    /// Two capacities, with two buckets each; the line, the sponsor's total and the account are written too.
    fn sponsor() -> Weight {
        Self::of(COMMON + 2 * (CAPACITY + 2), 2 * 2 + 3)
    }

    /// Two capacities, with two buckets each; the line and the sponsor's total are written too.
    fn withdraw() -> Weight {
        Self::of(COMMON + 2 * (CAPACITY + 2), 2 * 2 + 2)
    }

    /// The capacities of the account and of its sponsor, one bucket, and what newcomers have taken.
    fn charge_quota() -> Weight {
        Self::of(COMMON + 2 * CAPACITY + 1, 2)
    }
}

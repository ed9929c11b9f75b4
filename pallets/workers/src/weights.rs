// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet. **Estimates**, from counted reads and writes and not from benchmarks.
use crate::{MAX_HOT_KEYS, MAX_MODELS};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights that the pallet asks for, one a call, each for the longest lists of models and hot keys.
pub trait WeightInfo {
    /// Of `register`.
    fn register() -> Weight;
    /// Of `update`.
    fn update() -> Weight;
    /// Of `add_hot_key`.
    fn add_hot_key() -> Weight;
    /// Of `remove_hot_key`.
    fn remove_hot_key() -> Weight;
    /// Of `drain`.
    fn drain() -> Weight;
    /// Of `resume`.
    fn resume() -> Weight;
    /// Of `remove`.
    fn remove() -> Weight;
    /// Of `unjail`.
    fn unjail() -> Weight;
    /// Of `join`.
    fn join() -> Weight;
    /// Of checking a `join`, in the pool and once more in the block.
    fn authorize_join() -> Weight;
}

/// Estimates from the database weights of runtime `T`.
pub struct EstimatedWeight<T>(PhantomData<T>);

/// Looking up, listing and delisting a model, as reads and writes.
const CHECK: (u64, u64) = (1, 0);
const LIST: (u64, u64) = (1, 3);
const DELIST: (u64, u64) = (4, 5);

impl<T: frame_system::Config> EstimatedWeight<T> {
    fn of(reads: u64, writes: u64) -> Weight {
        Weight::from_parts(25_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }

    /// `per_model` for every model of the longest list.
    fn with_models(per_model: &[(u64, u64)], reads: u64, writes: u64) -> Weight {
        let (more_reads, more_writes) = per_model.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let models = u64::from(MAX_MODELS);
        Self::of(reads + models * more_reads, writes + models * more_writes)
    }
}

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    fn register() -> Weight {
        Self::with_models(&[CHECK, LIST], 9, 5)
    }

    fn update() -> Weight {
        Self::with_models(&[CHECK, LIST, DELIST], 1, 1)
    }

    fn add_hot_key() -> Weight {
        Self::of(7, 5)
    }

    fn remove_hot_key() -> Weight {
        Self::with_models(&[DELIST], 2, 2)
    }

    fn drain() -> Weight {
        Self::with_models(&[DELIST], 1, 1)
    }

    fn resume() -> Weight {
        Self::with_models(&[LIST], 2, 1)
    }

    fn remove() -> Weight {
        Self::with_models(&[DELIST], 1, 1 + u64::from(MAX_HOT_KEYS))
    }

    fn unjail() -> Weight {
        Self::of(1, 1)
    }

    fn join() -> Weight {
        // Registering, letting in (account, 2 block hashes, difficulty, newcomers; 3 of them), sponsored and leaving whoever had bound it, probation.
        Self::with_models(&[CHECK, LIST, DELIST], 8 + 5 + 3, 4 + 3 + 3 + 1)
    }

    fn authorize_join() -> Weight {
        // Operator, hot key, brought by, 2 accounts, sponsored, 3 block hashes, difficulty, newcomers; and a signature.
        let signature = Weight::from_parts(100_000_000, 0);
        Self::with_models(&[CHECK], 11, 0).saturating_add(signature)
    }
}

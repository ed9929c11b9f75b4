// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet. **Estimates**, from counted reads and writes and not from benchmarks.
use crate::Config;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights that the pallet asks for, one a call, each for the longest lists of delegators and founders.
pub trait WeightInfo {
    /// Of `vote`.
    fn vote() -> Weight;
    /// Of `delegate`.
    fn delegate() -> Weight;
    /// Of `undelegate`.
    fn undelegate() -> Weight;
    /// Of `dismiss`.
    fn dismiss() -> Weight;
    /// Of `refresh_vote`.
    fn refresh_vote() -> Weight;
    /// Of `refresh_member`.
    fn refresh_member() -> Weight;
    /// Of `cleanup_poll` that clears away `votes`.
    fn cleanup_poll(votes: u32) -> Weight;
}

/// Estimates from the database weights of runtime `T`.
pub struct EstimatedWeight<T>(PhantomData<T>);

/// Membership, as reads: the record and the registry of operators.
const MEMBER: u64 = 2;
/// What an account weighs, as reads: its membership, its delegation and its contributions.
const WEIGHT: u64 = MEMBER + 2;
/// Accessing a poll and moving its alarm, as reads and writes: the poll, two agendas and two lookups of the scheduler.
const POLL: (u64, u64) = (5, 5);

impl<T: Config> EstimatedWeight<T> {
    fn of(reads: u64, writes: u64) -> Weight {
        Weight::from_parts(25_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }

    /// Reads of the weight of a member with all its delegators, a list of them, and the half-lives.
    fn effective() -> u64 {
        WEIGHT + 2 + u64::from(T::MaxDelegators::get()) * WEIGHT
    }
}

impl<T: Config> WeightInfo for EstimatedWeight<T> {
    fn vote() -> Weight {
        Self::of(POLL.0 + 2 + Self::effective(), POLL.1 + 1)
    }

    fn delegate() -> Weight {
        // Two lists of delegators with their delegations, and two delegations.
        let lists = 2 * (1 + u64::from(T::MaxDelegators::get()));
        Self::of(1 + 2 * MEMBER + lists + 2, 2)
    }

    fn undelegate() -> Weight {
        Self::of(2, 1)
    }

    fn dismiss() -> Weight {
        Self::of(2, 1)
    }

    fn refresh_vote() -> Weight {
        Self::vote()
    }

    fn refresh_member() -> Weight {
        Self::of(6, 2)
    }

    fn cleanup_poll(votes: u32) -> Weight {
        Self::of(2, 1).saturating_add(T::DbWeight::get().reads_writes(1, 1).saturating_mul(votes.into()))
    }
}

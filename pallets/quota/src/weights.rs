// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
mod measured;

use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

/// Weights that the pallet asks for.
pub trait WeightInfo {
    /// Of `sponsor`. Complexity: O(1).
    fn sponsor() -> Weight;
    /// Of `withdraw`. Complexity: O(1).
    fn withdraw() -> Weight;
    /// Of `vouch`. Complexity: O(1).
    fn vouch() -> Weight;
    /// Of the extension, for the longest way: a hot key's duty, for which its sponsored operator has nothing left but what its sponsor gives.
    /// What [`Classify`](crate::Classify) reads is a part of it. Complexity: O(1).
    fn charge_quota() -> Weight;
}

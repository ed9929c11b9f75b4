// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
mod measured;

use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

/// Weights that the pallet asks for, one a call, each for the longest list of delegators.
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
    /// Of `veto`.
    fn veto() -> Weight;
}

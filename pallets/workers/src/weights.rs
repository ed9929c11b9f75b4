// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
mod measured;

use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

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
    /// Of the start of a block in which so many changes to lists are made.
    fn on_initialize(changes: u32) -> Weight;
}

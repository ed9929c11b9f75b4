// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
mod measured;

use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

/// Weights that the pallet asks for.
pub trait WeightInfo {
    /// Of the hook that every block starts with.
    fn on_initialize() -> Weight;
}

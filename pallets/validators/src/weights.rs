// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
mod measured;

use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

/// Weights of the calls.
pub trait WeightInfo {
    /// A set of `validators` that is accepted.
    fn set_validators(validators: u32) -> Weight;
}

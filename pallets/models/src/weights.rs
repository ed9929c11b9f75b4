// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
mod measured;

use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

/// Weights that the pallet asks for, one a call.
pub trait WeightInfo {
    /// Of `register`.
    fn register() -> Weight;
    /// Of `retire`.
    fn retire() -> Weight;
    /// Of `set_prices`.
    fn set_prices() -> Weight;
    /// Of `set_rate`.
    fn set_rate() -> Weight;
}

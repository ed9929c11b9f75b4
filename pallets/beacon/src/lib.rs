// SPDX-License-Identifier: Apache-2.0
//! The beacon: a value that changes in every block and that nobody could know much earlier.
//!
//! # Rule
//!
//! At the start of block `b`, before any extrinsic, `value = BLAKE2b-256(value || fresh)`, where `fresh` is what
//! [`Config::Randomness`] says of block `b - 1` (in the runtime `pallet_babe::ParentBlockRandomness`: the VRF output
//! that the author of `b - 1` revealed). BABE's own epoch randomness would not do: with short epochs it mixes in no VRF
//! output for several epochs in a row.
//!
//! # What it is good for
//!
//! 1. The author of `b - 1` knew `fresh` before it chose what to put into its block. So a draw in block `b` may judge
//!    only what was fixed in block `b - 2` or before.
//! 2. An author can withhold its block and so re-roll the value once, at the price of the block; the last `r` authors
//!    in a row can do so `2^r` times. Draws that matter take this into account.
//! 3. When the source has nothing (the first block, or a parent without a VRF output), `fresh` is the hash of block
//!    number and parent hash. The value still changes, so no two blocks share it, but that step adds nothing that the
//!    parent's author could not choose.
//!
//! The pallet has no calls, no events and no errors. It implements [`Beacon`].
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use codec::Encode;
use ergon_primitives::{hash, traits::Beacon, H256};
use frame_support::traits::Randomness;
use frame_system::pallet_prelude::BlockNumberFor;
pub use pallet::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Randomness of the parent block; `None` if it has none.
        type Randomness: Randomness<Option<H256>, BlockNumberFor<Self>>;
        /// Weight of the hook.
        type WeightInfo: WeightInfo;
    }

    /// The accumulated value; zero before the first block.
    #[pallet::storage]
    pub type Value<T: Config> = StorageValue<_, H256, ValueQuery>;

    /// The block in which the value was last changed.
    #[pallet::storage]
    pub type Updated<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Mixes in the parent block's randomness. Complexity: O(1).
        fn on_initialize(block: BlockNumberFor<T>) -> Weight {
            let fresh = T::Randomness::random(b"ergon/beacon")
                .0
                .unwrap_or_else(|| Self::substitute(block));
            Value::<T>::mutate(|value| *value = hash(&[&value.0, &fresh.0]));
            Updated::<T>::put(block);
            T::WeightInfo::on_initialize()
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}

impl<T: Config> Pallet<T> {
    /// What is mixed in for a block whose parent has no randomness: different for every block, but not random.
    fn substitute(block: BlockNumberFor<T>) -> H256 {
        hash(&[
            b"ergon/beacon/none",
            &(block, frame_system::Pallet::<T>::parent_hash()).encode(),
        ])
    }

    /// Checks that the value was changed in this block, and so is not the initial zero after the genesis block.
    #[cfg(any(feature = "std", feature = "try-runtime"))]
    pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        let updated = Updated::<T>::get();
        frame_support::ensure!(
            updated == frame_system::Pallet::<T>::block_number(),
            "beacon: the value was not changed in this block"
        );
        let first = updated == BlockNumberFor::<T>::default();
        frame_support::ensure!(
            first == Value::<T>::get().is_zero(),
            "beacon: the value is zero only before the first block"
        );
        Ok(())
    }
}

impl<T: Config> Beacon for Pallet<T> {
    fn value() -> H256 {
        Value::<T>::get()
    }
}

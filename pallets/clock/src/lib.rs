// SPDX-License-Identifier: Apache-2.0
//! # The clock of open blocks
//!
//! A [migration](frame_support::migrations::MultiStepMigrator) may take many blocks. In each of them storage is half old and half new, and
//! transactions have to wait. Such a block is **closed**: from the first one of a new runtime that has such a migration to the one in which the last
//! step is made. All others are **open**.
//!
//! # Time
//!
//! In a closed block nobody can answer, attest or vote, so nobody may miss a deadline by it. What has a deadline measures time with this
//! pallet, as its [`BlockNumberProvider`]: the block's number less the closed blocks so far, this one included. So time stands still in closed
//! blocks and goes on by one with each open one, and a deadline is as many open blocks away as it was. On a chain without a closed block it
//! is the block's number.
//!
//! ```text
//! block    100   101   102   103   104   105
//! closed                x     x     x
//! time     100   101   101   101   101   102
//! ```
//!
//! # Hooks
//!
//! [`Gate`] stands between `Executive` and the hooks of all pallets: in a closed block only those run that consensus needs. They must not touch
//! what a migration over blocks changes; what they keep is migrated at once, by `SingleBlockMigrations`.
//!
//! All work is O(1).
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "try-runtime")]
extern crate alloc;

mod gate;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{migrations::MultiStepMigrator, traits::Get, weights::Weight};
use frame_system::pallet_prelude::BlockNumberFor;
pub use gate::Gate;
pub use pallet::*;
use scale_info::TypeInfo;
use sp_runtime::traits::{BlockNumberProvider, Saturating, Zero};

/// The closed blocks so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct ClosedBlocks<BlockNumber> {
    /// How many.
    pub count: BlockNumber,
    /// Number of the last one; 0 if there is none.
    pub last: BlockNumber,
}

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// The closed blocks so far. The start of every block reads it and answers for that.
    #[pallet::storage]
    #[pallet::whitelist_storage]
    pub type Closed<T: Config> = StorageValue<_, ClosedBlocks<BlockNumberFor<T>>, ValueQuery>;

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::view_functions]
    impl<T: Config> Pallet<T> {
        /// The time that deadlines are measured in: the block's number less the closed blocks so far.
        pub fn now() -> BlockNumberFor<T> {
            Self::current_block_number()
        }

        /// The closed blocks so far.
        pub fn closed_blocks() -> ClosedBlocks<BlockNumberFor<T>> {
            Closed::<T>::get()
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Begins a block, which is closed if a migration is under way. To be called once, before any hook. Whether it is closed, and the weight.
    fn begin_block() -> (bool, Weight) {
        let weight = <T as frame_system::Config>::DbWeight::get();
        if !T::MultiBlockMigrator::ongoing() {
            return (false, weight.reads(2));
        }
        Closed::<T>::mutate(|closed| {
            closed.count.saturating_inc();
            closed.last = frame_system::Pallet::<T>::block_number();
        });
        (true, weight.reads_writes(2, 1))
    }

    /// Whether the current block is closed.
    pub fn is_closed() -> bool {
        let ClosedBlocks { count, last } = Closed::<T>::get();
        !count.is_zero() && last == frame_system::Pallet::<T>::block_number()
    }

    /// Checks that the chain has at least as many blocks as were closed.
    #[cfg(any(feature = "std", feature = "try-runtime"))]
    pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        let ClosedBlocks { count, last } = Closed::<T>::get();
        frame_support::ensure!(
            count <= last && last <= frame_system::Pallet::<T>::block_number(),
            "clock: blocks were closed that don't exist"
        );
        Ok(())
    }
}

impl<T: Config> BlockNumberProvider for Pallet<T> {
    type BlockNumber = BlockNumberFor<T>;

    fn current_block_number() -> BlockNumberFor<T> {
        frame_system::Pallet::<T>::block_number().saturating_sub(Closed::<T>::get().count)
    }

    #[cfg(any(feature = "std", feature = "runtime-benchmarks"))]
    fn set_block_number(now: BlockNumberFor<T>) {
        frame_system::Pallet::<T>::set_block_number(now.saturating_add(Closed::<T>::get().count));
    }
}

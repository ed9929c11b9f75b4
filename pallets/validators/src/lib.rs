// SPDX-License-Identifier: Apache-2.0
//! Replaces the validators by a decision of governance, until they are elected by weight.
//!
//! # Rules
//!
//! 1. The privileged origin ([`Config::SetOrigin`]) names the **next set** as a whole ([`Pallet::set_validators`]). Naming another one
//!    before it was used replaces it.
//! 2. A set that would stop the chain is refused: an empty one, one that names an account twice, one of more than
//!    [`Config::MaxValidators`], and one with an account that has no session keys ([`Config::Registration`]).
//! 3. The set is used once, by [`Pallet::take_next`], which the runtime's `SessionManager` calls from `new_session`. Without a new set the
//!    validators stay as they are.
//!
//! # When it takes effect
//!
//! Sessions are planned one ahead, so a set that is named in session `n` is planned when session `n + 1` begins and validates from session
//! `n + 2` on:
//!
//! ```text
//! session     n              n + 1                    n + 2
//!             set_validators
//!                            Session.NewQueued:       the new set authors blocks and
//!                            BABE announces the set   finalizes them, with another set id
//! ```
//!
//! The old validators have to stay online until a block of session `n + 2` is finalized: it is they who finalize the change.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

use alloc::{collections::BTreeSet, vec::Vec};
use frame_support::traits::ValidatorRegistration;
pub use pallet::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// May name the next set.
        type SetOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Tells which accounts have session keys. They must not lose them while they are in the next set.
        type Registration: ValidatorRegistration<Self::AccountId>;
        /// Maximum number of validators.
        #[pallet::constant]
        type MaxValidators: Get<u32>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
        /// Gives accounts session keys.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: benchmarking::BenchmarkHelper<Self::AccountId>;
    }

    /// The set that was named and that no session was planned with yet.
    #[pallet::storage]
    pub type Next<T: Config> = StorageValue<_, BoundedVec<T::AccountId, T::MaxValidators>>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// The next set was named; it validates from the session after the next on.
        ValidatorsSet {
            /// The accounts of the set, in the order in which they were named.
            validators: Vec<T::AccountId>,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The set is empty.
        NoValidators,
        /// The set has more than `MaxValidators` accounts.
        TooManyValidators,
        /// The set names an account twice.
        DuplicateValidator,
        /// An account of the set has no session keys.
        NoSessionKeys,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::MaxValidators::get() > 0, "MaxValidators: no set could be named");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = T::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Names the validators from the session after the next on. Complexity: O(`validators`).
        ///
        /// - Origin: [`Config::SetOrigin`].
        /// - Errors: [`Error::NoValidators`], [`Error::TooManyValidators`], [`Error::DuplicateValidator`], [`Error::NoSessionKeys`].
        /// - Event: [`Event::ValidatorsSet`].
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::set_validators(validators.len() as u32))]
        pub fn set_validators(origin: OriginFor<T>, validators: Vec<T::AccountId>) -> DispatchResult {
            T::SetOrigin::ensure_origin(origin)?;
            ensure!(!validators.is_empty(), Error::<T>::NoValidators);
            let next = BoundedVec::try_from(validators).map_err(|_| Error::<T>::TooManyValidators)?;
            ensure!(!names_twice(&next), Error::<T>::DuplicateValidator);
            ensure!(
                next.iter().all(T::Registration::is_registered),
                Error::<T>::NoSessionKeys
            );
            Self::deposit_event(Event::ValidatorsSet {
                validators: next.to_vec(),
            });
            Next::<T>::put(next);
            Ok(())
        }
    }
}

// `take_next` runs in a hook, where a panic stops the chain.
#[deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
impl<T: Config> Pallet<T> {
    /// The set that was named since the last call, to plan a session with; `None` leaves the validators as they are. Should all of its
    /// accounts have lost their keys, it is dropped: no session must begin without validators.
    pub fn take_next() -> Option<Vec<T::AccountId>> {
        let next = Next::<T>::take()?.into_inner();
        next.iter().any(T::Registration::is_registered).then_some(next)
    }

    /// Checks that the next set, if there is one, is one that `set_validators` accepts.
    #[cfg(any(feature = "std", feature = "try-runtime"))]
    pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        use frame_support::ensure;
        let Some(next) = Next::<T>::get() else { return Ok(()) };
        ensure!(!next.is_empty(), "validators: the next set is empty");
        ensure!(!names_twice(&next), "validators: the next set names an account twice");
        ensure!(
            next.iter().all(T::Registration::is_registered),
            "validators: an account of the next set has no session keys"
        );
        Ok(())
    }
}

fn names_twice<AccountId: Ord>(accounts: &[AccountId]) -> bool {
    accounts.iter().collect::<BTreeSet<_>>().len() < accounts.len()
}

// SPDX-License-Identifier: Apache-2.0
//! Who may submit and cancel proposals, and what adopted ones are dispatched with.
use crate::{Config, Guardian, OpenPoll, Opened, Origin, Pallet, PalletsOriginOf, Referenda, Refusal, TaskNames};
use core::marker::PhantomData;
use frame_support::{
    ensure,
    traits::{Contains, EnsureOrigin, EnsureOriginWithArg, OriginTrait, Polling},
};
use sp_runtime::traits::BlockNumberProvider;

impl<T: Config> Pallet<T> {
    /// Whether `who` may submit a proposal to be dispatched with `proposal_origin`, and if not, why.
    pub fn may_submit(who: &T::AccountId, proposal_origin: &PalletsOriginOf<T>) -> Result<(), Refusal> {
        ensure!(Self::is_member(who), Refusal::NotMember);
        // A founder needs as much as a proposer.
        ensure!(Self::may_found(who), Refusal::TooLittleWeight);
        ensure!(!Self::has_open_poll(who), Refusal::PollOpen);
        ensure!(
            !T::LockedOrigins::contains(proposal_origin) || Opened::<T>::get(),
            Refusal::Locked
        );
        Ok(())
    }

    fn has_open_poll(who: &T::AccountId) -> bool {
        OpenPoll::<T>::get(who).is_some_and(|poll| T::Polls::as_ongoing(poll).is_some())
    }
}

/// Passes those that [`may_submit`](Pallet::may_submit) the proposal, and takes down that the next poll is its.
///
/// Only for `SubmitOrigin` of `pallet-referenda`, which creates that poll or else fails and takes everything back.
pub struct EnsureComputeWeight<T>(PhantomData<T>);

impl<T: Config> EnsureOriginWithArg<T::RuntimeOrigin, PalletsOriginOf<T>> for EnsureComputeWeight<T> {
    type Success = T::AccountId;

    fn try_origin(
        origin: T::RuntimeOrigin,
        proposal_origin: &PalletsOriginOf<T>,
    ) -> Result<Self::Success, T::RuntimeOrigin> {
        let allowed = |who: &&T::AccountId| Pallet::<T>::may_submit(who, proposal_origin).is_ok();
        let Some(who) = origin.as_signer().filter(allowed).cloned() else {
            return Err(origin);
        };
        let poll = T::Polls::next_poll();
        if let Some(last) = OpenPoll::<T>::get(&who) {
            TaskNames::<T>::remove(T::Polls::task_name(last));
        }
        OpenPoll::<T>::insert(&who, poll);
        TaskNames::<T>::insert(T::Polls::task_name(poll), poll);
        Ok(who)
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn try_successful_origin(_: &PalletsOriginOf<T>) -> Result<T::RuntimeOrigin, ()> {
        use crate::BenchmarkHelper;
        use frame_support::traits::Get;
        let who = frame_benchmarking::account("proposer", 0, 0);
        T::BenchmarkHelper::make_member(&who, T::MinSubmitWeight::get());
        T::BenchmarkHelper::begin_epoch();
        Opened::<T>::put(true);
        Ok(frame_system::RawOrigin::Signed(who).into())
    }
}

/// Passes the guardian, until the block in which its office ends.
pub struct EnsureGuardian<T>(PhantomData<T>);

impl<T: Config> EnsureOrigin<T::RuntimeOrigin> for EnsureGuardian<T> {
    type Success = T::AccountId;

    fn try_origin(origin: T::RuntimeOrigin) -> Result<Self::Success, T::RuntimeOrigin> {
        match (origin.as_signer(), Guardian::<T>::get()) {
            (Some(who), Some((guardian, end)))
                if *who == guardian && T::BlockNumberProvider::current_block_number() < end =>
            {
                Ok(guardian)
            }
            _ => Err(origin),
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn try_successful_origin() -> Result<T::RuntimeOrigin, ()> {
        let who: T::AccountId = frame_benchmarking::account("guardian", 0, 0);
        // Benchmarks begin in block 0 and call in block 1.
        let end = T::BlockNumberProvider::current_block_number() + 2u32.into();
        Guardian::<T>::put((who.clone(), end));
        Ok(frame_system::RawOrigin::Signed(who).into())
    }
}

/// Passes proposals that were adopted on the track of models.
pub struct EnsureModels;
/// Passes proposals that were adopted on the track of parameters.
pub struct EnsureParameters;

/// Implements [`EnsureOrigin`] by comparing with one of our origins.
macro_rules! ensures {
    ($name:ident, $origin:expr) => {
        impl<OuterOrigin> EnsureOrigin<OuterOrigin> for $name
        where
            OuterOrigin: OriginTrait + From<Origin>,
            OuterOrigin::PalletsOrigin: From<Origin> + PartialEq,
        {
            type Success = ();

            fn try_origin(origin: OuterOrigin) -> Result<(), OuterOrigin> {
                if *origin.caller() == $origin.into() {
                    Ok(())
                } else {
                    Err(origin)
                }
            }

            #[cfg(feature = "runtime-benchmarks")]
            fn try_successful_origin() -> Result<OuterOrigin, ()> {
                Ok($origin.into())
            }
        }
    };
}

ensures!(EnsureModels, Origin::Models);
ensures!(EnsureParameters, Origin::Parameters);

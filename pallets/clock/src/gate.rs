// SPDX-License-Identifier: Apache-2.0
//! Which hooks run in which block.
use crate::{Config, Pallet};
use core::marker::PhantomData;
use frame_executive::OnInitializeWithWeightRegistration;
use frame_support::{
    dispatch::DispatchClass,
    traits::{BeforeAllRuntimeMigrations, OffchainWorker, OnFinalize, OnIdle, OnPoll, OnRuntimeUpgrade},
    weights::{Weight, WeightMeter},
};
use frame_system::pallet_prelude::BlockNumberFor;

/// The hooks of a chain: those of `All` pallets in an open block, and in a closed one of those that are `Needed` for it to be a block.
pub struct Gate<T, All, Needed>(PhantomData<(T, All, Needed)>);

impl<T, All, Needed> OnInitializeWithWeightRegistration<T> for Gate<T, All, Needed>
where
    T: Config,
    All: OnInitializeWithWeightRegistration<T>,
    Needed: OnInitializeWithWeightRegistration<T>,
{
    fn on_initialize_with_weight_registration(now: BlockNumberFor<T>) -> Weight {
        let (closed, begun) = Pallet::<T>::begin_block();
        frame_system::Pallet::<T>::register_extra_weight_unchecked(begun, DispatchClass::Mandatory);
        begun.saturating_add(match closed {
            true => Needed::on_initialize_with_weight_registration(now),
            false => All::on_initialize_with_weight_registration(now),
        })
    }
}

impl<T, All, Needed> OnIdle<BlockNumberFor<T>> for Gate<T, All, Needed>
where
    T: Config,
    All: OnIdle<BlockNumberFor<T>>,
    Needed: OnIdle<BlockNumberFor<T>>,
{
    fn on_idle(now: BlockNumberFor<T>, left: Weight) -> Weight {
        match Pallet::<T>::is_closed() {
            true => Needed::on_idle(now, left),
            false => All::on_idle(now, left),
        }
    }
}

impl<T, All, Needed> OnPoll<BlockNumberFor<T>> for Gate<T, All, Needed>
where
    T: Config,
    All: OnPoll<BlockNumberFor<T>>,
    Needed: OnPoll<BlockNumberFor<T>>,
{
    fn on_poll(now: BlockNumberFor<T>, weight: &mut WeightMeter) {
        match Pallet::<T>::is_closed() {
            true => Needed::on_poll(now, weight),
            false => All::on_poll(now, weight),
        }
    }
}

impl<T, All, Needed> OnFinalize<BlockNumberFor<T>> for Gate<T, All, Needed>
where
    T: Config,
    All: OnFinalize<BlockNumberFor<T>>,
    Needed: OnFinalize<BlockNumberFor<T>>,
{
    fn on_finalize(now: BlockNumberFor<T>) {
        match Pallet::<T>::is_closed() {
            true => Needed::on_finalize(now),
            false => All::on_finalize(now),
        }
    }
}

impl<T, All, Needed> OffchainWorker<BlockNumberFor<T>> for Gate<T, All, Needed>
where
    T: Config,
    All: OffchainWorker<BlockNumberFor<T>>,
    Needed: OffchainWorker<BlockNumberFor<T>>,
{
    fn offchain_worker(now: BlockNumberFor<T>) {
        match Pallet::<T>::is_closed() {
            true => Needed::offchain_worker(now),
            false => All::offchain_worker(now),
        }
    }
}

impl<T, All: BeforeAllRuntimeMigrations, Needed> BeforeAllRuntimeMigrations for Gate<T, All, Needed> {
    fn before_all_runtime_migrations() -> Weight {
        All::before_all_runtime_migrations()
    }
}

impl<T, All: OnRuntimeUpgrade, Needed> OnRuntimeUpgrade for Gate<T, All, Needed> {
    fn on_runtime_upgrade() -> Weight {
        All::on_runtime_upgrade()
    }

    #[cfg(feature = "try-runtime")]
    fn try_on_runtime_upgrade(checks: bool) -> Result<Weight, sp_runtime::TryRuntimeError> {
        All::try_on_runtime_upgrade(checks)
    }
}

#[cfg(feature = "try-runtime")]
impl<T, All, Needed> frame_support::traits::TryState<BlockNumberFor<T>> for Gate<T, All, Needed>
where
    T: Config,
    All: frame_support::traits::TryState<BlockNumberFor<T>>,
{
    fn try_state(
        now: BlockNumberFor<T>,
        select: frame_support::traits::TryStateSelect,
    ) -> Result<(), sp_runtime::TryRuntimeError> {
        // Invariants don't hold while storage is half migrated.
        match Pallet::<T>::is_closed() {
            true => Ok(()),
            false => All::try_state(now, select),
        }
    }
}

#[cfg(feature = "try-runtime")]
impl<T, All, Needed> frame_support::traits::TryDecodeEntireStorage for Gate<T, All, Needed>
where
    All: frame_support::traits::TryDecodeEntireStorage,
{
    fn try_decode_entire_state() -> Result<usize, alloc::vec::Vec<frame_support::traits::TryDecodeEntireStorageError>> {
        All::try_decode_entire_state()
    }
}

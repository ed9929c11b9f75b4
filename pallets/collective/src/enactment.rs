// SPDX-License-Identifier: Apache-2.0
//! What was adopted can still be stopped, until it is dispatched.
//!
//! `pallet-referenda` forgets a tally when it adopts a proposal, and schedules the proposal for later. [`Enactment`] is the scheduler that it
//! is given: the real one, but for keeping the tally, and the approval and the support that it took to be adopted, when a
//! proposal is scheduled. Votes can then still be corrected. The task is on the agenda as long as the tally suffices, and taken off as soon as it doesn't:
//! whatever order votes are corrected in, what is dispatched is what suffices when its time comes.
use crate::{
    Adopted, Config, EnsureGuardian, Error, Event, Pallet, PalletsOriginOf, PollIndexOf, RuntimeCallOf, Tally,
    TaskNames,
};
use codec::{Decode, Encode, MaxEncodedLen};
use core::marker::PhantomData;
use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{
        defensive_prelude::*,
        schedule::{
            v3::{Anon, Named, TaskName},
            DispatchTime, Period, Priority,
        },
        Bounded, EnsureOrigin, Polling, VoteTally,
    },
    CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_referenda::{ReferendumCount, ReferendumInfo, ReferendumInfoFor, TracksInfo};
use scale_info::TypeInfo;
use sp_runtime::{traits::BlockNumberProvider, DispatchError, Perbill};

/// What it takes to pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Thresholds {
    /// Least share of the weight that voted that votes aye.
    pub approval: Perbill,
    /// Least share of all weight that votes aye.
    pub support: Perbill,
}

/// Polls that enact what they adopt.
pub trait Referenda<Tally>: Polling<Tally> {
    /// The number that the next poll gets.
    fn next_poll() -> Self::Index;
    /// The name of the task that dispatches what the poll proposes.
    fn task_name(poll: Self::Index) -> TaskName;
    /// What it takes to pass in this block; `None` if the poll isn't being decided.
    fn thresholds(poll: Self::Index) -> Option<Thresholds>;
}

impl<T: pallet_referenda::Config<I>, I: 'static> Referenda<T::Tally> for pallet_referenda::Pallet<T, I> {
    fn next_poll() -> u32 {
        ReferendumCount::<T, I>::get()
    }

    fn task_name(poll: u32) -> TaskName {
        (*b"assembly", "enactment", poll).using_encoded(sp_io::hashing::blake2_256)
    }

    fn thresholds(poll: u32) -> Option<Thresholds> {
        let ReferendumInfo::Ongoing(status) = ReferendumInfoFor::<T, I>::get(poll)? else {
            return None;
        };
        let track = T::Tracks::info(status.track)?;
        let elapsed = T::BlockNumberProvider::current_block_number() - status.deciding?.since;
        let share = Perbill::from_rational(elapsed.min(track.decision_period), track.decision_period);
        Some(Thresholds {
            approval: track.min_approval.threshold(share),
            support: track.min_support.threshold(share),
        })
    }
}

/// A poll that was adopted, and what is to be dispatched.
#[derive(CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound, Encode, Decode, MaxEncodedLen, TypeInfo)]
#[scale_info(skip_type_params(T))]
#[codec(mel_bound())]
pub struct Adoption<T: Config> {
    /// Its votes, corrected since.
    pub tally: Tally<T>,
    /// What it took to pass when it was adopted.
    pub thresholds: Thresholds,
    /// The block in which it is enacted.
    pub when: BlockNumberFor<T>,
    /// The priority of the task.
    pub priority: Priority,
    /// The origin that the proposal asks for.
    pub origin: PalletsOriginOf<T>,
    /// The proposal.
    pub call: Bounded<RuntimeCallOf<T>, T::Hashing>,
    /// Whether its tally no longer suffices, so that the task is off the agenda.
    pub stopped: bool,
}

impl<T: Config> Adoption<T> {
    /// Whether the tally is as good as it took to be adopted.
    pub fn suffices(&self) -> bool {
        self.tally.approval(()) >= self.thresholds.approval && self.tally.support(()) >= self.thresholds.support
    }
}

impl<T: Config> Pallet<T> {
    /// The poll's adoption, if it is yet to be enacted: before its time, or later if the block of that time had no room for it.
    pub fn adoption(poll: PollIndexOf<T>) -> Option<Adoption<T>> {
        let now = T::BlockNumberProvider::current_block_number();
        let is_late = || <T::Scheduler as Named<_, _, _>>::next_dispatch_time(T::Polls::task_name(poll)).is_ok();
        Adopted::<T>::get(poll).filter(|adoption| now < adoption.when || is_late())
    }

    /// Puts the task on the agenda, or takes it off, as the tally says, and stores the adoption.
    pub(crate) fn settle(poll: PollIndexOf<T>, mut adoption: Adoption<T>) -> DispatchResult {
        let name = T::Polls::task_name(poll);
        match (adoption.suffices(), adoption.stopped) {
            (false, false) => {
                T::Scheduler::cancel_named(name).map_err(|_| Error::<T>::NotAdopted)?;
                adoption.stopped = true;
                Self::deposit_event(Event::EnactmentStopped { poll });
            }
            (true, true) => {
                T::Scheduler::schedule_named(
                    name,
                    DispatchTime::At(adoption.when),
                    None,
                    adoption.priority,
                    adoption.origin.clone(),
                    adoption.call.clone(),
                )?;
                adoption.stopped = false;
                Self::deposit_event(Event::EnactmentResumed { poll });
            }
            _ => {}
        }
        Adopted::<T>::insert(poll, adoption);
        Ok(())
    }

    pub(crate) fn do_veto(origin: T::RuntimeOrigin, poll: PollIndexOf<T>) -> DispatchResult {
        EnsureGuardian::<T>::ensure_origin(origin)?;
        let adoption = Self::adoption(poll).ok_or(Error::<T>::NotAdopted)?;
        let cancelled = adoption.stopped || T::Scheduler::cancel_named(T::Polls::task_name(poll)).is_ok();
        ensure!(cancelled, Error::<T>::NotAdopted);
        Adopted::<T>::remove(poll);
        Self::deposit_event(Event::Vetoed { poll });
        Ok(())
    }

    /// Keeps what is needed to stop what was just adopted.
    fn adopt(
        poll: PollIndexOf<T>,
        when: DispatchTime<BlockNumberFor<T>>,
        priority: Priority,
        origin: PalletsOriginOf<T>,
        call: Bounded<RuntimeCallOf<T>, T::Hashing>,
    ) {
        // The referenda store that the poll is over after they have scheduled what it proposes.
        let found = T::Polls::as_ongoing(poll).zip(T::Polls::thresholds(poll));
        let Some(((tally, _), thresholds)) = found.defensive() else {
            return;
        };
        let adoption = Adoption {
            tally,
            thresholds,
            when: when.evaluate(T::BlockNumberProvider::current_block_number()),
            priority,
            origin,
            call,
            stopped: false,
        };
        Adopted::<T>::insert(poll, adoption);
    }
}

/// The scheduler of the referenda: [`Config::Scheduler`], and what they schedule by name is an [`Adoption`].
pub struct Enactment<T>(PhantomData<T>);

impl<T: Config> Anon<BlockNumberFor<T>, RuntimeCallOf<T>, PalletsOriginOf<T>> for Enactment<T> {
    type Address = <T::Scheduler as Anon<BlockNumberFor<T>, RuntimeCallOf<T>, PalletsOriginOf<T>>>::Address;
    type Hasher = T::Hashing;

    fn schedule(
        when: DispatchTime<BlockNumberFor<T>>,
        maybe_periodic: Option<Period<BlockNumberFor<T>>>,
        priority: Priority,
        origin: PalletsOriginOf<T>,
        call: Bounded<RuntimeCallOf<T>, T::Hashing>,
    ) -> Result<Self::Address, DispatchError> {
        T::Scheduler::schedule(when, maybe_periodic, priority, origin, call)
    }

    fn cancel(address: Self::Address) -> Result<(), DispatchError> {
        <T::Scheduler as Anon<_, _, _>>::cancel(address)
    }

    fn reschedule(
        address: Self::Address,
        when: DispatchTime<BlockNumberFor<T>>,
    ) -> Result<Self::Address, DispatchError> {
        <T::Scheduler as Anon<_, _, _>>::reschedule(address, when)
    }

    fn next_dispatch_time(address: Self::Address) -> Result<BlockNumberFor<T>, DispatchError> {
        <T::Scheduler as Anon<_, _, _>>::next_dispatch_time(address)
    }
}

impl<T: Config> Named<BlockNumberFor<T>, RuntimeCallOf<T>, PalletsOriginOf<T>> for Enactment<T> {
    type Address = <T::Scheduler as Named<BlockNumberFor<T>, RuntimeCallOf<T>, PalletsOriginOf<T>>>::Address;
    type Hasher = T::Hashing;

    fn schedule_named(
        id: TaskName,
        when: DispatchTime<BlockNumberFor<T>>,
        maybe_periodic: Option<Period<BlockNumberFor<T>>>,
        priority: Priority,
        origin: PalletsOriginOf<T>,
        call: Bounded<RuntimeCallOf<T>, T::Hashing>,
    ) -> Result<Self::Address, DispatchError> {
        let address = T::Scheduler::schedule_named(id, when, maybe_periodic, priority, origin.clone(), call.clone())?;
        if let Some(poll) = TaskNames::<T>::take(id) {
            Pallet::<T>::adopt(poll, when, priority, origin, call);
        }
        Ok(address)
    }

    fn cancel_named(id: TaskName) -> Result<(), DispatchError> {
        T::Scheduler::cancel_named(id)
    }

    fn reschedule_named(id: TaskName, when: DispatchTime<BlockNumberFor<T>>) -> Result<Self::Address, DispatchError> {
        T::Scheduler::reschedule_named(id, when)
    }

    fn next_dispatch_time(id: TaskName) -> Result<BlockNumberFor<T>, DispatchError> {
        <T::Scheduler as Named<_, _, _>>::next_dispatch_time(id)
    }
}

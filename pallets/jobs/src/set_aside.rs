// SPDX-License-Identifier: Apache-2.0
//! Jobs that can't be read, or whose queue can't be.
//!
//! That there is something that doesn't decode means that an upgrade went wrong. It is evidence and somebody's work, so nothing is overwritten,
//! and nothing is decided without it: the job is set aside, which takes it off the agenda or out of its round and is reported once.
use crate::{Config, Event, Job, Jobs, Lane, Pallet, SetAside, State};
use ergon_primitives::{
    traits::{Audits, Parameters},
    JobId,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::BlockNumberProvider;

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
    /// The job, if it and its audit can be read.
    fn readable(id: JobId) -> Option<JobOf<T>> {
        Jobs::<T>::get(id).filter(|job| job.answer.is_none() || T::Audits::is_readable(id))
    }

    /// The job, to which something is to happen. One that can't be read is set aside.
    pub(crate) fn read_or_set_aside(id: JobId) -> Option<JobOf<T>> {
        let job = Self::readable(id);
        if job.is_none() && Jobs::<T>::contains_key(id) {
            Self::set_aside(id);
        }
        job
    }

    /// Nothing happens to the job until it is [reinstated](Self::reinstate).
    pub(crate) fn set_aside(id: JobId) {
        SetAside::<T>::insert(id, ());
        Self::deposit_event(Event::Unreadable { job: id });
    }

    /// Lets a job that was set aside go on, if it can be read by now; whether it does. Nobody could do anything for it meanwhile, so who owes
    /// something has all of a deadline again, and what waits for an executor all of the time for that. For upgrades that have repaired it.
    pub fn reinstate(id: JobId) -> bool {
        let Some(mut job) = Self::readable(id).filter(|_| SetAside::<T>::contains_key(id)) else {
            return false;
        };
        SetAside::<T>::remove(id);
        let time = match job.state.lane() {
            Lane::Deadlines => T::Parameters::get().deadline(&job.demand()),
            Lane::Delays | Lane::Retention => 1,
        };
        let now = T::BlockNumberProvider::current_block_number();
        if job.state == State::Queued {
            job.since = now;
        }
        Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
        true
    }
}

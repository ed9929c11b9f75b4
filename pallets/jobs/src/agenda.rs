// SPDX-License-Identifier: Apache-2.0
//! What happens when.
//!
//! A job waits for at most one thing. Its [`due`](crate::Job::due) names the block and the agenda of that block lists the job; an entry that
//! the job's `due` does not confirm is stale and does nothing. A block works through a bounded number of entries. What is left over
//! is done first thing in the next block: late, never lost.
use crate::{Agenda, AgendaCount, AgendaCursor, Config, Job, Jobs, Pallet, State};
use ergon_primitives::JobId;
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, Saturating};

impl<T: Config> Pallet<T> {
    /// Lets `job` fall due `after` blocks from `now`, at the earliest in the next one.
    pub(crate) fn schedule(
        id: JobId,
        job: &mut Job<T::AccountId, BlockNumberFor<T>>,
        now: BlockNumberFor<T>,
        after: u32,
    ) -> BlockNumberFor<T> {
        let at = now.saturating_add(after.max(1).into());
        job.due = Some(at);
        let index = AgendaCount::<T>::mutate(at, |count| {
            let index = *count;
            *count = count.saturating_add(1);
            index
        });
        Agenda::<T>::insert(at, index, id);
        at
    }

    /// Works through the entries up to block `now`; returns how many, at most [`Config::MaxDuePerBlock`], and in how many of them
    /// auditors may have been drawn.
    pub(crate) fn process_due(now: BlockNumberFor<T>) -> (u32, u32) {
        let (mut block, mut index) = AgendaCursor::<T>::get();
        let (mut done, mut draws, mut steps) = (0, 0, 0);
        while block <= now && steps < T::MaxDuePerBlock::get() {
            steps += 1;
            if let Some(id) = Agenda::<T>::take(block, index) {
                index += 1;
                done += 1;
                draws += u32::from(Self::fall_due(id, block, now));
            } else {
                AgendaCount::<T>::remove(block);
                block.saturating_accrue(One::one());
                index = 0;
            }
        }
        AgendaCursor::<T>::put((block, index));
        (done, draws)
    }

    /// Does what the job waits for. Whether auditors may have been drawn.
    fn fall_due(id: JobId, block: BlockNumberFor<T>, now: BlockNumberFor<T>) -> bool {
        let Some(job) = Jobs::<T>::get(id).filter(|job| job.due == Some(block)) else {
            return false;
        };
        let attested = job.answer.as_ref().is_some_and(|answer| answer.attested);
        match job.state {
            State::Assigned => Self::miss_result(id, job, now),
            State::Auditing if attested => Self::miss_reveal(id, job, now),
            State::Answered => {
                Self::open_audit(id, job, now);
                return true;
            }
            State::Auditing => {
                Self::miss_attestations(id, job, now);
                return true;
            }
            State::Settled | State::Rejected | State::Expired | State::Voided | State::Cancelled => {
                Self::prune(id, &job)
            }
            // Wait for nothing, so they have no `due`.
            State::Queued | State::Disputed => (),
        }
        false
    }
}

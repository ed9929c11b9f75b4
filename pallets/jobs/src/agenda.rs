// SPDX-License-Identifier: Apache-2.0
//! What happens when.
//!
//! A job waits for at most one block, named by its [`due`](crate::Job::due), and is listed under that block in the lane of its state.
//! It leaves the list as soon as it waits for something else, in O(1). So an entry is always live: whatever somebody takes back costs
//! the agenda nothing.
//!
//! | lane | jobs | at the block | steps a block |
//! |---|---|---|---|
//! | [`Lane::Delays`] | queued | they enter their queue | twice [`Config::MaxAssignmentsPerBlock`] |
//! | [`Lane::Deadlines`] | assigned, answered or auditing | a deadline has passed or a delay is over | [`Config::MaxDuePerBlock`] |
//! | [`Lane::Retention`] | over or disputed | their units are given back, or they are forgotten | [`Config::MaxPrunedPerBlock`] |
//!
//! An entry takes a step, or as many as its answer has auditors. So does looking for the next block's entries. What is left over is
//! done first thing in the next block: late, never lost, and oldest block first. Both lanes keep up with as many jobs a block as can be
//! assigned, if each has one auditor, see `integrity_test`. If they have more, no job is assigned in a block that leaves deadlines over,
//! so that these don't get later and later. How many jobs are new delays nobody else's.
use crate::{Agenda, AgendaCursor, Config, Job, Lane, Pallet, State, WeightInfo, Work, MAX_STEPS};
use ergon_primitives::{traits::Audits, JobId};
use frame_support::{traits::Get, weights::Weight};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, Saturating};

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
    /// Lets `job` fall due `after` blocks from `now`, at the earliest in the next one, and at no other block.
    pub(crate) fn schedule(id: JobId, job: &mut JobOf<T>, now: BlockNumberFor<T>, after: u32) -> BlockNumberFor<T> {
        Self::unschedule(id, job);
        let at = now.saturating_add(after.max(1).into());
        job.due = Some(at);
        Agenda::<T>::insert((job.state.lane(), at, id), ());
        at
    }

    /// The job waits for no block any more. To be called before its state changes.
    pub(crate) fn unschedule(id: JobId, job: &mut JobOf<T>) {
        if let Some(at) = job.due.take() {
            Agenda::<T>::remove((job.state.lane(), at, id));
        }
    }

    /// Lets jobs enter their queues whose delay is over at block `now`, and notes the work.
    pub(crate) fn process_delays(now: BlockNumberFor<T>, work: &mut Work) {
        Self::process(Lane::Delays, now, (Self::max_ripe(), 1), |id, job| {
            work.ripe = work.ripe.saturating_add(1);
            Self::ripen(id, job, now);
            1
        });
    }

    fn max_ripe() -> u32 {
        T::MaxAssignmentsPerBlock::get().saturating_mul(2)
    }

    /// Does what falls due up to block `now`, and notes the work. Whether nothing was left over.
    pub(crate) fn process_due(now: BlockNumberFor<T>, work: &mut Work) -> bool {
        Self::process(
            Lane::Deadlines,
            now,
            (T::MaxDuePerBlock::get(), MAX_STEPS),
            |id, job| {
                work.due = work.due.saturating_add(1);
                Self::fall_due(id, job, now, work)
            },
        )
    }

    /// Gives units back and forgets jobs, of those whose time has come at block `now`, and notes the work.
    pub(crate) fn process_retention(now: BlockNumberFor<T>, work: &mut Work) {
        Self::process(
            Lane::Retention,
            now,
            (T::MaxPrunedPerBlock::get(), MAX_STEPS),
            |id, job| {
                let steps = Self::retire(id, job, now);
                work.pruned = work.pruned.saturating_add(steps);
                steps
            },
        );
    }

    /// Upper bound of what the work in a block weighs by `W`.
    ///
    /// A job that takes `n` steps of deadlines draws at most `n` times and counts at most `n` misses.
    pub(crate) fn most_weight<W: WeightInfo>() -> Weight {
        let due = T::MaxDuePerBlock::get();
        W::on_initialize(&Self::most_work(due, due))
    }

    /// The most work in a block that draws so often for deadlines and counts so many misses. The last visit of a queue may draw twice.
    fn most_work(draws: u32, misses: u32) -> Work {
        Work {
            ripe: Self::max_ripe(),
            due: T::MaxDuePerBlock::get(),
            draws,
            misses,
            visits: Self::max_visits().saturating_add(2),
            pruned: T::MaxPrunedPerBlock::get(),
            forgotten: T::MaxPrunedPerBlock::get(),
            assigned: T::MaxAssignmentsPerBlock::get(),
            assigned_newcomers: Self::max_newcomers(),
        }
    }

    /// Takes the entries of a lane up to block `now` off the agenda and hands their jobs over, in at most `budget` steps, of which a job may
    /// take `most`; `handle` returns how many it took. Whether the lane is through with block `now`.
    fn process(
        lane: Lane,
        now: BlockNumberFor<T>,
        (budget, most): (u32, u32),
        mut handle: impl FnMut(JobId, JobOf<T>) -> u32,
    ) -> bool {
        let (mut block, mut steps) = (AgendaCursor::<T>::get(lane), 0u32);
        let mut entries = Agenda::<T>::drain_prefix((lane, block));
        while block <= now && steps.saturating_add(most) <= budget {
            let taken = if let Some((id, ())) = entries.next() {
                Self::read_or_set_aside(id).map(|mut job| {
                    job.due = None;
                    handle(id, job)
                })
            } else {
                block.saturating_accrue(One::one());
                entries = Agenda::<T>::drain_prefix((lane, block));
                None
            };
            steps = steps.saturating_add(taken.unwrap_or(1));
        }
        AgendaCursor::<T>::insert(lane, block);
        block > now
    }

    /// Does what the job waits for; returns the steps that it took.
    fn fall_due(id: JobId, job: JobOf<T>, now: BlockNumberFor<T>, work: &mut Work) -> u32 {
        let (attested, auditors) = job
            .answer
            .as_ref()
            .map_or((false, 0), |answer| (answer.attested, answer.auditors));
        let (misses, draws) = match job.state {
            State::Assigned => {
                Self::miss_result(id, job, now);
                (1, 0)
            }
            // One more is looked for in vain, unless as many were found as are wanted.
            State::Answered => {
                let found = Self::open_audit(id, job, now);
                (0, found.saturating_add(1).min(T::Audits::most_auditors()))
            }
            State::Auditing if !attested => {
                Self::miss_attestations(id, job, now);
                (auditors, auditors)
            }
            State::Auditing => {
                Self::miss_reveal(id, job, now);
                (1, 0)
            }
            // Not in this lane.
            _ => (0, 0),
        };
        work.misses = work.misses.saturating_add(misses);
        work.draws = work.draws.saturating_add(draws);
        misses.max(draws).max(1)
    }
}

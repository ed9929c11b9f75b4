// SPDX-License-Identifier: Apache-2.0
//! What happens when.
//!
//! A job waits for at most one block, named by its [`due`](crate::Job::due), and is listed under that block in the lane of its state.
//! It leaves the list as soon as it waits for something else, in O(1). So an entry is always live: whatever somebody takes back costs
//! the agenda nothing.
//!
//! | lane | jobs | at the block | steps a block |
//! |---|---|---|---|
//! | [`Lane::Delays`] | queued | they enter their queue | half as many again as [`Config::MaxAssignmentsPerBlock`] |
//! | [`Lane::Deadlines`] | assigned, answered or auditing | a deadline has passed or a delay is over | [`Config::MaxDuePerBlock`] |
//! | [`Lane::Retention`] | over or disputed | their units are given back, or they are forgotten | [`Config::MaxPrunedPerBlock`] |
//!
//! An entry takes a step, or as many as its answer has auditors. So does looking for the next block's entries. Deadlines have a bound of
//! [weight](crate::budget) as well. What is left over is done first thing in the next block: late, never lost, and oldest block first. Both lanes keep up with as many jobs a block as can be
//! assigned, if each has one auditor, see `integrity_test`. If they have more, no job is assigned in a block that leaves deadlines over,
//! so that these don't get later and later. How many jobs are new delays nobody else's.
use crate::{Agenda, AgendaCursor, Config, Job, Lane, Pallet, State, Work, MAX_STEPS};
use ergon_primitives::{traits::Audits, JobId};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, Saturating};

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

/// Steps of a lane in a block.
struct Steps {
    /// All of them.
    budget: u32,
    /// Those that one job may take.
    most: u32,
}

/// The room of a lane that is bounded by steps alone.
fn always(_: &Work) -> bool {
    true
}

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
        let steps = Steps {
            budget: Self::max_ripe(),
            most: 1,
        };
        Self::process(Lane::Delays, now, steps, work, always, |id, job, work| {
            work.ripe = work.ripe.saturating_add(1);
            Self::ripen(id, job, now);
            1
        });
    }

    /// Does what falls due up to block `now`, and notes the work. Whether nothing was left over.
    pub(crate) fn process_due(now: BlockNumberFor<T>, work: &mut Work) -> bool {
        let steps = Steps {
            budget: T::MaxDuePerBlock::get(),
            most: MAX_STEPS,
        };
        let before = *work;
        let has_room = |work: &Work| Self::has_room_for_deadline(&before, work);
        Self::process(Lane::Deadlines, now, steps, work, has_room, |id, job, work| {
            work.due = work.due.saturating_add(1);
            Self::fall_due(id, job, now, work)
        })
    }

    /// Gives units back and forgets jobs, of those whose time has come at block `now`, and notes the work.
    pub(crate) fn process_retention(now: BlockNumberFor<T>, work: &mut Work) {
        let steps = Steps {
            budget: T::MaxPrunedPerBlock::get(),
            most: MAX_STEPS,
        };
        Self::process(Lane::Retention, now, steps, work, always, |id, job, work| {
            let steps = Self::retire(id, job, now);
            work.pruned = work.pruned.saturating_add(steps);
            steps
        });
    }

    /// Takes the entries of a lane up to block `now` off the agenda and hands their jobs over, in so many steps at most and as long as there is
    /// room for more work; `handle` returns how many steps it took. Whether the lane is through with block `now`.
    fn process(
        lane: Lane,
        now: BlockNumberFor<T>,
        Steps { budget, most }: Steps,
        work: &mut Work,
        has_room: impl Fn(&Work) -> bool,
        mut handle: impl FnMut(JobId, JobOf<T>, &mut Work) -> u32,
    ) -> bool {
        let (mut block, mut steps) = (AgendaCursor::<T>::get(lane), 0u32);
        let mut entries = Agenda::<T>::drain_prefix((lane, block));
        while block <= now && steps.saturating_add(most) <= budget && has_room(work) {
            let taken = if let Some((id, ())) = entries.next() {
                Self::read_or_set_aside(id).map(|mut job| {
                    job.due = None;
                    handle(id, job, work)
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
                let found = Self::open_audit(id, job, now, &mut work.tries);
                (0, found.saturating_add(1).min(T::Audits::most_auditors()))
            }
            State::Auditing if !attested => {
                Self::miss_attestations(id, job, now, &mut work.tries);
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

// SPDX-License-Identifier: Apache-2.0
//! Fair queues: the models take turns, and within a model the requesters.
//!
//! A job enters its model's queue when the delay of its draw is over. Jobs stand in **rounds**: a requester has at most one in each, and its
//! first one enters the round after the one that is served. So another requester's thousand jobs hold one job up by one round, and
//! new arrivals never hold a round up. Within a round the order is that of arrival.
//!
//! Newcomers have rounds of their own. They hold at most a tenth of a model's places, get at most a tenth of what can be assigned in a
//! block, and while others wait for the same model one in [`TURNS`]` + 1` assignments.
//!
//! When all places are taken, a job whose requester would come to stand in an earlier round takes the place of the last job of the last round,
//! which expires. So nobody keeps others out by filling the queue: only as many requesters as there are places do, each with one job. Jobs
//! that still wait for the delay of their draw are in no round and keep their places, and count for their requester. After somebody took many
//! jobs back at once it may take some blocks until the last round is found again.
//!
//! A round is a list linked in both directions, so a job leaves it in O(1) from wherever it stands.
use crate::{
    Config, Error, Job, Jobs, Lineup, Link, Links, Pallet, Queue, Queues, Round, Rounds, Standing, Standings, Waiting,
    TURNS,
};
use ergon_primitives::{JobId, ModelId};
use ergon_storage::{Kept, Unreadable};
use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{traits::BlockNumberProvider, DispatchError};

/// Most rounds without jobs that are passed over at once; such are left by requesters that took jobs back.
const MAX_SKIPPED: u32 = 16;

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
    /// Most places of newcomers, or of others, in the queue of a model.
    fn max_places(newcomers: bool) -> u32 {
        let (all, tenth) = (T::MaxQueued::get(), T::MaxQueued::get() / 10);
        match newcomers {
            true => tenth.max(1),
            false => all.saturating_sub(tenth).max(1),
        }
    }

    /// Most jobs of newcomers that are assigned in a block.
    pub(crate) fn max_newcomers() -> u32 {
        (T::MaxAssignmentsPerBlock::get() / 10).max(1)
    }

    /// Takes a place in the queue of `model`, if need be from the last job of its last round.
    pub(crate) fn take_place(model: &ModelId, newcomer: bool, requester: &T::AccountId) -> DispatchResult {
        let lineup = *Self::queue(model)?.unwrap_or_default().of(newcomer);
        if lineup.places >= Self::max_places(newcomer) {
            Self::displace_last(model, newcomer, requester, &lineup)?;
        }
        Self::add_place(model, newcomer, requester)?;
        Ok(())
    }

    fn queue(model: &ModelId) -> Result<Option<Queue>, Unreadable> {
        Queues::<T>::read(&Queues::<T>::hashed_key_for(model))
    }

    fn standing(model: &ModelId, newcomer: bool, requester: &T::AccountId) -> Result<Option<Standing>, Unreadable> {
        Standings::<T>::read(&Standings::<T>::hashed_key_for((model, newcomer, requester)))
    }

    fn round(model: &ModelId, newcomer: bool, round: u32) -> Result<Option<Round>, Unreadable> {
        Rounds::<T>::read(&Rounds::<T>::hashed_key_for((model, newcomer, round)))
    }

    fn change_link(id: JobId, change: impl FnOnce(&mut Link)) {
        Links::<T>::change_readable(&Links::<T>::hashed_key_for(id), change);
    }

    /// Lets the last job of the last round expire, if one of `requester` would come before it.
    fn displace_last(model: &ModelId, newcomer: bool, requester: &T::AccountId, lineup: &Lineup) -> DispatchResult {
        let standing = Self::standing(model, newcomer, requester)?.unwrap_or_default();
        let round = standing
            .round
            .max(lineup.round.saturating_add(standing.jobs))
            .saturating_add(1);
        ensure!(round < lineup.last, Error::<T>::QueueFull);
        let last = Self::round(model, newcomer, lineup.last)?
            .ok_or(Error::<T>::QueueFull)?
            .tail;
        let job = Jobs::<T>::get(last).ok_or(Error::<T>::QueueFull)?;
        ensure!(Links::<T>::get(last).is_some(), DispatchError::Corruption);
        Self::dequeue(last, &job);
        Self::expire(last, job, T::BlockNumberProvider::current_block_number());
        Ok(())
    }

    /// Takes a place back that the job had once, even if there is none.
    pub(crate) fn retake_place(job: &JobOf<T>) -> Result<(), Unreadable> {
        Self::add_place(&job.model, job.newcomer, &job.requester)
    }

    fn add_place(model: &ModelId, newcomer: bool, requester: &T::AccountId) -> Result<(), Unreadable> {
        let mut queue = Self::queue(model)?.unwrap_or_default();
        let mut standing = Self::standing(model, newcomer, requester)?.unwrap_or_default();
        let lineup = queue.of(newcomer);
        lineup.places = lineup.places.saturating_add(1);
        Queues::<T>::insert(model, queue);
        standing.jobs = standing.jobs.saturating_add(1);
        Standings::<T>::insert((model, newcomer, requester), standing);
        Ok(())
    }

    /// Puts a job that has a place at the end of its round. O(1). Whether there is room for its model. Changes nothing if a part of the queue
    /// can't be read.
    pub(crate) fn enqueue(id: JobId, job: &JobOf<T>) -> Result<bool, Unreadable> {
        let mut queue = Self::queue(&job.model)?.unwrap_or_default();
        let mut standing = Self::standing(&job.model, job.newcomer, &job.requester)?.unwrap_or_default();
        let lineup = queue.of(job.newcomer);
        let round = standing.round.max(lineup.round).saturating_add(1);
        let before = Self::round(&job.model, job.newcomer, round)?;
        if queue.ready() == 0 && Waiting::<T>::try_append(job.model).is_err() {
            return Ok(false);
        }
        standing.round = round;
        Standings::<T>::insert((job.model, job.newcomer, &job.requester), standing);
        let lineup = queue.of(job.newcomer);
        lineup.last = lineup.last.max(round);
        lineup.ready = lineup.ready.saturating_add(1);
        Queues::<T>::insert(job.model, queue);

        let head = before.map_or(id, |round| round.head);
        Rounds::<T>::insert((job.model, job.newcomer, round), Round { head, tail: id });
        let previous = before.map(|round| round.tail);
        if let Some(previous) = previous {
            Self::change_link(previous, |link| link.next = Some(id));
        }
        Links::<T>::insert(
            id,
            Link {
                round,
                previous,
                next: None,
            },
        );
        Ok(true)
    }

    /// Takes a job out of its round, if it is in one, and gives its place back. O(1), and O(waiting models) for the last one.
    pub(crate) fn dequeue(id: JobId, job: &JobOf<T>) {
        Self::leave_standing(job);
        let unlinked = Self::unlink(id, &job.model, job.newcomer);
        Self::change_queue(&job.model, |queue| {
            let lineup = queue.of(job.newcomer);
            lineup.places = lineup.places.saturating_sub(1);
            if unlinked {
                Self::count_left(&job.model, job.newcomer, queue);
            }
        });
    }

    /// Takes a job that can't be read out of its round. It keeps its place, and its requester's standing. O(1).
    pub(crate) fn pass_over(id: JobId, model: &ModelId, newcomer: bool) {
        if Self::unlink(id, model, newcomer) {
            Self::change_queue(model, |queue| Self::count_left(model, newcomer, queue));
        }
    }

    /// Removes a queue without places. One that can't be read stays.
    fn change_queue(model: &ModelId, change: impl FnOnce(&mut Queue)) {
        let _ = Queues::<T>::change(&Queues::<T>::hashed_key_for(model), |entry| {
            let mut queue = entry.unwrap_or_default();
            change(&mut queue);
            *entry = Some(queue).filter(|queue| queue.places() > 0);
        });
    }

    /// A job has left its round.
    fn count_left(model: &ModelId, newcomer: bool, queue: &mut Queue) {
        let lineup = queue.of(newcomer);
        lineup.ready = lineup.ready.saturating_sub(1);
        Self::pass_over_last(model, newcomer, lineup);
        if queue.ready() == 0 {
            Waiting::<T>::mutate(|models| models.retain(|waiting| waiting != model));
        }
    }

    /// Passes over rounds at the end that are empty. O(1).
    fn pass_over_last(model: &ModelId, newcomer: bool, lineup: &mut Lineup) {
        for _ in 0..MAX_SKIPPED {
            if lineup.last <= lineup.round || Rounds::<T>::contains_key((model, newcomer, lineup.last)) {
                break;
            }
            lineup.last = lineup.last.saturating_sub(1);
        }
    }

    fn unlink(id: JobId, model: &ModelId, newcomer: bool) -> bool {
        let Ok(Some(Link { round, previous, next })) = Links::<T>::take_out(&Links::<T>::hashed_key_for(id)) else {
            return false;
        };
        if let Some(previous) = previous {
            Self::change_link(previous, |link| link.next = next);
        }
        if let Some(next) = next {
            Self::change_link(next, |link| link.previous = previous);
        }
        let key = Rounds::<T>::hashed_key_for((*model, newcomer, round));
        let _ = Rounds::<T>::change(&key, |round| {
            *round = round.and_then(|Round { head, tail }| {
                let (head, tail) = (
                    if head == id { next? } else { head },
                    if tail == id { previous? } else { tail },
                );
                Some(Round { head, tail })
            });
        });
        true
    }

    /// The requester has a place less.
    fn leave_standing(job: &JobOf<T>) {
        let key = Standings::<T>::hashed_key_for((job.model, job.newcomer, &job.requester));
        let _ = Standings::<T>::change(&key, |standing| {
            *standing = standing
                .map(|standing| Standing {
                    jobs: standing.jobs.saturating_sub(1),
                    ..standing
                })
                .filter(|standing| standing.jobs > 0);
        });
    }

    /// Whose turn it is in the queue of `model`, newcomers' or others', and who comes after them if nobody has room for their job. O(1).
    pub(crate) fn turns(model: &ModelId, may_newcomers: bool) -> impl Iterator<Item = bool> {
        let queue = Queues::<T>::get(model).unwrap_or_default();
        let newcomers = (may_newcomers && queue.newcomers.ready > 0).then_some(true);
        let others = (queue.others.ready > 0).then_some(false);
        let order = match queue.turns >= TURNS {
            true => [newcomers, others],
            false => [others, newcomers.filter(|_| others.is_none())],
        };
        order.into_iter().flatten()
    }

    /// The first job of newcomers, or of others, in the queue of `model`. Passes over rounds that are empty. O(1). None while the first round, or
    /// the job's place in it, can't be read.
    pub(crate) fn head(model: &ModelId, newcomers: bool) -> Option<JobId> {
        let mut queue = Queues::<T>::get(model)?;
        let lineup = queue.of(newcomers);
        let first = lineup.round;
        let round = (0..MAX_SKIPPED).find_map(|_| {
            let round = Self::round(model, newcomers, lineup.round).transpose();
            if round.is_none() {
                lineup.round = lineup.round.saturating_add(1);
            }
            round
        });
        let last = lineup.last;
        Self::pass_over_last(model, newcomers, lineup);
        if (lineup.round, lineup.last) != (first, last) {
            Queues::<T>::insert(model, queue);
        }
        let head = round?.ok()?.head;
        Links::<T>::get(head).map(|_| head)
    }

    /// Counts an assignment for whose turn it is next.
    pub(crate) fn count_turn(job: &JobOf<T>) {
        Queues::<T>::change_readable(&Queues::<T>::hashed_key_for(job.model), |queue| {
            queue.turns = match job.newcomer {
                true => 0,
                false => queue.turns.saturating_add(1).min(TURNS),
            };
        });
    }
}

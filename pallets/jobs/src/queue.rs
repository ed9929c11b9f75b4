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
use frame_support::{ensure, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::BlockNumberProvider;

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
    pub(crate) fn take_place(model: &ModelId, newcomer: bool, requester: &T::AccountId) -> Result<(), Error<T>> {
        let lineup = *Queues::<T>::get(model).unwrap_or_default().of(newcomer);
        if lineup.places >= Self::max_places(newcomer) {
            Self::displace_last(model, newcomer, requester, &lineup)?;
        }
        Self::add_place(model, newcomer, requester);
        Ok(())
    }

    /// Lets the last job of the last round expire, if one of `requester` would come before it.
    fn displace_last(
        model: &ModelId,
        newcomer: bool,
        requester: &T::AccountId,
        lineup: &Lineup,
    ) -> Result<(), Error<T>> {
        let standing = Standings::<T>::get((model, newcomer, requester)).unwrap_or_default();
        let round = standing
            .round
            .max(lineup.round.saturating_add(standing.jobs))
            .saturating_add(1);
        ensure!(round < lineup.last, Error::<T>::QueueFull);
        let last = Rounds::<T>::get((model, newcomer, lineup.last))
            .ok_or(Error::<T>::QueueFull)?
            .tail;
        let job = Jobs::<T>::get(last).ok_or(Error::<T>::QueueFull)?;
        Self::dequeue(last, &job);
        Self::expire(last, job, T::BlockNumberProvider::current_block_number());
        Ok(())
    }

    /// Takes a place back that the job had once, even if there is none.
    pub(crate) fn retake_place(job: &JobOf<T>) {
        Self::add_place(&job.model, job.newcomer, &job.requester);
    }

    fn add_place(model: &ModelId, newcomer: bool, requester: &T::AccountId) {
        let mut queue = Queues::<T>::get(model).unwrap_or_default();
        let lineup = queue.of(newcomer);
        lineup.places = lineup.places.saturating_add(1);
        Queues::<T>::insert(model, queue);
        let key = (model, newcomer, requester);
        let mut standing = Standings::<T>::get(key).unwrap_or_default();
        standing.jobs = standing.jobs.saturating_add(1);
        Standings::<T>::insert(key, standing);
    }

    /// Puts a job that has a place at the end of its round. O(1). Whether there is room for its model.
    pub(crate) fn enqueue(id: JobId, job: &JobOf<T>) -> bool {
        let mut queue = Queues::<T>::get(job.model).unwrap_or_default();
        if queue.ready() == 0 && Waiting::<T>::try_append(job.model).is_err() {
            return false;
        }
        let lineup = queue.of(job.newcomer);
        let standing_key = (job.model, job.newcomer, &job.requester);
        let mut standing = Standings::<T>::get(standing_key).unwrap_or_default();
        let round = standing.round.max(lineup.round).saturating_add(1);
        standing.round = round;
        Standings::<T>::insert(standing_key, standing);
        lineup.last = lineup.last.max(round);
        lineup.ready = lineup.ready.saturating_add(1);
        Queues::<T>::insert(job.model, queue);

        let key = (job.model, job.newcomer, round);
        let before = Rounds::<T>::get(key);
        let head = before.map_or(id, |round| round.head);
        Rounds::<T>::insert(key, Round { head, tail: id });
        let previous = before.map(|round| round.tail);
        if let Some(previous) = previous {
            Links::<T>::mutate_extant(previous, |link| link.next = Some(id));
        }
        Links::<T>::insert(
            id,
            Link {
                round,
                previous,
                next: None,
            },
        );
        true
    }

    /// Takes a job out of its round, if it is in one, and gives its place back. O(1), and O(waiting models) for the last one.
    pub(crate) fn dequeue(id: JobId, job: &JobOf<T>) {
        let mut queue = Queues::<T>::get(job.model).unwrap_or_default();
        let lineup = queue.of(job.newcomer);
        lineup.places = lineup.places.saturating_sub(1);
        Self::leave_standing(job);
        if Self::unlink(id, &job.model, job.newcomer) {
            Self::count_left(&job.model, job.newcomer, &mut queue);
        }
        match queue.places() {
            0 => Queues::<T>::remove(job.model),
            _ => Queues::<T>::insert(job.model, queue),
        }
    }

    /// Takes a job that can't be read out of its round. It keeps its place, and its requester's standing. O(1).
    pub(crate) fn pass_over(id: JobId, model: &ModelId, newcomer: bool) {
        if !Self::unlink(id, model, newcomer) {
            return;
        }
        let mut queue = Queues::<T>::get(model).unwrap_or_default();
        Self::count_left(model, newcomer, &mut queue);
        Queues::<T>::insert(model, queue);
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
        let Some(Link { round, previous, next }) = Links::<T>::take(id) else {
            return false;
        };
        let key = (*model, newcomer, round);
        if let Some(previous) = previous {
            Links::<T>::mutate_extant(previous, |link| link.next = next);
        }
        if let Some(next) = next {
            Links::<T>::mutate_extant(next, |link| link.previous = previous);
        }
        Rounds::<T>::mutate_exists(key, |round| {
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
        Standings::<T>::mutate_exists((job.model, job.newcomer, &job.requester), |standing| {
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

    /// The first job of newcomers, or of others, in the queue of `model`. Passes over rounds that are empty. O(1).
    pub(crate) fn head(model: &ModelId, newcomers: bool) -> Option<JobId> {
        let mut queue = Queues::<T>::get(model)?;
        let lineup = queue.of(newcomers);
        let first = lineup.round;
        let head = (0..MAX_SKIPPED).find_map(|_| {
            let head = Rounds::<T>::get((model, newcomers, lineup.round)).map(|round| round.head);
            if head.is_none() {
                lineup.round = lineup.round.saturating_add(1);
            }
            head
        });
        let last = lineup.last;
        Self::pass_over_last(model, newcomers, lineup);
        if (lineup.round, lineup.last) != (first, last) {
            Queues::<T>::insert(model, queue);
        }
        head
    }

    /// Counts an assignment for whose turn it is next.
    pub(crate) fn count_turn(job: &JobOf<T>) {
        Queues::<T>::mutate_extant(job.model, |queue| {
            queue.turns = match job.newcomer {
                true => 0,
                false => queue.turns.saturating_add(1).min(TURNS),
            };
        });
    }
}

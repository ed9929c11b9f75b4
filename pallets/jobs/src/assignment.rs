// SPDX-License-Identifier: Apache-2.0
//! From the queue to an executor.
use crate::{Config, Event, Executing, Job, Jobs, Pallet, Queues, State, Waiting, Work};
use alloc::vec::Vec;
use codec::Encode;
use ergon_primitives::{
    request::sampling_key,
    traits::{Beacon, Parameters, Workers},
    JobId, ModelId,
};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{BlockNumberProvider, Saturating};

/// Domain of the draws, see [`Beacon::draw`]; the subject is (job, number of earlier executors).
pub(crate) const DOMAIN: &[u8] = b"executor";

/// Subject of the draw of an executor for `job`.
pub(crate) fn subject<AccountId, BlockNumber>(id: JobId, job: &Job<AccountId, BlockNumber>) -> Vec<u8> {
    (id, job.missed.len() as u32).encode()
}

/// What became of a model's turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Served {
    /// A job was assigned, which uses the turn up.
    Assigned,
    /// A job had waited for too long.
    Expired,
    /// No job could be assigned.
    Nothing,
}

impl<T: Config> Pallet<T> {
    /// Lets the models with waiting jobs take turns until none has more to give or the block has no [room](crate::budget), and notes the
    /// work: at most [`Config::MaxAssignmentsPerBlock`] jobs are assigned, and each model looks in vain at most once.
    ///
    /// A model uses up its turn by an assignment only. One without anybody who has room stays in front, and is passed over in this block. Only
    /// if there was no room to look at all of them, those that were passed over go behind those that weren't looked at.
    pub(crate) fn assign_waiting(work: &mut Work) {
        let mut passed_over = 0;
        while work.assigned < T::MaxAssignmentsPerBlock::get() {
            let Some(model) = Waiting::<T>::get().get(passed_over).copied() else {
                return;
            };
            if !Self::has_room_for_turn(work) {
                return Waiting::<T>::mutate(|models| models[..].rotate_left(passed_over));
            }
            match Self::serve_next(&model, work) {
                Served::Assigned => Self::end_turn(&model),
                Served::Expired => {}
                Served::Nothing => passed_over += 1,
            }
        }
    }

    /// The model goes behind all others that wait, unless none of its jobs waits any longer. O(waiting models).
    fn end_turn(model: &ModelId) {
        Waiting::<T>::mutate(|models| {
            if let Some(at) = models.iter().position(|waiting| waiting == model) {
                models[at..].rotate_left(1);
            }
        });
    }

    /// Assigns the next job in the queue of `model`, or lets it expire. If nobody has room for a newcomer's job when its turn has come, others
    /// are tried as well.
    pub(crate) fn serve_next(model: &ModelId, work: &mut Work) -> Served {
        let may_newcomers = work.assigned_newcomers < Self::max_newcomers();
        let is_served = T::Workers::serving(model) > 0;
        for newcomers in Self::turns(model, may_newcomers) {
            work.visits = work.visits.saturating_add(1);
            let served = Self::serve_head(model, newcomers, is_served, work);
            if served != Served::Nothing {
                return served;
            }
        }
        Served::Nothing
    }

    fn serve_head(model: &ModelId, newcomers: bool, is_served: bool, work: &mut Work) -> Served {
        let now = T::BlockNumberProvider::current_block_number();
        let Some(id) = Self::head(model, newcomers) else {
            return Served::Nothing;
        };
        let Some(job) = Self::read_or_set_aside(id) else {
            Self::pass_over(id, model, newcomers);
            return Served::Nothing;
        };
        if now.saturating_sub(job.since) >= T::Parameters::get().queue_timeout.into() {
            Self::dequeue(id, &job);
            Self::expire(id, job, now);
            work.expired = work.expired.saturating_add(1);
            return Served::Expired;
        }
        if !is_served || !Self::assign(id, job, now, work) {
            return Served::Nothing;
        }
        work.assigned = work.assigned.saturating_add(1);
        work.assigned_newcomers = work.assigned_newcomers.saturating_add(newcomers.into());
        Served::Assigned
    }

    /// Draws an executor for a job whose turn it is. Whether one was found.
    ///
    /// Operators that let an earlier deadline of the job pass are left out as long as somebody else can be found, so that one miss can't keep
    /// the jobs behind it waiting. Looking among them all the same is a visit more.
    fn assign(
        id: JobId,
        mut job: Job<T::AccountId, BlockNumberFor<T>>,
        now: BlockNumberFor<T>,
        work: &mut Work,
    ) -> bool {
        let demand = job.demand();
        let mut draw = T::Beacon::draw(DOMAIN, &subject(id, &job));
        let found = T::Workers::draw_executor(&job.model, &demand, &mut draw, &job.missed).or_else(|| {
            if job.missed.is_empty() {
                return None;
            }
            work.visits = work.visits.saturating_add(1);
            T::Workers::draw_executor(&job.model, &demand, &mut draw, &[])
        });
        work.tries = work.tries.saturating_add(draw.taken());
        let Some((operator, room)) = found else { return false };

        Self::count_turn(&job);
        Self::dequeue(id, &job);
        Self::enter(id, &mut job, State::Assigned, now);
        job.sampling_key
            .get_or_insert_with(|| sampling_key(job.seed, id, &T::Beacon::value()));
        job.executor = Some(operator.clone());
        job.room = room;
        let deadline = Self::schedule(id, &mut job, now, T::Parameters::get().deadline(&demand));
        Jobs::<T>::insert(id, job);
        Executing::<T>::insert(&operator, id, ());
        Self::deposit_event(Event::Assigned {
            job: id,
            operator,
            deadline,
        });
        true
    }

    /// Jobs that wait for an executor of `model`.
    pub(crate) fn waiting_for(model: &ModelId) -> u32 {
        Queues::<T>::get(model).map_or(0, |queue| queue.places())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! From the queue to an executor.
use crate::{Config, Event, Executing, Job, Jobs, Pallet, Queues, State, Waiting, Work};
use alloc::vec::Vec;
use codec::Encode;
use ergon_primitives::{
    request::sampling_key,
    traits::{Beacon, ModelTerms, Models, Parameters, Workers},
    JobId, ModelId, Units,
};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Saturating;

/// Domain of the draws, see [`Beacon::draw`]; the subject is (job, number of earlier executors).
pub(crate) const DOMAIN: &[u8] = b"executor";

/// Subject of the draw of an executor for `job`.
pub(crate) fn subject<AccountId, BlockNumber>(id: JobId, job: &Job<AccountId, BlockNumber>) -> Vec<u8> {
    (id, job.missed.len() as u32).encode()
}

/// Upper bound of the units of a job, by what its prompt, its settings and the model's context allow.
pub fn most_units(terms: &ModelTerms, max_prompt_tokens: u32, max_tokens: u32) -> Units {
    terms
        .prices
        .units(max_prompt_tokens.min(terms.context), max_tokens.min(terms.context))
}

impl<T: Config> Pallet<T> {
    /// Lets the models with waiting jobs take turns until none has more to give, and notes the work: at most
    /// [`Config::MaxAssignmentsPerBlock`] turns and draws, and perhaps a second draw for the last.
    pub(crate) fn assign_waiting(now: BlockNumberFor<T>, work: &mut Work) {
        let mut idle = 0;
        while work.visits < T::MaxAssignmentsPerBlock::get() && idle < Waiting::<T>::decode_len().unwrap_or(0) {
            let Some(model) = Self::next_model() else { break };
            work.visits += 1;
            idle = if Self::serve_head(&model, now, work) {
                0
            } else {
                idle + 1
            };
        }
    }

    /// Assigns the first job in the queue of `model`, or lets it expire. Whether it left the queue.
    pub(crate) fn serve_head(model: &ModelId, now: BlockNumberFor<T>, work: &mut Work) -> bool {
        let Some(id) = Queues::<T>::get(model).map(|queue| queue.head) else {
            return false;
        };
        let Some(job) = Jobs::<T>::get(id) else { return false };
        let parameters = T::Parameters::get();
        let waited = now.saturating_sub(job.since);
        if waited >= parameters.queue_timeout.into() {
            Self::dequeue(model, id);
            Self::expire(id, job, now);
            return true;
        }
        waited >= parameters.assignment_delay.into() && Self::assign(id, job, now, work)
    }

    /// Draws an executor for a job at the head of its queue. Whether one was found.
    ///
    /// Who let an earlier deadline of the job pass is left out as long as somebody else can be found, so that one miss can't keep the
    /// jobs behind it waiting. Looking among them all the same is a draw more.
    fn assign(
        id: JobId,
        mut job: Job<T::AccountId, BlockNumberFor<T>>,
        now: BlockNumberFor<T>,
        work: &mut Work,
    ) -> bool {
        let Some(terms) = T::Models::terms(&job.model) else {
            return false;
        };
        let mut draw = T::Beacon::draw(DOMAIN, &subject(id, &job));
        let found = T::Workers::draw_executor(&job.model, &mut draw, &job.missed).or_else(|| {
            if job.missed.is_empty() {
                return None;
            }
            work.visits += 1;
            T::Workers::draw_executor(&job.model, &mut draw, &[])
        });
        let Some(operator) = found else { return false };

        let parameters = T::Parameters::get();
        let units = most_units(&terms, job.max_prompt_tokens, job.settings.max_tokens);
        let time = parameters.deadline_base.saturating_add(parameters.blocks_for(units));
        Self::dequeue(&job.model, id);
        Self::enter(id, &mut job, State::Assigned, now);
        job.sampling_key
            .get_or_insert_with(|| sampling_key(job.seed, id, &T::Beacon::value()));
        job.executor = Some(operator.clone());
        let deadline = Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
        Executing::<T>::insert(&operator, id, ());
        Self::deposit_event(Event::Assigned {
            job: id,
            operator,
            deadline,
        });
        true
    }
}

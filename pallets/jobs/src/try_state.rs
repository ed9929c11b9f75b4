// SPDX-License-Identifier: Apache-2.0
//! Invariants of the storage.
use crate::{
    Agenda, AgendaCursor, Config, Credited, Executing, Headers, Inputs, Job, Jobs, Links, NextJob, Outputs, Pallet,
    Queues, State, Waiting, MOST_AUDITORS,
};
use alloc::collections::BTreeSet;
use ergon_primitives::{commitment::output_hash, traits::Parameters, JobId};
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. the parameters are in range;
    /// 2. every job has exactly the parts that its state says, and no part is without its job;
    /// 3. the queues hold the queued jobs, each once, linked both ways, and the waiting models are those with a queue;
    /// 4. every job but the queued ones is on the agenda exactly once, under the block that it waits for and in the lane of its state,
    ///    nothing else is on it, and nothing was passed over;
    /// 5. what is remembered as credited was credited.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        T::Parameters::get().check()?;
        Self::try_state_jobs()?;
        Self::try_state_queues()?;
        Self::try_state_agenda()?;
        for (prompt, id) in Credited::<T>::iter() {
            let credited = Jobs::<T>::get(id).is_some_and(|job| job.prompt == prompt && job.units > 0);
            ensure!(credited, "a prompt is remembered as credited without its job");
        }
        Ok(())
    }

    fn try_state_jobs() -> Result<(), TryRuntimeError> {
        let (mut jobs, mut outputs, mut headers, mut executing) = (0, 0, 0, 0);
        for (id, job) in Jobs::<T>::iter() {
            ensure!(id < NextJob::<T>::get(), "a job's number is still to be given");
            Self::try_state_job(id, &job)?;
            jobs += 1;
            outputs += usize::from(job.answer.is_some());
            headers += usize::from(Headers::<T>::contains_key(id));
            executing += usize::from(job.state.is_active());
        }
        ensure!(
            Inputs::<T>::iter_keys().count() == jobs,
            "prompts and jobs differ in number"
        );
        ensure!(
            Outputs::<T>::iter_keys().count() == outputs,
            "outputs and answers differ in number"
        );
        ensure!(Headers::<T>::iter_keys().count() == headers, "a header has no job");
        ensure!(
            Executing::<T>::iter_keys().count() == executing,
            "an operator executes a job that it shouldn't"
        );
        Ok(())
    }

    fn try_state_job(id: JobId, job: &Job<T::AccountId, BlockNumberFor<T>>) -> Result<(), TryRuntimeError> {
        use State::*;
        ensure!(Inputs::<T>::contains_key(id), "a job has no prompt");
        ensure!(
            job.answer.as_ref().map(|answer| answer.output) == Outputs::<T>::get(id).map(|output| output_hash(&output)),
            "output and answer disagree"
        );
        let assigned = job.state.is_active() || matches!(job.state, Settled | Rejected | Disputed | Voided);
        ensure!(!assigned || job.executor.is_some(), "an assigned job has no executor");
        ensure!(
            !matches!(job.state, Queued | Expired) || job.executor.is_none(),
            "an unassigned job has an executor"
        );
        let key_fixed = job.executor.is_some() || !job.missed.is_empty();
        ensure!(
            job.sampling_key.is_some() == key_fixed,
            "the sampling key is fixed by the first assignment"
        );
        let answered = matches!(job.state, Answered | Auditing | Settled | Rejected | Disputed | Voided);
        ensure!(job.answer.is_some() == answered, "answer and state disagree");
        let revealed = Headers::<T>::contains_key(id);
        let settled = matches!(job.state, Settled | Rejected);
        // A dispute has none if the executor kept silent.
        ensure!(
            revealed == settled || job.state == Disputed,
            "header and state disagree"
        );
        ensure!(
            job.due.is_some() == job.state.lane().is_some(),
            "due and state disagree"
        );
        ensure!(job.units == 0 || job.state == Settled, "only settled jobs are credited");
        ensure!(
            job.units == 0 || Credited::<T>::get(job.prompt) == Some(id),
            "a credited prompt is not remembered"
        );
        ensure!(
            job.answer
                .as_ref()
                .is_none_or(|answer| answer.auditors <= MOST_AUDITORS),
            "an answer has more auditors than the weights allow for"
        );
        ensure!(
            job.reserved == 0 || job.state == Queued || job.state.is_active(),
            "units are reserved for a job that is over"
        );
        if let Some(operator) = &job.executor {
            ensure!(
                Executing::<T>::contains_key(operator, id) == job.state.is_active(),
                "executing and state disagree"
            );
        }
        Ok(())
    }

    fn try_state_queues() -> Result<(), TryRuntimeError> {
        let mut queued = BTreeSet::new();
        for (model, queue) in Queues::<T>::iter() {
            let (mut at, mut previous, mut length) = (Some(queue.head), None, 0);
            while let Some(id) = at {
                let fits = |job: Job<_, _>| job.state == State::Queued && job.model == model;
                ensure!(
                    Jobs::<T>::get(id).is_some_and(fits),
                    "a job in a queue is not queued for its model"
                );
                ensure!(queued.insert(id), "a job is in a queue twice");
                let link = Links::<T>::get(id);
                ensure!(link.previous == previous, "a queue's links disagree");
                (at, previous, length) = (link.next, Some(id), length + 1);
            }
            ensure!(
                previous == Some(queue.tail) && length == queue.length,
                "a queue's end or length is wrong"
            );
        }
        let all: BTreeSet<_> = Jobs::<T>::iter()
            .filter(|(_, job)| job.state == State::Queued)
            .map(|(id, _)| id)
            .collect();
        ensure!(queued == all, "a queued job is in no queue");
        ensure!(
            Links::<T>::iter_keys().count() == all.len(),
            "a job that isn't queued has links"
        );
        let models: BTreeSet<_> = Queues::<T>::iter_keys().collect();
        let waiting = Waiting::<T>::get();
        ensure!(
            waiting.iter().copied().collect::<BTreeSet<_>>() == models,
            "waiting models and queues disagree"
        );
        ensure!(waiting.len() == models.len(), "a model waits twice");
        Ok(())
    }

    fn try_state_agenda() -> Result<(), TryRuntimeError> {
        let mut listed = 0;
        for (lane, at, id) in Agenda::<T>::iter_keys() {
            let waits = Jobs::<T>::get(id).is_some_and(|job| job.due == Some(at) && job.state.lane() == Some(lane));
            ensure!(waits, "an entry of the agenda is stale");
            ensure!(
                at >= AgendaCursor::<T>::get(lane),
                "an entry of the agenda was passed over"
            );
            listed += 1;
        }
        // Entries have different keys, so that none stands for two jobs.
        let waiting = Jobs::<T>::iter_values().filter(|job| job.due.is_some()).count();
        ensure!(listed == waiting, "a job waits for a block that doesn't know");
        Ok(())
    }
}

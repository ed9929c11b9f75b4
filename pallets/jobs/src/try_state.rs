// SPDX-License-Identifier: Apache-2.0
//! Invariants of the storage.
use crate::{
    Agenda, AgendaCursor, Config, Credited, Executing, Generations, Headers, Inputs, Job, Jobs, Links, NextJob,
    Outputs, Pallet, Queue, Queues, Rounds, SetAside, Standing, Standings, State, Waiting, MAX_AUDITORS,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use ergon_primitives::{commitment::output_hash, traits::Parameters, JobId};
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. the parameters are in range;
    /// 2. every job has exactly the parts that its state says, and no part is without its job;
    /// 3. no answer takes more units than its job's bound, whatever it claims;
    /// 4. the rounds hold the jobs whose turn can come, each once, linked both ways, at most one a round of each requester; places and
    ///    standings count them, and the waiting models are those that have some;
    /// 5. every other job that isn't set aside is on the agenda exactly once, under the block that it waits for and in the lane of its state,
    ///    nothing else is on it, and nothing was passed over;
    /// 6. prompts are of the two generations that are known, or of the one that is being forgotten, and those of settled jobs are known.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        T::Parameters::get().check()?;
        Self::try_state_jobs()?;
        Self::try_state_queues()?;
        Self::try_state_agenda()?;
        Self::try_state_known()
    }

    fn try_state_known() -> Result<(), TryRuntimeError> {
        let generation = Generations::<T>::get();
        let oldest = generation
            .number
            .saturating_sub(if generation.forgetting { 2 } else { 1 });
        for (number, _, _) in Credited::<T>::iter() {
            ensure!(
                (oldest..=generation.number).contains(&number),
                "a prompt is of a generation that isn't known"
            );
        }
        for job in Jobs::<T>::iter_values().filter(|job| job.credited > 0) {
            ensure!(
                Self::known(&job.prompt_hash).is_some(),
                "a prompt was credited and isn't known"
            );
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
            job.answer.as_ref().map(|answer| answer.output_hash)
                == Outputs::<T>::get(id).map(|output| output_hash(&output)),
            "output and answer disagree"
        );
        let answered_and_over = matches!(job.state, Settled | Rejected | Unaudited | Disputed | Voided);
        let assigned = job.state.is_active() || answered_and_over;
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
        let answered = matches!(job.state, Answered | Auditing) || answered_and_over;
        ensure!(job.answer.is_some() == answered, "answer and state disagree");
        let revealed = Headers::<T>::contains_key(id);
        let settled = matches!(job.state, Settled | Rejected | Unaudited);
        // A dispute has none if the executor kept silent.
        ensure!(
            revealed == settled || job.state == Disputed,
            "header and state disagree"
        );
        ensure!(
            job.due.is_some() != Links::<T>::contains_key(id) || SetAside::<T>::contains_key(id),
            "a job waits for a block and for its turn, or for neither"
        );
        ensure!(
            job.credited == 0 || job.state == Settled,
            "only settled jobs are credited"
        );
        ensure!(
            job.bound == job.terms.bound(job.max_prompt_tokens, job.settings.max_tokens),
            "a job's bound doesn't follow from its terms"
        );
        if let Some(answer) = &job.answer {
            ensure!(
                answer.units <= job.bound,
                "an answer takes more units than its job's bound"
            );
            ensure!(
                answer.auditors <= MAX_AUDITORS && answer.matching <= MAX_AUDITORS,
                "an answer has more auditors than the weights allow for"
            );
            ensure!(
                (answer.matching > 0) == matches!(job.state, Settled | Rejected),
                "the state doesn't say how the answer was checked"
            );
        }
        let pays_later =
            job.state == Queued || job.state.is_active() || matches!(job.state, Disputed | Voided | Rejected);
        ensure!(
            job.reserved == 0 || pays_later && job.reserved == job.bound,
            "units are reserved for a job that is over"
        );
        if let Some(operator) = &job.executor {
            ensure!(
                Executing::<T>::contains_key(operator, id) == job.state.is_active(),
                "executing and state disagree"
            );
        }
        ensure!((job.room > 0) == job.state.is_active(), "room and state disagree");
        Ok(())
    }

    fn try_state_queues() -> Result<(), TryRuntimeError> {
        let (mut queues, mut standings) = (BTreeMap::<_, Queue>::new(), BTreeMap::<_, Standing>::new());
        for (_, job) in Jobs::<T>::iter().filter(|(_, job)| job.state == State::Queued) {
            queues.entry(job.model).or_default().of(job.newcomer).places += 1;
            standings
                .entry((job.model, job.newcomer, job.requester))
                .or_default()
                .jobs += 1;
        }
        let mut in_rounds = 0;
        for ((model, newcomers, number), round) in Rounds::<T>::iter() {
            let (mut at, mut previous, mut requesters) = (Some(round.head), None, BTreeSet::new());
            while let Some(id) = at {
                let job = Jobs::<T>::get(id).ok_or("a round has a job that doesn't exist")?;
                let fits = job.state == State::Queued && job.model == model && job.newcomer == newcomers;
                ensure!(fits, "a job stands in a round of others");
                ensure!(
                    requesters.insert(job.requester.clone()),
                    "a requester has two jobs in a round"
                );
                let link = Links::<T>::get(id).ok_or("a job in a round has no links")?;
                ensure!(
                    link.previous == previous && link.round == number,
                    "a round's links disagree"
                );
                queues.entry(model).or_default().of(newcomers).ready += 1;
                let standing = standings.entry((model, newcomers, job.requester)).or_default();
                standing.round = standing.round.max(number);
                let last = Queues::<T>::get(model).map_or(0, |mut queue| queue.of(newcomers).last);
                ensure!(number <= last, "a round comes after the last one");
                in_rounds += 1;
                (at, previous) = (link.next, Some(id));
            }
            ensure!(previous == Some(round.tail), "a round's end is wrong");
        }
        ensure!(
            Links::<T>::iter_keys().count() == in_rounds,
            "a job that is in no round has links"
        );
        Self::try_state_counts(queues, standings)
    }

    fn try_state_counts(
        queues: BTreeMap<ergon_primitives::ModelId, Queue>,
        standings: BTreeMap<(ergon_primitives::ModelId, bool, T::AccountId), Standing>,
    ) -> Result<(), TryRuntimeError> {
        let counted = |mut queue: Queue| [true, false].map(|who| (queue.of(who).ready, queue.of(who).places));
        let kept: BTreeMap<_, _> = Queues::<T>::iter().collect();
        ensure!(
            kept.iter()
                .map(|(model, queue)| (*model, counted(*queue)))
                .collect::<Vec<_>>()
                == queues
                    .iter()
                    .map(|(model, queue)| (*model, counted(*queue)))
                    .collect::<Vec<_>>(),
            "a queue's counts are wrong"
        );
        let standing: BTreeMap<_, _> = Standings::<T>::iter().collect();
        ensure!(
            standing.len() == standings.len()
                && standings.iter().all(|(key, counted)| standing
                    .get(key)
                    .is_some_and(|kept| kept.jobs == counted.jobs && kept.round >= counted.round)),
            "what requesters have in queues is counted wrong"
        );
        let ready: BTreeSet<_> = kept
            .iter()
            .filter(|(_, queue)| queue.ready() > 0)
            .map(|(model, _)| *model)
            .collect();
        let waiting = Waiting::<T>::get();
        ensure!(
            waiting.iter().copied().collect::<BTreeSet<_>>() == ready,
            "waiting models and queues disagree"
        );
        ensure!(waiting.len() == ready.len(), "a model waits twice");
        Ok(())
    }

    fn try_state_agenda() -> Result<(), TryRuntimeError> {
        let mut listed = 0;
        for (lane, at, id) in Agenda::<T>::iter_keys() {
            let waits = Jobs::<T>::get(id).is_some_and(|job| job.due == Some(at) && job.state.lane() == lane);
            ensure!(waits, "an entry of the agenda is stale");
            ensure!(
                at >= AgendaCursor::<T>::get(lane),
                "an entry of the agenda was passed over"
            );
            listed += 1;
        }
        // Entries have different keys, so that none stands for two jobs.
        let waiting = Jobs::<T>::iter()
            .filter(|(id, job)| job.due.is_some() && !SetAside::<T>::contains_key(id))
            .count();
        ensure!(listed == waiting, "a job waits for a block that doesn't know");
        Ok(())
    }
}

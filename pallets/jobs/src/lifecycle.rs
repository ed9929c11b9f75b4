// SPDX-License-Identifier: Apache-2.0
//! What happens to an assigned job, up to its end.
use crate::{Config, Credited, Event, Executing, Headers, Inputs, Job, Jobs, Outputs, Pallet, State};
use ergon_primitives::{
    commitment::Outcome,
    quota::Quota,
    traits::{AuditProgress, Audits, Contributions, Models, OnAttested, Parameters, Source, Workers},
    JobId, Units,
};
use frame_system::pallet_prelude::BlockNumberFor;

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
    /// The job goes over to `state`, in which it waits for nothing yet.
    pub(crate) fn enter(id: JobId, job: &mut JobOf<T>, state: State, now: BlockNumberFor<T>) {
        Self::unschedule(id, job);
        job.state = state;
        job.since = now;
    }

    /// The executor did not answer in time: back into the queue, or the end.
    pub(crate) fn miss_result(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let Some(operator) = job.executor.take() else { return };
        T::Workers::release(&operator);
        T::Workers::note_missed(&operator);
        T::Workers::discharge(&operator);
        Executing::<T>::remove(&operator, id);
        let listed = job.missed.try_push(operator.clone()).is_ok();
        let again = listed && job.missed.len() as u32 <= T::Parameters::get().max_reassignments;
        if !again || Self::enqueue(&job.model, id).is_err() {
            return Self::expire(id, job, now);
        }
        Self::enter(id, &mut job, State::Queued, now);
        Jobs::<T>::insert(id, job);
        Self::deposit_event(Event::Reassigned { job: id, operator });
    }

    /// The audit delay is over: draws the auditors. How many.
    pub(crate) fn open_audit(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) -> u32 {
        let (Some(executor), Some(answer)) = (&job.executor, &mut job.answer) else {
            return 0;
        };
        let auditors = T::Audits::open(id, &job.model, executor);
        answer.auditors = auditors;
        Self::deposit_event(Event::AuditorsDrawn { job: id, auditors });
        Self::enter(id, &mut job, State::Auditing, now);
        match auditors {
            0 => Self::await_reveal(id, job, now),
            _ => Self::await_attestations(id, job, now),
        }
        auditors
    }

    /// The deadline of the auditors has passed.
    pub(crate) fn miss_attestations(id: JobId, job: JobOf<T>, now: BlockNumberFor<T>) {
        match T::Audits::overdue(id) {
            AuditProgress::Redrawn => Self::await_attestations(id, job, now),
            AuditProgress::Complete(_) => Self::await_reveal(id, job, now),
        }
    }

    fn await_attestations(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let parameters = T::Parameters::get();
        let time = parameters
            .audit_deadline
            .saturating_add(parameters.blocks_for(Self::units_of(&job)));
        Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
    }

    fn await_reveal(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let (Some(answer), Some(operator)) = (job.answer.as_mut(), job.executor.clone()) else {
            return;
        };
        answer.attested = true;
        let deadline = Self::schedule(id, &mut job, now, T::Parameters::get().reveal_deadline);
        Jobs::<T>::insert(id, job);
        Self::deposit_event(Event::RevealDue {
            job: id,
            operator,
            deadline,
        });
    }

    /// The executor did not reveal in time. Somebody who sees from an attestation that his answer was found wrong would rather keep
    /// silent, so silence is as bad as a wrong answer: a dispute, with all evidence kept. Only if nobody attested there is none.
    pub(crate) fn miss_reveal(id: JobId, job: JobOf<T>, now: BlockNumberFor<T>) {
        let Some(operator) = job.executor.clone() else { return };
        T::Workers::note_missed(&operator);
        if let Some(auditor) = T::Audits::attested_by(id) {
            return Self::dispute(id, job, operator, auditor, now);
        }
        T::Audits::close(id, 0);
        Self::finish(id, job, State::Voided, now);
        Self::deposit_event(Event::Voided { job: id, operator });
    }

    /// `auditor` computed another root than `operator`, or `operator` hides his. Nothing is credited and everything is kept for
    /// long, with the obligations of everybody involved.
    pub(crate) fn dispute(
        id: JobId,
        job: JobOf<T>,
        operator: T::AccountId,
        auditor: T::AccountId,
        now: BlockNumberFor<T>,
    ) {
        T::Workers::note_disputed(&operator);
        Self::finish(id, job, State::Disputed, now);
        Self::deposit_event(Event::Disputed {
            job: id,
            operator,
            auditor,
        });
    }

    /// The revealed root is the one that `auditors` auditors computed, and none computed another.
    pub(crate) fn settle(id: JobId, mut job: JobOf<T>, operator: T::AccountId, auditors: u32, now: BlockNumberFor<T>) {
        let Some(outcome) = job.answer.as_ref().map(|answer| answer.outcome) else {
            return;
        };
        let units = if Self::counts(&job, auditors) {
            Self::units_of(&job)
        } else {
            0
        };
        if units > 0 {
            Credited::<T>::insert(job.prompt, id);
            T::Contributions::credit(&operator, Source::Job, units);
        }
        T::Audits::close(id, units);
        T::Workers::note_kept(&operator);
        job.units = units;
        match outcome {
            Outcome::Completed(_) => {
                Self::finish(id, job, State::Settled, now);
                Self::deposit_event(Event::Settled {
                    job: id,
                    operator,
                    auditors,
                    units,
                });
            }
            Outcome::Rejected(reason) => {
                Self::finish(id, job, State::Rejected, now);
                Self::deposit_event(Event::Rejected {
                    job: id,
                    operator,
                    auditors,
                    reason,
                });
            }
        }
    }

    /// Whether a job is credited: somebody checked it, enough operators serve its model, and the same prompt was not credited
    /// before (and is still remembered; a repetition counts again once the earlier job is pruned).
    fn counts(job: &JobOf<T>, auditors: u32) -> bool {
        auditors > 0
            && T::Workers::serving(&job.model) >= T::Parameters::get().min_serving
            && !Credited::<T>::contains_key(job.prompt)
    }

    /// Units of an answered job at the model's prices.
    fn units_of(job: &JobOf<T>) -> Units {
        match (T::Models::terms(&job.model), &job.answer) {
            (Some(terms), Some(answer)) => terms.prices.units(answer.prompt_tokens, answer.output_tokens),
            _ => 0,
        }
    }

    /// Nobody answered in time.
    pub(crate) fn expire(id: JobId, job: JobOf<T>, now: BlockNumberFor<T>) {
        Self::finish(id, job, State::Expired, now);
        Self::deposit_event(Event::Expired { job: id });
    }

    /// The job is over, or disputed; it is kept for a while. Its executor owes nothing more, unless there will be a verdict.
    pub(crate) fn finish(id: JobId, mut job: JobOf<T>, state: State, now: BlockNumberFor<T>) {
        let (parameters, disputed) = (T::Parameters::get(), state == State::Disputed);
        Self::enter(id, &mut job, state, now);
        Self::settle_quota(&mut job);
        if let Some(operator) = &job.executor {
            Executing::<T>::remove(operator, id);
            if !disputed {
                T::Workers::discharge(operator);
            }
        }
        let time = if disputed {
            parameters.dispute_retention
        } else {
            parameters.retention
        };
        Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
    }

    /// The requester pays for a job that is over, or disputed, and gets the rest of what was reserved back.
    fn settle_quota(job: &mut JobOf<T>) {
        let reserved = core::mem::take(&mut job.reserved);
        let used = match job.state {
            State::Settled | State::Rejected => Self::units_of(job).min(reserved),
            State::Cancelled => reserved,
            _ => 0,
        };
        T::Quota::settle(&job.requester, reserved, used);
    }

    /// The job's time is over; returns the steps that it took.
    pub(crate) fn prune(id: JobId, job: &JobOf<T>) -> u32 {
        Self::forget(id);
        if job.units > 0 {
            Credited::<T>::remove(job.prompt);
        }
        let mut auditors = 0;
        if let (State::Disputed, Some(operator)) = (job.state, &job.executor) {
            auditors = job.answer.as_ref().map_or(0, |answer| answer.auditors);
            T::Audits::close(id, 0);
            T::Workers::discharge(operator);
        }
        Self::deposit_event(Event::Pruned { job: id });
        auditors.max(1)
    }

    /// Nothing is kept of the job.
    pub(crate) fn forget(id: JobId) {
        Jobs::<T>::remove(id);
        Inputs::<T>::remove(id);
        Outputs::<T>::remove(id);
        Headers::<T>::remove(id);
    }
}

impl<T: Config> OnAttested for Pallet<T> {
    fn all_attested(id: JobId) {
        let waits =
            |job: &JobOf<T>| job.state == State::Auditing && job.answer.as_ref().is_some_and(|answer| !answer.attested);
        if let Some(job) = Jobs::<T>::get(id).filter(waits) {
            Self::await_reveal(id, job, frame_system::Pallet::<T>::block_number());
        }
    }
}

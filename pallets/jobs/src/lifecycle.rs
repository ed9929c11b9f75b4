// SPDX-License-Identifier: Apache-2.0
//! What happens to an assigned job, up to its end.
//!
//! # What a requester pays
//!
//! What was reserved at the beginning is settled once:
//!
//! | the job | costs | when |
//! |---|---|---|
//! | is `Settled` or `Unaudited` | the units of its answer, credited or not | at once |
//! | is `Cancelled` after it was assigned | all that was reserved: somebody may have computed it already | at once |
//! | is taken back while it waits, or is `Expired` | nothing: others failed | at once |
//! | is `Rejected`, `Voided` or `Disputed` | nothing | [`JobParameters::refund_delay`](crate::JobParameters::refund_delay) blocks later, so that nobody makes work for others over and over with the same units |
use crate::{Config, Event, Executing, Headers, Inputs, Job, Jobs, Outputs, Pallet, State};
use ergon_primitives::{
    commitment::Outcome,
    quota::Quota,
    traits::{
        Answered, AuditProgress, Audits, Closing, Contributions, Duty, OnAudit, Opening, Parameters, Source, Workers,
    },
    JobId, Units,
};
use ergon_storage::Unreadable;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{BlockNumberProvider, Saturating, UniqueSaturatedInto};

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
    /// The job goes over to `state`, in which it waits for nothing yet.
    pub(crate) fn enter(id: JobId, job: &mut JobOf<T>, state: State, now: BlockNumberFor<T>) {
        Self::unschedule(id, job);
        job.state = state;
        job.since = now;
    }

    /// The delay of the draw is over: the job waits for its turn.
    pub(crate) fn ripen(id: JobId, job: JobOf<T>, now: BlockNumberFor<T>) {
        match Self::enqueue(id, &job) {
            Ok(true) => Jobs::<T>::insert(id, job),
            Ok(false) => {
                Self::dequeue(id, &job);
                Self::expire(id, job, now);
            }
            Err(Unreadable) => {
                Jobs::<T>::insert(id, job);
                Self::set_aside(id);
            }
        }
    }

    /// The executor did not answer in time: back into the queue, or the end.
    pub(crate) fn miss_result(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let Some(operator) = job.executor.take() else { return };
        T::Workers::release(&operator, Duty::Execution, core::mem::take(&mut job.room));
        T::Workers::note_missed(&operator);
        T::Workers::discharge(&operator);
        Executing::<T>::remove(&operator, id);
        let listed = job.missed.try_push(operator.clone()).is_ok();
        let parameters = T::Parameters::get();
        if !listed || job.missed.len() as u32 > parameters.max_reassignments {
            return Self::expire(id, job, now);
        }
        Self::enter(id, &mut job, State::Queued, now);
        // If the queue can't be read, the job will be set aside when it is to enter it.
        let _ = Self::retake_place(&job);
        Self::schedule(id, &mut job, now, parameters.assignment_delay);
        Jobs::<T>::insert(id, job);
        Self::deposit_event(Event::Reassigned { job: id, operator });
    }

    /// The audit delay is over, or it is time to look again for auditors with room: draws them, and adds the operators that were looked at to
    /// `tries`. How many it draws.
    pub(crate) fn open_audit(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>, tries: &mut u32) -> u32 {
        let demand = job.demand();
        let (Some(executor), Some(answer)) = (job.executor.clone(), &mut job.answer) else {
            return 0;
        };
        let answered = Answered {
            model: job.model,
            executor,
            at: answer.at,
            demand,
        };
        let opening = T::Audits::open(id, &answered, tries);
        let parameters = T::Parameters::get();
        let waited = now.saturating_sub(answer.at);
        if opening == Opening::Busy {
            if waited < parameters.audit_timeout.into() {
                Self::await_auditors(id, job, now);
                return 0;
            }
            T::Audits::give_up(id);
        }
        answer.unsampled = opening == Opening::NotSampled;
        answer.creditable = T::Workers::established(&job.model) >= parameters.min_serving;
        answer.auditors = match opening {
            Opening::Drawn(auditors) => auditors,
            _ => 0,
        };
        let auditors = answer.auditors;
        if answer.unsampled {
            // Before the executor hears of it: one that would rather have been sampled could keep silent and have the prompt asked again.
            Self::remember(&job, true);
        }
        Self::deposit_event(Event::AuditorsDrawn { job: id, auditors });
        Self::enter(id, &mut job, State::Auditing, now);
        match auditors {
            0 => Self::await_reveal(id, job, now),
            _ => Self::await_attestations(id, job, now),
        }
        auditors
    }

    /// The deadline of the auditors has passed. Adds the operators that are looked at in their place to `tries`.
    pub(crate) fn miss_attestations(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>, tries: &mut u32) {
        match T::Audits::overdue(id, tries) {
            AuditProgress::Redrawn => Self::await_attestations(id, job, now),
            AuditProgress::Complete(_) => Self::await_reveal(id, job, now),
            AuditProgress::Busy => {
                Self::enter(id, &mut job, State::Answered, now);
                Self::await_auditors(id, job, now);
            }
        }
    }

    /// The audits say when the auditor has room. In case that it never has, the answer looks again after half of the time that it has waited
    /// already: seldom enough that any number of waiting answers leaves blocks room.
    fn await_auditors(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let since = job.answer.as_ref().map_or(now, |answer| answer.at);
        let waited: u32 = now.saturating_sub(since).unique_saturated_into();
        let pause = T::Parameters::get().audit_delay.max(waited / 2);
        Self::schedule(id, &mut job, now, pause);
        Jobs::<T>::insert(id, job);
    }

    fn await_attestations(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let time = T::Parameters::get().deadline(&job.demand());
        Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
    }

    fn await_reveal(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) {
        let (Some(answer), Some(operator)) = (job.answer.as_mut(), job.executor.clone()) else {
            return;
        };
        answer.attested = true;
        // Long enough to compute the answer again, for an executor that has lost what it kept of it.
        let time = T::Parameters::get().deadline(&job.demand());
        let deadline = Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
        Self::deposit_event(Event::RevealDue {
            job: id,
            operator,
            deadline,
        });
    }

    /// The executor did not reveal in time. An executor whose answer was found wrong would rather keep silent, so silence is as bad as a
    /// wrong answer: a dispute, with all evidence kept. Only if nobody attested there is none.
    pub(crate) fn miss_reveal(id: JobId, job: JobOf<T>, now: BlockNumberFor<T>) {
        let Some(operator) = job.executor.clone() else { return };
        T::Workers::note_missed(&operator);
        if let Some(auditor) = T::Audits::attested_by(id) {
            return Self::dispute(id, job, operator, auditor, now);
        }
        T::Audits::close(id, Closing::default());
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
        let Some(answer) = &mut job.answer else { return };
        answer.matching = auditors;
        let outcome = answer.outcome;
        let checked = auditors > 0 && matches!(outcome, Outcome::Completed(_));
        let creditable = answer.creditable;
        let (is_new, fresh) = if checked {
            Self::remember(&job, creditable)
        } else {
            (false, 0)
        };
        let each = T::Audits::sampled_in_a_million(id);
        job.credited = scaled(fresh, each);
        T::Contributions::credit(&operator, Source::Job, job.credited);
        T::Workers::reweigh(&operator, &job.model);
        // What nobody has checked is no proof of service.
        if auditors > 0 {
            T::Workers::note_kept(&operator);
        }
        let closing = Closing {
            stands: true,
            counts: is_new,
            reward: fresh,
        };
        T::Audits::close(id, closing);
        let (credited, state) = (
            job.credited,
            match outcome {
                _ if auditors == 0 => State::Unaudited,
                Outcome::Completed(_) => State::Settled,
                Outcome::Rejected(_) => State::Rejected,
            },
        );
        Self::finish(id, job, state, now);
        Self::deposit_event(match outcome {
            _ if auditors == 0 => Event::Unaudited { job: id, operator },
            Outcome::Completed(_) => Event::Settled {
                job: id,
                operator,
                auditors,
                credited,
            },
            Outcome::Rejected(reason) => Event::Rejected {
                job: id,
                operator,
                auditors,
                reason,
            },
        });
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
        let room = core::mem::take(&mut job.room);
        if let Some(operator) = &job.executor {
            Executing::<T>::remove(operator, id);
            T::Workers::release(operator, Duty::Execution, room);
            if !disputed {
                T::Workers::discharge(operator);
            }
        }
        let time = match (job.reserved, disputed) {
            (0, false) => parameters.retention,
            (0, true) => parameters.dispute_retention,
            _ => parameters.refund_delay,
        };
        Self::schedule(id, &mut job, now, time);
        Jobs::<T>::insert(id, job);
    }

    /// The time of a job that is over has come: to give its units back, or to forget it. Returns the steps that it took.
    pub(crate) fn retire(id: JobId, mut job: JobOf<T>, now: BlockNumberFor<T>) -> u32 {
        if job.reserved == 0 {
            return Self::prune(id, &job);
        }
        T::Quota::settle(&job.requester, core::mem::take(&mut job.reserved), 0);
        let parameters = T::Parameters::get();
        let kept = match job.state {
            State::Disputed => parameters.dispute_retention,
            _ => parameters.retention,
        };
        Self::schedule(id, &mut job, now, kept.saturating_sub(parameters.refund_delay));
        Jobs::<T>::insert(id, job);
        1
    }

    /// The requester pays for a job that is over and gets the rest of what was reserved back; of a job that came to nothing only later.
    fn settle_quota(job: &mut JobOf<T>) {
        let used = match job.state {
            State::Disputed | State::Voided | State::Rejected => return,
            State::Settled | State::Unaudited => job.answer.as_ref().map_or(0, |answer| answer.units),
            State::Cancelled => job.reserved,
            _ => 0,
        };
        let reserved = core::mem::take(&mut job.reserved);
        T::Quota::settle(&job.requester, reserved, used.min(reserved));
    }

    /// The job's time is over; returns the steps that it took.
    fn prune(id: JobId, job: &JobOf<T>) -> u32 {
        Self::forget(id);
        let mut auditors = 0;
        if let (State::Disputed, Some(operator)) = (job.state, &job.executor) {
            auditors = job.answer.as_ref().map_or(0, |answer| answer.auditors);
            T::Audits::close(id, Closing::default());
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

/// What an answer of `units` is credited if `each` of a million like it are sampled.
fn scaled(units: Units, each: u32) -> Units {
    let credited = u128::from(units) * 1_000_000 / u128::from(each.max(1));
    Units::try_from(credited).unwrap_or(Units::MAX)
}

impl<T: Config> OnAudit for Pallet<T> {
    fn all_attested(id: JobId) {
        let waits =
            |job: &JobOf<T>| job.state == State::Auditing && job.answer.as_ref().is_some_and(|answer| !answer.attested);
        if let Some(job) = Jobs::<T>::get(id).filter(waits) {
            Self::await_reveal(id, job, T::BlockNumberProvider::current_block_number());
        }
    }

    fn auditor_ready(id: JobId) {
        if let Some(mut job) = Jobs::<T>::get(id).filter(|job| job.state == State::Answered) {
            Self::schedule(id, &mut job, T::BlockNumberProvider::current_block_number(), 1);
            Jobs::<T>::insert(id, job);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The audit itself: draws, attestations, verdict.
use crate::{line::Turn, Audit, AuditOf, Auditor, Audits, Config, Error, Event, Pallet, Pending};
use alloc::vec::Vec;
use codec::Encode;
use ergon_primitives::{
    commitment,
    draw::Draw,
    traits::{
        self, Answered, AuditProgress, Beacon, Closing, Contributions, Duty, OnAudit, Opening, Parameters, Room,
        Source, Verdict, Workers,
    },
    JobId, H256,
};
use ergon_storage::Kept;
use frame_support::{dispatch::DispatchResult, ensure};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::Permill;

/// Domain of the draws of auditors, see [`Beacon::draw`]; the subject is (job, number of earlier draws).
pub const AUDITOR_DOMAIN: &[u8] = b"auditor";
/// Domain of the draw that says whether an answer is audited; the subject is the job.
pub const SAMPLE_DOMAIN: &[u8] = b"audit sample";
/// What is sampled in a million if it is for another reason than chance.
const ALL: u32 = Permill::one().deconstruct();

/// What a search for auditors found.
enum Found {
    /// So many, at least one.
    Auditors(u32),
    /// One that has no room, and that the audit waits for.
    Busy,
    /// None that could audit the answer.
    Nobody,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_attest(job: JobId, operator: T::AccountId, attestation: H256) -> DispatchResult {
        let mut audit = Audits::<T>::get(job).ok_or(Error::<T>::UnknownAudit)?;
        let auditor = audit
            .auditors
            .iter_mut()
            .find(|auditor| auditor.operator == operator)
            .ok_or(Error::<T>::NotDrawn)?;
        ensure!(auditor.attestation.is_none(), Error::<T>::AlreadyAttested);
        auditor.attestation = Some(attestation);
        let room = core::mem::take(&mut auditor.room);
        let complete = audit.is_complete();
        Self::release(&operator, room);
        Audits::<T>::insert(job, audit);
        Pending::<T>::remove(&operator, job);
        Self::deposit_event(Event::Attested {
            job,
            operator,
            attestation,
        });
        if complete {
            T::OnAudit::all_attested(job);
        }
        Ok(())
    }

    /// Whether an answer of `executor` is audited: like how many in a million.
    fn sample(job: JobId, executor: &T::AccountId) -> Option<u32> {
        if T::Workers::probation(executor).is_some() {
            return Some(ALL);
        }
        let rate = T::Parameters::get().rate.deconstruct();
        let drawn = T::Beacon::draw(SAMPLE_DOMAIN, &job.encode()).below(ALL.into());
        (drawn < rate.into()).then_some(rate)
    }

    fn draw(job: JobId, redraws: u32) -> Draw {
        T::Beacon::draw(AUDITOR_DOMAIN, &(job, redraws).encode())
    }

    /// Draws up to `count` more auditors into `audit`. If the first one has no room, the audit waits for it. Adds the operators that were looked
    /// at to `tries`.
    fn draw_auditors(job: JobId, audit: &mut AuditOf<T>, count: u32, tries: &mut u32) -> Found {
        let mut draw = Self::draw(job, audit.redraws);
        let found = Self::draw_auditors_by(job, audit, count, &mut draw);
        *tries = tries.saturating_add(draw.taken());
        found
    }

    fn draw_auditors_by(job: JobId, audit: &mut AuditOf<T>, count: u32, draw: &mut Draw) -> Found {
        let mut exclude: Vec<_> = audit.auditors.iter().map(|auditor| auditor.operator.clone()).collect();
        exclude.extend(audit.silent.iter().cloned());
        exclude.push(audit.executor.clone());
        let mut found = 0;
        match Self::take_turn(audit) {
            Some((_, Turn::Waits)) => return Found::Busy,
            Some((operator, Turn::Obliged(room))) => {
                exclude.push(operator.clone());
                Self::add_auditor(job, audit, operator, room);
                found = 1;
            }
            Some((_, Turn::Gone)) | None => {}
        }
        while found < count && !audit.auditors.is_full() {
            let Some(operator) = T::Workers::draw_auditor(&audit.model, audit.answered, draw, &exclude) else {
                break;
            };
            // Nobody is obliged for whom there is no room.
            let Some(room) = Self::oblige(&operator, &audit.demand) else {
                if found == 0 {
                    audit.awaited = Self::join_line(job, operator);
                    return Found::Busy;
                }
                break;
            };
            exclude.push(operator.clone());
            Self::add_auditor(job, audit, operator, room);
            found += 1;
        }
        match found {
            0 => Found::Nobody,
            found => Found::Auditors(found),
        }
    }

    fn add_auditor(job: JobId, audit: &mut AuditOf<T>, operator: T::AccountId, room: Room) {
        let auditor = Auditor {
            operator: operator.clone(),
            room,
            attestation: None,
        };
        let _ = audit.auditors.try_push(auditor);
        Pending::<T>::insert(&operator, job, ());
        Self::deposit_event(Event::AuditorDrawn { job, operator });
    }

    /// Gives room for audits back.
    fn release(operator: &T::AccountId, room: Room) {
        T::Workers::release(operator, Duty::Audit, room);
        Self::call_first(operator);
    }

    /// Dismisses all that have not attested, with a miss as the last consequence; returns how many.
    fn dismiss_silent(job: JobId, audit: &mut AuditOf<T>) -> u32 {
        let silent: Vec<_> = audit
            .auditors
            .iter()
            .filter(|a| a.attestation.is_none())
            .map(|a| (a.operator.clone(), a.room))
            .collect();
        audit.auditors.retain(|auditor| auditor.attestation.is_some());
        let count = silent.len() as u32;
        for (operator, room) in silent {
            Pending::<T>::remove(&operator, job);
            T::Workers::note_missed(&operator);
            Self::release(&operator, room);
            T::Workers::discharge(&operator);
            // `AuditParameters::check` keeps the list from filling up, unless they change meanwhile; one more would only stay eligible.
            let _ = audit.silent.try_push(operator.clone());
            Self::deposit_event(Event::AuditorSilent { job, operator });
        }
        count
    }
}

impl<T: Config> traits::Audits<T::AccountId, BlockNumberFor<T>> for Pallet<T> {
    fn open(job: JobId, answered: &Answered<T::AccountId, BlockNumberFor<T>>, tries: &mut u32) -> Opening {
        let opened = Audits::<T>::get(job)
            .or_else(|| Self::sample(job, &answered.executor).map(|rate| Audit::new(answered.clone(), rate)));
        let Some(mut audit) = opened else {
            return Opening::NotSampled;
        };
        let opening = match Self::draw_auditors(job, &mut audit, T::Parameters::get().auditors_per_job, tries) {
            Found::Auditors(count) => Opening::Drawn(count),
            Found::Busy => Opening::Busy,
            Found::Nobody => {
                Audits::<T>::remove(job);
                return Opening::NobodyThere;
            }
        };
        Audits::<T>::insert(job, audit);
        opening
    }

    fn give_up(job: JobId) {
        Audits::<T>::change_readable(&Audits::<T>::hashed_key_for(job), Self::leave_line);
    }

    fn is_readable(job: JobId) -> bool {
        Audits::<T>::read(&Audits::<T>::hashed_key_for(job)).is_ok()
    }

    fn most_auditors() -> u32 {
        T::Parameters::get().auditors_per_job
    }

    fn sampled_in_a_million(job: JobId) -> u32 {
        Audits::<T>::get(job).map_or(ALL, |audit| audit.sampled_in_a_million)
    }

    fn overdue(job: JobId, tries: &mut u32) -> AuditProgress {
        let Some(mut audit) = Audits::<T>::get(job) else {
            return AuditProgress::Complete(0);
        };
        let silent = Self::dismiss_silent(job, &mut audit);
        let mut redrawn = Found::Nobody;
        if silent > 0 && audit.redraws < T::Parameters::get().max_redraws {
            audit.redraws = audit.redraws.saturating_add(1);
            redrawn = Self::draw_auditors(job, &mut audit, silent, tries);
        }
        let attested = audit.attested();
        let progress = match redrawn {
            Found::Auditors(_) => AuditProgress::Redrawn,
            Found::Busy if attested == 0 => AuditProgress::Busy,
            Found::Busy | Found::Nobody => AuditProgress::Complete(attested),
        };
        if progress != AuditProgress::Busy {
            Self::leave_line(&mut audit);
        }
        Audits::<T>::insert(job, audit);
        progress
    }

    fn attested_by(job: JobId) -> Option<T::AccountId> {
        let auditors = Audits::<T>::get(job)?.auditors;
        auditors
            .into_iter()
            .find(|auditor| auditor.attestation.is_some())
            .map(|auditor| auditor.operator)
    }

    fn judge(job: JobId, root: &H256) -> Verdict<T::AccountId> {
        let mut matches = 0;
        for auditor in Audits::<T>::get(job).into_iter().flat_map(|audit| audit.auditors) {
            match auditor.attestation {
                Some(attestation) if attestation == commitment::attestation(&auditor.operator, root) => matches += 1,
                Some(_) => return Verdict::Mismatch(auditor.operator),
                None => (),
            }
        }
        Verdict::Match(matches)
    }

    fn close(job: JobId, closing: Closing) {
        let Some(mut audit) = Audits::<T>::take(job) else {
            return;
        };
        Self::leave_line(&mut audit);
        if closing.counts && T::Workers::probation(&audit.executor).is_some() {
            T::Workers::note_stood(&audit.executor, T::Parameters::get().probation_jobs);
        }
        for auditor in audit.auditors {
            if auditor.attestation.is_none() {
                Pending::<T>::remove(&auditor.operator, job);
                Self::release(&auditor.operator, auditor.room);
            } else if closing.stands {
                T::Workers::note_kept(&auditor.operator);
                T::Contributions::credit(&auditor.operator, Source::Audit, closing.reward);
            }
            T::Workers::discharge(&auditor.operator);
        }
    }
}

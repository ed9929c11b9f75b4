// SPDX-License-Identifier: Apache-2.0
//! The audit itself: draws, attestations, verdict.
use crate::{Audit, Auditor, Audits, Config, Error, Event, Pallet, Pending};
use alloc::vec::Vec;
use codec::Encode;
use ergon_primitives::{
    commitment,
    draw::Draw,
    traits::{self, AuditProgress, Beacon, Contributions, OnAttested, Parameters, Source, Verdict, Workers},
    JobId, ModelId, Units, H256,
};
use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::Permill;

/// Domain of the draws, see [`Beacon::draw`]; the subject is (job, number of earlier draws).
pub const DOMAIN: &[u8] = b"auditor";

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
        let complete = audit.is_complete();
        Audits::<T>::insert(job, audit);
        Pending::<T>::remove(&operator, job);
        T::Workers::note_kept(&operator);
        Self::deposit_event(Event::Attested {
            job,
            operator,
            attestation,
        });
        if complete {
            T::OnAttested::all_attested(job);
        }
        Ok(())
    }

    fn draw(job: JobId, redraws: u32) -> Draw {
        T::Beacon::draw(DOMAIN, &(job, redraws).encode())
    }

    /// Draws up to `count` more auditors into `audit`; returns how many were found.
    fn draw_auditors(job: JobId, audit: &mut Audit<T::AccountId>, draw: &mut Draw, count: u32) -> u32 {
        let mut exclude: Vec<_> = audit.auditors.iter().map(|auditor| auditor.operator.clone()).collect();
        exclude.extend(audit.silent.iter().cloned());
        exclude.push(audit.executor.clone());
        let mut found = 0;
        // Nobody is drawn, and so obliged, for whom there is no room.
        while found < count && !audit.auditors.is_full() {
            let Some(operator) = T::Workers::draw_auditor(&audit.model, draw, &exclude) else {
                break;
            };
            let auditor = Auditor {
                operator: operator.clone(),
                attestation: None,
            };
            let _ = audit.auditors.try_push(auditor);
            Pending::<T>::insert(&operator, job, ());
            exclude.push(operator.clone());
            Self::deposit_event(Event::AuditorDrawn { job, operator });
            found += 1;
        }
        found
    }

    /// Dismisses everyone who has not attested, with a miss as the last consequence; returns how many.
    fn dismiss_silent(job: JobId, audit: &mut Audit<T::AccountId>) -> u32 {
        let silent: Vec<_> = audit
            .auditors
            .iter()
            .filter(|a| a.attestation.is_none())
            .map(|a| a.operator.clone())
            .collect();
        audit.auditors.retain(|auditor| auditor.attestation.is_some());
        let count = silent.len() as u32;
        for operator in silent {
            Pending::<T>::remove(&operator, job);
            T::Workers::note_missed(&operator);
            T::Workers::discharge(&operator);
            // `AuditParameters::check` keeps the list from filling up, unless they change meanwhile; one more would only stay eligible.
            let _ = audit.silent.try_push(operator.clone());
            Self::deposit_event(Event::AuditorSilent { job, operator });
        }
        count
    }
}

impl<T: Config> Pallet<T> {
    fn is_on_probation(operator: &T::AccountId) -> bool {
        T::Workers::probation(operator).is_some_and(|stood| stood < T::Parameters::get().probation_jobs)
    }

    /// The answer stands: counts it for an executor on probation, if somebody who isn't has attested. So newcomers of one owner don't
    /// get each other past it.
    fn count_for_probation(audit: &Audit<T::AccountId>) {
        let by_an_established = |auditor: &Auditor<T::AccountId>| {
            auditor.attestation.is_some() && !Self::is_on_probation(&auditor.operator)
        };
        if T::Workers::probation(&audit.executor).is_some() && audit.auditors.iter().any(by_an_established) {
            T::Workers::note_stood(&audit.executor, T::Parameters::get().probation_jobs);
        }
    }
}

impl<T: Config> traits::Audits<T::AccountId> for Pallet<T> {
    fn open(job: JobId, model: &ModelId, executor: &T::AccountId) -> u32 {
        let parameters = T::Parameters::get();
        let mut draw = Self::draw(job, 0);
        let drawn = draw.below(u64::from(Permill::one().deconstruct())) < u64::from(parameters.rate.deconstruct());
        if !drawn && !Self::is_on_probation(executor) {
            return 0;
        }
        let mut audit = Audit {
            model: *model,
            executor: executor.clone(),
            auditors: Default::default(),
            silent: Default::default(),
            redraws: 0,
        };
        let found = Self::draw_auditors(job, &mut audit, &mut draw, parameters.auditors_per_job);
        if found > 0 {
            Audits::<T>::insert(job, audit);
        }
        found
    }

    fn overdue(job: JobId) -> AuditProgress {
        let Some(mut audit) = Audits::<T>::get(job) else {
            return AuditProgress::Complete(0);
        };
        let silent = Self::dismiss_silent(job, &mut audit);
        let mut found = 0;
        if silent > 0 && audit.redraws < T::Parameters::get().max_redraws {
            audit.redraws += 1;
            let mut draw = Self::draw(job, audit.redraws);
            found = Self::draw_auditors(job, &mut audit, &mut draw, silent);
        }
        let attested = audit.attested();
        Audits::<T>::insert(job, audit);
        match found {
            0 => AuditProgress::Complete(attested),
            _ => AuditProgress::Redrawn,
        }
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

    fn close(job: JobId, reward: Units) {
        let Some(audit) = Audits::<T>::take(job) else { return };
        if reward > 0 {
            Self::count_for_probation(&audit);
        }
        for auditor in audit.auditors {
            T::Workers::discharge(&auditor.operator);
            if auditor.attestation.is_none() {
                Pending::<T>::remove(&auditor.operator, job);
            } else if reward > 0 {
                T::Contributions::credit(&auditor.operator, Source::Audit, reward);
            }
        }
    }
}

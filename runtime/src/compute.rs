// SPDX-License-Identifier: Apache-2.0
//! Answers to [`ComputeApi`](ergon_runtime_api::ComputeApi), put together from our pallets.
use crate::{
    configs::Sessions, parameters::InForce, AccountId, BlockNumber, Clock, Contributions, OriginCaller,
    RankedCollective, Runtime, Workers,
};
use alloc::{string::String, vec::Vec};
use ergon_primitives::{
    traits::{Contributions as _, CurrentEpoch, Parameters as _, Workers as _},
    JobId,
};
use ergon_runtime_api::{
    AnswerInfo, AuditorInfo, JobInfo, JobState, ModelInfo, ProposalOrigin, ProposalRefusal, VoteWeightInfo, WorkerInfo,
    WorkerStatus,
};
use frame_support::dispatch::RawOrigin;
use pallet_audits::AuditParameters;
use pallet_compute_collective::{Origin, Refusal};
use pallet_jobs::State;

/// Every registered model; there is a bound on their number.
pub fn models() -> Vec<ModelInfo> {
    pallet_models::Models::<Runtime>::iter()
        .map(|(id, model)| ModelInfo {
            id,
            name: text(&model.manifest.name),
            active: model.status == pallet_models::Status::Active,
            serving: Workers::serving(&id),
            prices: model.prices,
            tokens_per_block: model.tokens_per_block,
            established: Workers::established(&id),
            manifest: model.manifest,
        })
        .collect()
}

/// Why `who` may not submit a proposal that asks for this origin; `None` if it may.
pub fn refusal(who: &AccountId, origin: ProposalOrigin) -> Option<ProposalRefusal> {
    let origin: OriginCaller = match origin {
        ProposalOrigin::Root => RawOrigin::Root.into(),
        ProposalOrigin::Models => Origin::Models.into(),
        ProposalOrigin::Parameters => Origin::Parameters.into(),
    };
    let refusal = RankedCollective::may_submit(who, &origin).err()?;
    Some(match refusal {
        Refusal::NotMember => ProposalRefusal::NotMember,
        Refusal::TooLittleWeight => ProposalRefusal::TooLittleWeight,
        Refusal::PollOpen => ProposalRefusal::PollOpen,
        Refusal::Locked => ProposalRefusal::Locked,
    })
}

/// The worker of `account`, or of the operator whose hot key it is.
pub fn worker(account: AccountId) -> Option<WorkerInfo> {
    let operator = Workers::operator_of(&account).unwrap_or(account);
    let entry = pallet_workers::Operators::<Runtime>::get(&operator)?;
    let AuditParameters { probation_jobs, .. } = InForce::get();
    let left = |stood: u32| probation_jobs.saturating_sub(stood).max(1);
    Some(WorkerInfo {
        probation: Workers::probation(&operator).map(left),
        resumable: Some(entry.resumable).filter(|block| *block > Clock::now()),
        operator,
        hot_keys: entry.hot_keys.into_inner(),
        endpoint: text(&entry.endpoint),
        models: entry.models.into_inner(),
        status: match entry.status {
            pallet_workers::Status::Active => WorkerStatus::Active,
            pallet_workers::Status::Draining => WorkerStatus::Draining,
            pallet_workers::Status::Suspended => WorkerStatus::Suspended,
            pallet_workers::Status::Jailed => WorkerStatus::Jailed,
        },
        executing: entry.executing,
        auditing: entry.auditing,
        kept: entry.kept,
        missed: entry.missed,
        misses_in_row: entry.misses_in_row,
    })
}

/// A job with its answer and auditors.
pub fn job(id: JobId) -> Option<JobInfo> {
    let job = pallet_jobs::Jobs::<Runtime>::get(id)?;
    Some(JobInfo {
        id,
        requester: job.requester,
        model: job.model,
        request_hash: job.request_hash,
        bound: job.bound,
        state: state(job.state),
        submitted: job.submitted,
        since: job.since,
        due: job.due,
        executor: job.executor,
        missed: job.missed.into_inner(),
        answer: job.answer.map(|answer| answer_info(id, answer)),
        auditors: auditors(id),
        credited: job.credited,
    })
}

/// What `operator` weighs in the current epoch.
pub fn vote_weight(operator: &AccountId) -> VoteWeightInfo {
    VoteWeightInfo {
        epoch: Sessions::current_epoch(),
        weight: Contributions::weight(operator),
        total: Contributions::total(),
    }
}

fn answer_info(id: JobId, answer: pallet_jobs::Answer<BlockNumber>) -> AnswerInfo {
    AnswerInfo {
        output: pallet_jobs::Outputs::<Runtime>::get(id)
            .unwrap_or_default()
            .into_inner(),
        finish: answer.outcome.into(),
        prompt_tokens: answer.prompt_tokens,
        output_tokens: answer.output_tokens,
        units: answer.units,
        matching: answer.matching,
        sealed: answer.sealed,
        root: pallet_jobs::Headers::<Runtime>::get(id).map(|header| header.root()),
    }
}

fn auditors(id: JobId) -> Vec<AuditorInfo> {
    let auditors = pallet_audits::Audits::<Runtime>::get(id).map(|audit| audit.auditors.into_inner());
    let info = |auditor: pallet_audits::Auditor<AccountId>| AuditorInfo {
        operator: auditor.operator,
        attestation: auditor.attestation,
    };
    auditors.unwrap_or_default().into_iter().map(info).collect()
}

fn state(state: State) -> JobState {
    match state {
        State::Queued => JobState::Queued,
        State::Assigned => JobState::Assigned,
        State::Answered => JobState::Answered,
        State::Auditing => JobState::Auditing,
        State::Settled => JobState::Settled,
        State::Rejected => JobState::Rejected,
        State::Unaudited => JobState::Unaudited,
        State::Expired => JobState::Expired,
        State::Disputed => JobState::Disputed,
        State::Voided => JobState::Voided,
        State::Cancelled => JobState::Cancelled,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// SPDX-License-Identifier: Apache-2.0
//! What is kept about an audit.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{
    traits::{Answered, Demand, Room},
    ModelId, H256,
};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::Permill;

/// Most auditors that one answer waits for.
pub const MAX_AUDITORS: u32 = 8;
/// Most auditors that may be replaced in one audit.
pub const MAX_SILENT: u32 = 32;

/// Least share of answers that is audited. A sampled answer counts for all that it stands for, so this bounds what one can earn.
pub const MIN_RATE: Permill = Permill::from_percent(1);
/// Longest probation, in answers.
pub const MAX_PROBATION_JOBS: u32 = 1_000;

/// An operator drawn to check an answer.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Auditor<AccountId> {
    /// The operator.
    pub operator: AccountId,
    /// Room that it takes of the operator, until this has attested.
    pub room: Room,
    /// [`attestation`](ergon_primitives::commitment::attestation) of the root that it computed, once it has posted it.
    pub attestation: Option<H256>,
}

/// An operator that was drawn and had no room.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Awaited<AccountId> {
    /// The operator.
    pub operator: AccountId,
    /// The audit's place in the operator's line.
    pub place: u64,
}

/// The audit of one answer.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Audit<AccountId, BlockNumber> {
    /// Model that answered.
    pub model: ModelId,
    /// Operator that answered.
    pub executor: AccountId,
    /// Block in which it answered.
    pub answered: BlockNumber,
    /// What computing the answer again may take.
    pub demand: Demand,
    /// Answers in a million that are sampled like this one; a million if it is audited for another reason than chance.
    pub sampled_in_a_million: u32,
    /// Operator that the audit waits for.
    pub awaited: Option<Awaited<AccountId>>,
    /// Operators that are to attest, or have.
    pub auditors: BoundedVec<Auditor<AccountId>, ConstU32<MAX_AUDITORS>>,
    /// Operators that were drawn and stayed silent past a deadline.
    pub silent: BoundedVec<AccountId, ConstU32<MAX_SILENT>>,
    /// How often silent auditors were replaced.
    pub redraws: u32,
}

impl<AccountId, BlockNumber> Audit<AccountId, BlockNumber> {
    /// An audit for which nobody was drawn yet.
    pub fn new(answered: Answered<AccountId, BlockNumber>, sampled_in_a_million: u32) -> Self {
        Self {
            model: answered.model,
            executor: answered.executor,
            answered: answered.at,
            demand: answered.demand,
            sampled_in_a_million,
            awaited: None,
            auditors: BoundedVec::new(),
            silent: BoundedVec::new(),
            redraws: 0,
        }
    }

    /// Number of auditors who have attested.
    pub fn attested(&self) -> u32 {
        self.auditors
            .iter()
            .filter(|auditor| auditor.attestation.is_some())
            .count() as u32
    }

    /// Whether every auditor has attested.
    pub fn is_complete(&self) -> bool {
        self.auditors.iter().all(|auditor| auditor.attestation.is_some())
    }
}

/// How answers are audited. Genesis state.
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    PartialEq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditParameters {
    /// Auditors drawn for one answer, 1 to [`MAX_AUDITORS`].
    pub auditors_per_job: u32,
    /// Share of the answers that is audited, of executors that are not on probation, at least [`MIN_RATE`].
    pub rate: Permill,
    /// How often silent auditors are replaced before the answer goes on without them.
    pub max_redraws: u32,
    /// Answers of an executor on probation that must have been checked and stood, in a row, for its probation to end, 1 to
    /// [`MAX_PROBATION_JOBS`].
    pub probation_jobs: u32,
}

impl Default for AuditParameters {
    /// The values of development networks: every answer is audited, once.
    fn default() -> Self {
        Self {
            auditors_per_job: 1,
            rate: Permill::one(),
            max_redraws: 2,
            probation_jobs: 10,
        }
    }
}

impl AuditParameters {
    /// Checks every range.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.auditors_per_job == 0 || self.auditors_per_job > MAX_AUDITORS {
            return Err("auditors_per_job is out of range");
        }
        if self.auditors_per_job.saturating_mul(self.max_redraws.saturating_add(1)) > MAX_SILENT {
            return Err("more auditors could stay silent than an audit can list");
        }
        if self.rate < MIN_RATE {
            return Err("rate is too low: a single answer would stand for too many");
        }
        if self.probation_jobs == 0 || self.probation_jobs > MAX_PROBATION_JOBS {
            return Err("probation_jobs is out of range");
        }
        Ok(())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is kept about an audit.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{ModelId, H256};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::Permill;

/// Most auditors that one answer waits for.
pub const MAX_AUDITORS: u32 = 8;
/// Most auditors that may be replaced in one audit.
pub const MAX_SILENT: u32 = 32;

/// An operator drawn to check an answer.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Auditor<AccountId> {
    /// The operator.
    pub operator: AccountId,
    /// [`attestation`](ergon_primitives::commitment::attestation) of the root that it computed, once it has posted it.
    pub attestation: Option<H256>,
}

/// The audit of one answer.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Audit<AccountId> {
    /// Model that answered.
    pub model: ModelId,
    /// Operator that answered.
    pub executor: AccountId,
    /// Who is to attest, or has.
    pub auditors: BoundedVec<Auditor<AccountId>, ConstU32<MAX_AUDITORS>>,
    /// Who was drawn and stayed silent past a deadline.
    pub silent: BoundedVec<AccountId, ConstU32<MAX_SILENT>>,
    /// How often silent auditors were replaced.
    pub redraws: u32,
}

impl<AccountId> Audit<AccountId> {
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
    /// Share of the answers that is audited, of executors that are not on probation.
    pub rate: Permill,
    /// How often silent auditors are replaced before the answer goes on without them.
    pub max_redraws: u32,
    /// Answers of an executor on probation that must have been checked and stood, in a row, for its probation to end. Nobody is on probation
    /// while it is 0.
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
        Ok(())
    }
}

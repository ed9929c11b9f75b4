// SPDX-License-Identifier: Apache-2.0
//! What anyone may ask the runtime about models, workers, jobs, vote weight, quota and proposals, at any block whose state is kept.
//!
//! Blocks named here are counted as deadlines are: those in which storage was migrated don't count. The view function `Clock.now` says which
//! one it is.
//!
//! The node serves the same as JSON-RPC `compute_*`. There, hashes and bytes are `0x` hex, accounts SS58, fields named as here.
#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

extern crate alloc;

use alloc::{string::String, vec::Vec};
use codec::{Decode, Encode};
use ergon_primitives::{
    commitment::{Outcome, RejectReason, StopReason},
    manifest::Manifest,
    units::Prices,
    Epoch, JobId, ModelId, Units, VoteWeight, H256,
};
use scale_info::TypeInfo;
#[cfg(feature = "std")]
use serde::{Deserialize, Serialize};
use sp_runtime::AccountId32;

/// Number of a block.
pub type BlockNumber = u32;

/// A registered model.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct ModelInfo {
    /// Its name on chain, the hash of the manifest.
    pub id: ModelId,
    /// Its name for people.
    pub name: String,
    /// Whether it takes new jobs.
    pub active: bool,
    /// Number of active operators that serve it.
    pub serving: u32,
    /// Number of established operators on its list, who can audit its answers.
    pub established: u32,
    /// Output tokens that any device that serves it is expected to decode in a block.
    pub tokens_per_block: u32,
    /// What its tokens count, in multiply-accumulates.
    pub prices: Prices,
    /// What it is.
    pub manifest: Manifest,
}

/// Whether an operator takes part.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum WorkerStatus {
    /// It is drawn for jobs and audits.
    Active,
    /// It finishes what it has and is no longer drawn, by its own wish.
    Draining,
    /// It missed too many deadlines in a row and is not drawn until it says that it is back.
    Suspended,
    /// It was found to have cheated.
    Jailed,
}

/// An operator and its workers.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct WorkerInfo {
    /// The account that works and votes.
    pub operator: AccountId32,
    /// Keys that its workers sign with.
    pub hot_keys: Vec<AccountId32>,
    /// Where it can be reached; empty if it can't.
    pub endpoint: String,
    /// Models that it serves.
    pub models: Vec<ModelId>,
    /// Whether it takes part.
    pub status: WorkerStatus,
    /// Room that the jobs that it executes take, in millionths of the half of its budget that is for jobs; more for a single one that is larger.
    pub executing: u64,
    /// Room that the audits take that it has yet to attest, in millionths of the other half.
    pub auditing: u64,
    /// Deadlines kept.
    pub kept: u32,
    /// Deadlines missed.
    pub missed: u32,
    /// Deadlines missed since the last one kept.
    pub misses_in_row: u32,
    /// Answers that must still be checked and stand, in a row, before its probation is over; none if it is on no probation. While it is,
    /// each of its answers is audited, and it audits nobody's.
    pub probation: Option<u32>,
    /// First block in which it can be active again, if it was suspended and that is still to come.
    pub resumable: Option<BlockNumber>,
}

/// How the decoding of an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum Finish {
    /// The model said so.
    EndOfSequence,
    /// The most tokens, the context or the longest output was reached.
    Length,
    /// A stop string begins at this byte of the decoded text.
    StopString(u32),
    /// There is no answer: prompt and one token don't fit the context.
    PromptTooLong,
    /// There is no answer: the prompt is not one.
    InvalidPrompt,
}

impl From<Outcome> for Finish {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed(StopReason::EndOfSequence) => Self::EndOfSequence,
            Outcome::Completed(StopReason::Length) => Self::Length,
            Outcome::Completed(StopReason::StopString { at }) => Self::StopString(at),
            Outcome::Rejected(RejectReason::PromptTooLong) => Self::PromptTooLong,
            Outcome::Rejected(RejectReason::InvalidPrompt) => Self::InvalidPrompt,
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum JobState {
    /// Waits for an executor.
    Queued,
    /// Its executor is to answer.
    Assigned,
    /// Answered; auditors are drawn next.
    Answered,
    /// Auditors are to attest, then the executor is to reveal.
    Auditing,
    /// Over: answered, revealed, and confirmed by all auditors that attested.
    Settled,
    /// Over: can't be answered, which all auditors that attested confirm.
    Rejected,
    /// Over: answered or rejected, and revealed, but nobody has checked it.
    Unaudited,
    /// Over: nobody answered in time.
    Expired,
    /// An auditor computed something else.
    Disputed,
    /// Over: its executor did not reveal in time.
    Voided,
    /// Over: the requester took it back.
    Cancelled,
}

/// An operator that is to compute an answer again.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct AuditorInfo {
    /// Who.
    pub operator: AccountId32,
    /// What it published, once it has: the root that it computed, bound to its account.
    pub attestation: Option<H256>,
}

/// What an executor published.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct AnswerInfo {
    /// The output's bytes; may end inside of a character.
    #[cfg_attr(feature = "std", serde(with = "sp_core::bytes"))]
    pub output: Vec<u8>,
    /// How it ended.
    pub finish: Finish,
    /// Number of prompt tokens.
    pub prompt_tokens: u32,
    /// Number of output tokens.
    pub output_tokens: u32,
    /// Units of the answer.
    pub units: Units,
    /// Auditors that computed the same; 0 before the reveal.
    pub matching: u32,
    /// Sealed root of the commitment.
    pub sealed: H256,
    /// Root of the commitment, once it is revealed.
    pub root: Option<H256>,
}

/// A job.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct JobInfo {
    /// Its number.
    pub id: JobId,
    /// Who asked.
    pub requester: AccountId32,
    /// Model asked.
    pub model: ModelId,
    /// Hash of what is asked.
    pub request_hash: H256,
    /// The most units that it can take.
    pub bound: Units,
    /// Where it stands.
    pub state: JobState,
    /// Block in which it was submitted.
    pub submitted: BlockNumber,
    /// Block in which it entered its current state.
    pub since: BlockNumber,
    /// Block at whose start it moves on by itself.
    pub due: Option<BlockNumber>,
    /// Operator to which it is assigned.
    pub executor: Option<AccountId32>,
    /// Operators that let the deadline pass.
    pub missed: Vec<AccountId32>,
    /// The answer.
    pub answer: Option<AnswerInfo>,
    /// Who checks it, while that is under way or disputed.
    pub auditors: Vec<AuditorInfo>,
    /// Units credited to its executor.
    pub credited: Units,
}

/// Share of power.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct VoteWeightInfo {
    /// The current epoch.
    pub epoch: Epoch,
    /// The operator's weight at its start.
    pub weight: VoteWeight,
    /// Sum of all weights at its start.
    pub total: VoteWeight,
}

/// Where the capacity of an account comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum QuotaClass {
    /// It has nothing: it was neither let in nor sponsored, or the chain doesn't know it at all.
    Unknown,
    /// It has no more than all have that were let in, and shares a small part of each block with all others of its class.
    Newcomer,
    /// From genesis.
    Genesis,
    /// From a sponsor, at least in part.
    Sponsored,
    /// From its vote weight, at least in part.
    Operator,
}

/// What an account may still do. A point is a microsecond of a block, or a byte in it.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct QuotaInfo {
    /// Where its capacity comes from.
    pub class: QuotaClass,
    /// Whose bucket it draws on: its own, or its operator's.
    pub bucket: AccountId32,
    /// Most points that the bucket holds.
    pub capacity: u64,
    /// Points left.
    pub points: u64,
    /// Blocks until they are all back.
    pub blocks_until_full: u64,
    /// Most units that the bucket holds.
    pub units_capacity: Units,
    /// Units left.
    pub units: Units,
    /// Points left for what it was drawn for, apart from `points`; 0 for who is no operator.
    pub duty_points: u64,
    /// Points left for votes, apart from `points`; 0 for who can't vote.
    pub vote_points: u64,
    /// Who sponsors the bucket.
    pub sponsor: Option<AccountId32>,
    /// Points of capacity given to others.
    pub given: u64,
}

/// How long a prompt is. In JSON, the fields `prompt_bytes` or `prompt_tokens`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum PromptLength {
    /// Bytes of text.
    #[cfg_attr(feature = "std", serde(rename = "prompt_bytes"))]
    Bytes(u32),
    /// Token ids.
    #[cfg_attr(feature = "std", serde(rename = "prompt_tokens"))]
    Tokens(u32),
}

/// What one wants to know the cost of.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(untagged))]
pub enum Subject {
    /// Submitting a job. Stop strings cost their bytes besides.
    Job {
        /// Model asked.
        model: ModelId,
        /// Length of the prompt.
        #[cfg_attr(feature = "std", serde(flatten))]
        prompt: PromptLength,
        /// Most output tokens.
        max_tokens: u32,
    },
    /// A transaction, SCALE-encoded as for sending it.
    Extrinsic(#[cfg_attr(feature = "std", serde(with = "sp_core::bytes"))] Vec<u8>),
}

/// What something costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct EstimateInfo {
    /// Points for the transaction, of which what its call doesn't use is given back; and, for `jobs.submit`, for the whole life of the job.
    pub points: u64,
    /// Units reserved by `jobs.submit`, if that is the call. What the job doesn't use is given back when it is over.
    pub units: Units,
}

/// The origin that a proposal asks for, which chooses its track.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum ProposalOrigin {
    /// `system.Root`.
    Root,
    /// `RankedCollective.Models`.
    Models,
    /// `RankedCollective.Parameters`.
    Parameters,
}

/// Why an account may not submit a proposal. The call itself says `BadOrigin` to all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub enum ProposalRefusal {
    /// It is no member of the collective.
    NotMember,
    /// It weighs less than a proposal takes.
    TooLittleWeight,
    /// Its last proposal is still being voted on.
    PollOpen,
    /// The track is locked until the chain is open.
    Locked,
}

sp_api::decl_runtime_apis! {
    /// Reads of the compute market.
    pub trait ComputeApi {
        /// Every registered model, retired ones included.
        fn models() -> Vec<ModelInfo>;
        /// The worker of an operator, named by either of its accounts.
        fn worker(account: AccountId32) -> Option<WorkerInfo>;
        /// A job, until it is pruned.
        fn job(job: JobId) -> Option<JobInfo>;
        /// What an operator weighs; zero for anyone else.
        fn vote_weight(operator: AccountId32) -> VoteWeightInfo;
        /// What an account may still do.
        fn quota(account: AccountId32) -> QuotaInfo;
        /// What something costs; none for a job that would be refused, and for bytes that are no transaction.
        fn estimate(subject: Subject) -> Option<EstimateInfo>;
        /// Why an account may not submit a proposal that asks for this origin; none if it may.
        fn refusal(who: AccountId32, origin: ProposalOrigin) -> Option<ProposalRefusal>;
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_readable_json() {
        let answer = AnswerInfo {
            output: b"Paris".to_vec(),
            finish: Outcome::Completed(StopReason::StopString { at: 5 }).into(),
            prompt_tokens: 7,
            output_tokens: 2,
            units: 9,
            matching: 1,
            sealed: H256::zero(),
            root: None,
        };
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["output"], "0x5061726973");
        assert_eq!(json["finish"], serde_json::json!({ "StopString": 5 }));
        assert_eq!(json["root"], serde_json::Value::Null);
        assert_eq!(serde_json::from_value::<AnswerInfo>(json).unwrap(), answer);
    }

    #[test]
    fn what_to_estimate_is_an_object_or_the_bytes_of_a_transaction() {
        let model = H256::repeat_byte(1);
        let job = |prompt| Subject::Job {
            model,
            prompt,
            max_tokens: 4,
        };
        let bytes = serde_json::json!({ "model": model, "prompt_bytes": 12, "max_tokens": 4 });
        let tokens = serde_json::json!({ "model": model, "prompt_tokens": 3, "max_tokens": 4 });
        let cases = [
            (bytes, job(PromptLength::Bytes(12))),
            (tokens, job(PromptLength::Tokens(3))),
            (serde_json::json!("0x0102"), Subject::Extrinsic(vec![1, 2])),
        ];
        for (json, subject) in cases {
            assert_eq!(serde_json::to_value(&subject).unwrap(), json);
            assert_eq!(serde_json::from_value::<Subject>(json).unwrap(), subject);
        }
        for malformed in [
            serde_json::json!({ "model": model, "max_tokens": 4 }),
            serde_json::json!("0xgg"),
        ] {
            assert!(serde_json::from_value::<Subject>(malformed).is_err());
        }
    }

    #[test]
    fn accounts_are_ss58_in_json() {
        let auditor = AuditorInfo {
            operator: AccountId32::new([0; 32]),
            attestation: None,
        };
        let json = serde_json::to_value(&auditor).unwrap();
        assert_eq!(json["operator"], "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM");
    }
}

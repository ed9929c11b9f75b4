// SPDX-License-Identifier: Apache-2.0
//! What the chain wants from one operator, in plain types.
use crate::AccountId;
use ergon_primitives::{
    commitment::{answer_id, Header},
    request::DecodeSettings,
    JobId, ModelId, H256,
};
use std::collections::{BTreeMap, BTreeSet};

/// Number of a block.
pub type BlockNumber = u32;

/// A request, without the prompt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Task {
    /// Number of the job.
    pub job: JobId,
    /// Model that is to answer.
    pub model: ModelId,
    /// Hash of model, prompt and decode settings, see [`request_hash`](ergon_primitives::request::request_hash).
    pub request_hash: H256,
    /// How to decode.
    pub settings: DecodeSettings,
    /// Key of the sampling generator.
    pub sampling_key: H256,
}

impl Task {
    /// Name of the answer. Two tasks with one name have the same answer, bit for bit.
    pub fn answer(&self) -> H256 {
        answer_id(self.job, &self.request_hash, &self.sampling_key)
    }
}

/// What the chain waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Duty {
    /// The answer to a job that is assigned to this operator.
    Execute(Task),
    /// The attestation of an auditor.
    Audit(Task),
    /// Seal and header of the answer that this operator has given.
    Reveal {
        /// Name of the answer.
        answer: H256,
        /// What the result published instead of the root.
        sealed: H256,
    },
}

/// A duty and the last block in which it can be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// What to do.
    pub duty: Duty,
    /// Block after which it is too late.
    pub deadline: BlockNumber,
}

/// Whether an operator is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is.
    Active,
    /// It isn't, by its owner's wish.
    Draining,
    /// It isn't, since it has missed too many deadlines in a row.
    Suspended {
        /// First block in which it may resume.
        until: BlockNumber,
    },
    /// It isn't, since it was found to be wrong.
    Jailed,
}

/// The chain as of one finalized block, as far as one operator is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct View {
    /// Number of the block.
    pub number: BlockNumber,
    /// Number that the next job will get. The chain as of this block knows nothing of jobs from it on: they are younger than the block.
    pub next_job: JobId,
    /// Whether the operator is drawn; `None` if the registry doesn't know it.
    pub status: Option<Status>,
    /// The hot keys of all workers of this operator, in the chain's order.
    pub hot_keys: Vec<AccountId>,
    /// What is to be done, by job.
    pub due: BTreeMap<JobId, Due>,
    /// Jobs that this operator has a part in and that aren't over.
    pub open: BTreeSet<JobId>,
}

/// A transaction of the hot key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Call {
    /// Publishes an answer with its sealed commitment.
    SubmitResult {
        /// Number of the job.
        job: JobId,
        /// The output's bytes.
        output: Vec<u8>,
        /// The commitment's header; only its numbers and the outcome are published.
        header: Header,
        /// What is published instead of the root.
        sealed: H256,
    },
    /// Opens the sealed commitment.
    Reveal {
        /// Number of the job.
        job: JobId,
        /// The 32 random bytes under the seal.
        seal: H256,
        /// What was committed to.
        header: Header,
    },
    /// Publishes an auditor's commitment to the root that it computed.
    Attest {
        /// Number of the job.
        job: JobId,
        /// See [`ergon_primitives::commitment::attestation`].
        attestation: H256,
    },
    /// Says that a suspended operator is back.
    Resume,
}

impl Call {
    /// The job that it is about, if it is about one.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::SubmitResult { job, .. } | Self::Reveal { job, .. } | Self::Attest { job, .. } => Some(*job),
            Self::Resume => None,
        }
    }

    /// The extrinsic's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SubmitResult { .. } => "jobs.submit_result",
            Self::Reveal { .. } => "jobs.reveal",
            Self::Attest { .. } => "audits.attest",
            Self::Resume => "workers.resume",
        }
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It succeeded in this finalized block.
    Done(BlockNumber),
    /// The chain refused it in this finalized block, for this reason (pallet and error variant). Sending it again changes nothing.
    Refused(BlockNumber, String),
    /// It is in no finalized block, for this reason, and may be sent again.
    Lost(String),
}

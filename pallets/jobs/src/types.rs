// SPDX-License-Identifier: Apache-2.0
//! What is kept about a job.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{
    commitment::Outcome,
    request::{DecodeSettings, Input, MAX_OUTPUT_BYTES, MAX_PROMPT_BYTES, MAX_PROMPT_TOKENS},
    JobId, ModelId, Units, H256,
};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Most times that a job may go to another operator, whatever [`JobParameters::max_reassignments`] says.
pub const MAX_REASSIGNMENTS: u32 = 7;
/// Fewest blocks between an event and a draw that judges it, see [`Beacon`](ergon_primitives::traits::Beacon).
pub const MIN_DRAW_DELAY: u32 = 2;
/// Most auditors of one answer that weights and the agenda reckon with; [`Config::Audits`](crate::Config::Audits) may not draw more.
pub const MOST_AUDITORS: u32 = 8;
/// Most steps that a job takes when it falls due, see [`Config::MaxDuePerBlock`](crate::Config::MaxDuePerBlock).
pub const MOST_STEPS: u32 = if MOST_AUDITORS > 1 { MOST_AUDITORS } else { 1 };
/// By how much a call may exceed the longest prompt or output and still be answered with an error of its own.
const SLACK: u32 = 4;

/// A prompt as it is submitted: wider than [`Input`], so that one that is too long gets an error instead of failing to decode.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum UncheckedInput {
    /// UTF-8 text.
    Text(BoundedVec<u8, ConstU32<{ SLACK * MAX_PROMPT_BYTES }>>),
    /// Token ids.
    Tokens(BoundedVec<u32, ConstU32<{ SLACK * MAX_PROMPT_TOKENS }>>),
}

/// An output as it is submitted, for the same reason.
pub type UncheckedOutput = BoundedVec<u8, ConstU32<{ SLACK * MAX_OUTPUT_BYTES }>>;

/// The prompt is longer than [`Input`] can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLong;

impl TryFrom<UncheckedInput> for Input {
    type Error = TooLong;

    fn try_from(input: UncheckedInput) -> Result<Self, TooLong> {
        match input {
            UncheckedInput::Text(text) => text.into_inner().try_into().map(Self::Text).map_err(|_| TooLong),
            UncheckedInput::Tokens(ids) => ids.into_inner().try_into().map(Self::Tokens).map_err(|_| TooLong),
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum State {
    /// Waits for an executor.
    Queued,
    /// Its executor is to answer it before it is due.
    Assigned,
    /// Answered; auditors are drawn when it is due.
    Answered,
    /// Auditors are to attest; then the executor is to reveal.
    Auditing,
    /// Over: answered, revealed and not found wrong.
    Settled,
    /// Over: can't be answered, and that was not found wrong.
    Rejected,
    /// Over: nobody answered in time.
    Expired,
    /// An auditor computed something else, or the executor hides what it computed. Everything is kept.
    Disputed,
    /// Over: its executor did not reveal in time, and nobody had attested.
    Voided,
    /// Over: the requester took it back after it was assigned.
    Cancelled,
}

impl State {
    /// Whether the executor still has a duty.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Assigned | Self::Answered | Self::Auditing)
    }

    /// Where the agenda lists jobs in this state.
    pub fn lane(self) -> Option<Lane> {
        match self {
            Self::Queued => None,
            _ if self.is_active() => Some(Lane::Deadlines),
            _ => Some(Lane::Retention),
        }
    }
}

/// A part of the agenda with a budget of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Lane {
    /// Jobs under way, by the block at which they go on without waiting any longer.
    Deadlines,
    /// Jobs that are over or disputed, by the block at which they are forgotten.
    Retention,
}

/// What was done at the start of a block.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Work {
    /// Jobs whose deadline passed or whose delay was over.
    pub due: u32,
    /// Auditors that were drawn, or looked for in vain.
    pub draws: u32,
    /// Operators that may have missed a deadline.
    pub misses: u32,
    /// Draws of executors, and looks at queues without one.
    pub visits: u32,
    /// Steps of forgetting jobs.
    pub pruned: u32,
}

/// What the executor published with its output.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Answer {
    /// Number of prompt tokens.
    pub prompt_tokens: u32,
    /// Number of output tokens.
    pub output_tokens: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// [`output_hash`](ergon_primitives::commitment::output_hash) of the output.
    pub output: H256,
    /// [`sealed`](ergon_primitives::commitment::sealed) root of the commitment.
    pub sealed: H256,
    /// Auditors drawn at first; never more of them are awaited at once. 0 before the audit.
    pub auditors: u32,
    /// Whether no attestation is awaited any more, so that the executor is to reveal.
    pub attested: bool,
}

/// A job. Its prompt, output and header stand in maps of their own, so that this is cheap to read.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Job<AccountId, BlockNumber> {
    /// Who asked.
    pub requester: AccountId,
    /// Model asked.
    pub model: ModelId,
    /// [`request_hash`](ergon_primitives::request::request_hash).
    pub request: H256,
    /// [`prompt_hash`](ergon_primitives::request::prompt_hash), which is credited once.
    pub prompt: H256,
    /// How to decode.
    pub settings: DecodeSettings,
    /// Seed named by the requester.
    pub seed: Option<u64>,
    /// Upper bound of the number of prompt tokens, by the length of the prompt.
    pub max_prompt_tokens: u32,
    /// Units reserved from the requester's quota; 0 once the job is over or disputed.
    pub reserved: Units,
    /// Block in which it was submitted.
    pub submitted: BlockNumber,
    /// Where it stands.
    pub state: State,
    /// Block in which it came there.
    pub since: BlockNumber,
    /// Block at whose start something happens unless it goes on before; none while it is queued.
    pub due: Option<BlockNumber>,
    /// [`sampling_key`](ergon_primitives::request::sampling_key), fixed by the first assignment.
    pub sampling_key: Option<H256>,
    /// Operator to which it is assigned.
    pub executor: Option<AccountId>,
    /// Operators to which it was assigned before, who let the deadline pass.
    pub missed: BoundedVec<AccountId, ConstU32<{ MAX_REASSIGNMENTS + 1 }>>,
    /// The answer.
    pub answer: Option<Answer>,
    /// Units credited for it.
    pub units: Units,
}

/// Jobs that wait for an executor of one model, oldest first: a list linked by [`Link`]s.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Queue {
    /// The first.
    pub head: JobId,
    /// The last.
    pub tail: JobId,
    /// How many.
    pub length: u32,
}

/// A job's neighbours in its queue.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Link {
    /// The one before.
    pub previous: Option<JobId>,
    /// The one after.
    pub next: Option<JobId>,
}

/// Times are in blocks. Genesis state.
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
pub struct JobParameters {
    /// Least time in the queue before an executor is drawn, at least [`MIN_DRAW_DELAY`].
    pub assignment_delay: u32,
    /// Time from the answer to the draw of its auditors, at least [`MIN_DRAW_DELAY`].
    pub audit_delay: u32,
    /// Time that an executor has, finality included, on top of the time for the units.
    pub deadline_base: u32,
    /// Units that every worker is expected to do in a block.
    pub units_per_block: Units,
    /// Time that auditors have, on top of the time for the units.
    pub audit_deadline: u32,
    /// Time that an executor has to reveal.
    pub reveal_deadline: u32,
    /// Time after which a job that waits for an executor expires.
    pub queue_timeout: u32,
    /// How often a job goes to another executor after a missed deadline, at most [`MAX_REASSIGNMENTS`].
    pub max_reassignments: u32,
    /// Time for which a job that is over is kept.
    pub retention: u32,
    /// Time for which a disputed job is kept with all its evidence, at least `retention`. Until then its executor and auditors can't
    /// leave.
    pub dispute_retention: u32,
    /// Fewest active operators that serve a model for its jobs to be credited.
    pub min_serving: u32,
}

impl Default for JobParameters {
    /// The values of development networks, for blocks of 3 seconds.
    fn default() -> Self {
        Self {
            assignment_delay: 2,
            audit_delay: 2,
            deadline_base: 10,
            units_per_block: 1_000,
            audit_deadline: 10,
            reveal_deadline: 10,
            queue_timeout: 1_200,
            max_reassignments: 2,
            retention: 28_800,
            dispute_retention: 201_600,
            min_serving: 2,
        }
    }
}

impl JobParameters {
    /// Checks every range.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.assignment_delay < MIN_DRAW_DELAY || self.audit_delay < MIN_DRAW_DELAY {
            return Err("a draw needs a beacon value at least 2 blocks younger than what it judges");
        }
        if self.units_per_block == 0 {
            return Err("units_per_block must not be zero");
        }
        if self.max_reassignments > MAX_REASSIGNMENTS {
            return Err("max_reassignments is out of range");
        }
        if [
            self.deadline_base,
            self.audit_deadline,
            self.reveal_deadline,
            self.retention,
        ]
        .contains(&0)
        {
            return Err("nobody can meet a deadline of zero blocks");
        }
        if self.dispute_retention < self.retention {
            return Err("the evidence of a dispute would be forgotten before jobs that nobody doubts");
        }
        if self.queue_timeout <= self.assignment_delay {
            return Err("jobs would expire before they could be assigned");
        }
        Ok(())
    }

    /// Blocks that every worker is expected to do `units` in.
    pub fn blocks_for(&self, units: Units) -> u32 {
        u32::try_from(units.div_ceil(self.units_per_block.max(1))).unwrap_or(u32::MAX)
    }
}

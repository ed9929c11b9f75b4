// SPDX-License-Identifier: Apache-2.0
//! What is kept about a job.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{
    commitment::Outcome,
    request::{DecodeSettings, Input, MAX_OUTPUT_BYTES, MAX_PROMPT_BYTES, MAX_PROMPT_TOKENS},
    traits::{Demand, ModelTerms, Room},
    JobId, ModelId, Units, H256,
};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Most blocks between an event and a draw that judges it.
pub const MAX_DRAW_DELAY: u32 = 600;
/// Least margin of a deadline: finality takes some 3 blocks.
pub const MIN_MARGIN: u32 = 4;
/// Largest margin of a deadline.
pub const MAX_MARGIN: u32 = 1_200;
/// Longest time in a queue, for executors or auditors.
pub const MAX_WAIT: u32 = 28_800;
/// Longest time for which anything is kept: less than retired models are, whose manifests are evidence as long as their jobs.
pub const MAX_RETENTION: u32 = 1_000_000;
/// Most established operators that may be demanded for a model's jobs to be credited.
pub const MAX_MIN_SERVING: u32 = 16;
/// Assignments to other requesters for each to a newcomer, while both wait.
pub const TURNS: u32 = 9;
/// Most times that a job may go to another operator, whatever [`JobParameters::max_reassignments`] says.
pub const MAX_REASSIGNMENTS: u32 = 7;
/// Fewest blocks between an event and a draw that judges it, see [`Beacon`](ergon_primitives::traits::Beacon).
pub const MIN_DRAW_DELAY: u32 = 2;
/// Most auditors of one answer that weights and the agenda reckon with; [`Config::Audits`](crate::Config::Audits) may not draw more.
pub const MAX_AUDITORS: u32 = 8;
/// Most steps that a job takes when it falls due, see [`Config::MaxDuePerBlock`](crate::Config::MaxDuePerBlock).
pub const MAX_STEPS: u32 = if MAX_AUDITORS > 1 { MAX_AUDITORS } else { 1 };
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
///
/// An answer that is over says how it was checked: `Settled` and `Rejected` by at least one auditor that computed the same, see
/// [`Answer::matching`]; `Unaudited` by nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum State {
    /// Waits for an executor: for the draw's delay to pass while it is due at a block, then for its turn.
    Queued,
    /// Its executor is to answer it before it is due.
    Assigned,
    /// Answered; auditors are drawn when it is due.
    Answered,
    /// Auditors are to attest; then the executor is to reveal.
    Auditing,
    /// Over: answered, revealed, and confirmed by all auditors that attested.
    Settled,
    /// Over: can't be answered, which all auditors that attested confirm.
    Rejected,
    /// Over: answered or rejected, and revealed, but nobody has checked it.
    Unaudited,
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
    pub fn lane(self) -> Lane {
        match self {
            Self::Queued => Lane::Delays,
            _ if self.is_active() => Lane::Deadlines,
            _ => Lane::Retention,
        }
    }
}

/// A part of the agenda with a budget of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Lane {
    /// New jobs, and those whose deadline was missed, by the block at which the delay of their draw is over.
    Delays,
    /// Jobs under way, by the block at which they go on without waiting any longer.
    Deadlines,
    /// Jobs that are over or disputed, by the block at which they are forgotten.
    Retention,
}

/// What was done at the start of a block.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Work {
    /// Jobs that entered their queues.
    pub ripe: u32,
    /// Jobs whose deadline passed or whose delay was over.
    pub due: u32,
    /// Auditors that were drawn, or looked for in vain.
    pub draws: u32,
    /// Operators that draws looked at, of executors and of auditors.
    pub tries: u32,
    /// Operators that may have missed a deadline.
    pub misses: u32,
    /// Draws of executors, and looks at queues without one.
    pub visits: u32,
    /// Steps of forgetting jobs.
    pub pruned: u32,
    /// Prompts that are no longer known.
    pub forgotten: u32,
    /// Jobs that had waited for too long when their turn came.
    pub expired: u32,
    /// Jobs that were assigned.
    pub assigned: u32,
    /// Those of them that newcomers asked for.
    pub assigned_newcomers: u32,
}

impl Work {
    /// This and more.
    pub fn and(&self, more: &Self) -> Self {
        Self {
            ripe: self.ripe.saturating_add(more.ripe),
            due: self.due.saturating_add(more.due),
            draws: self.draws.saturating_add(more.draws),
            tries: self.tries.saturating_add(more.tries),
            misses: self.misses.saturating_add(more.misses),
            visits: self.visits.saturating_add(more.visits),
            pruned: self.pruned.saturating_add(more.pruned),
            forgotten: self.forgotten.saturating_add(more.forgotten),
            expired: self.expired.saturating_add(more.expired),
            assigned: self.assigned.saturating_add(more.assigned),
            assigned_newcomers: self.assigned_newcomers.saturating_add(more.assigned_newcomers),
        }
    }
}

/// What the executor published with its output, and how it was checked.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Answer<BlockNumber> {
    /// Number of prompt tokens.
    pub prompt_tokens: u32,
    /// Number of output tokens.
    pub output_tokens: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// [`output_hash`](ergon_primitives::commitment::output_hash) of the output.
    pub output_hash: H256,
    /// [`sealed`](ergon_primitives::commitment::sealed) root of the commitment.
    pub sealed: H256,
    /// Units of the answer at the job's prices, at most [`Job::bound`].
    pub units: Units,
    /// Block in which it came.
    pub at: BlockNumber,
    /// Whether it was left out by chance when answers were sampled for an audit.
    pub unsampled: bool,
    /// Whether enough established operators served the model for the answer to be credited, when its auditors were drawn.
    pub creditable: bool,
    /// Auditors drawn at first; never more of them are awaited at once. 0 before the audit.
    pub auditors: u32,
    /// Whether no attestation is awaited any longer, so that the executor is to reveal.
    pub attested: bool,
    /// Auditors that computed the same; 0 before the reveal.
    pub matching: u32,
}

/// A job. Its prompt, output and header stand in maps of their own, so that this is cheap to read.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Job<AccountId, BlockNumber> {
    /// Account that asked.
    pub requester: AccountId,
    /// Whether it had no share of the chain of its own when it asked.
    pub newcomer: bool,
    /// Model asked.
    pub model: ModelId,
    /// Terms of the model when the job was submitted. Whatever becomes of the model, these hold for the job.
    pub terms: ModelTerms,
    /// [`request_hash`](ergon_primitives::request::request_hash).
    pub request_hash: H256,
    /// [`prompt_hash`](ergon_primitives::request::prompt_hash), which is credited once.
    pub prompt_hash: H256,
    /// How to decode.
    pub settings: DecodeSettings,
    /// Seed named by the requester.
    pub seed: Option<u64>,
    /// Upper bound of the number of prompt tokens, by the length of the prompt.
    pub max_prompt_tokens: u32,
    /// Whether the prompt is token ids, so that it has exactly so many tokens.
    pub is_tokenized: bool,
    /// The most units that the job can take, see [`ModelTerms::bound`]. All deadlines follow from it.
    pub bound: Units,
    /// Units reserved from the requester's quota: `bound`, and 0 once they were given back or paid.
    pub reserved: Units,
    /// Block in which it was submitted.
    pub submitted: BlockNumber,
    /// Where it stands.
    pub state: State,
    /// Block in which it entered its current state.
    pub since: BlockNumber,
    /// Block at whose start something happens unless it goes on before; none while it waits for its turn.
    pub due: Option<BlockNumber>,
    /// [`sampling_key`](ergon_primitives::request::sampling_key), fixed by the first assignment.
    pub sampling_key: Option<H256>,
    /// Operator to which it is assigned.
    pub executor: Option<AccountId>,
    /// Room that it takes of the executor, while it is assigned, answered or auditing; 0 otherwise.
    pub room: Room,
    /// Operators to which it was assigned before, and which let the deadline pass.
    pub missed: BoundedVec<AccountId, ConstU32<{ MAX_REASSIGNMENTS + 1 }>>,
    /// The answer.
    pub answer: Option<Answer<BlockNumber>>,
    /// Units credited to the executor for it.
    pub credited: Units,
    /// Version of the runtime that wrote it first; there to rehearse an upgrade with.
    #[cfg(feature = "next-version")]
    pub version: u32,
}

impl<AccountId, BlockNumber> Job<AccountId, BlockNumber> {
    /// What it demands of its executor and of each auditor.
    pub fn demand(&self) -> Demand {
        self.terms.demand(self.bound)
    }
}

/// Jobs that wait for executors of one model.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Queue {
    /// Those of requesters with a share of the chain of their own.
    pub others: Lineup,
    /// Those of newcomers.
    pub newcomers: Lineup,
    /// How many of the former were assigned since one of the latter was, up to [`TURNS`].
    pub turns: u32,
}

impl Queue {
    /// The jobs of newcomers, or of others.
    pub fn of(&mut self, newcomers: bool) -> &mut Lineup {
        match newcomers {
            true => &mut self.newcomers,
            false => &mut self.others,
        }
    }

    /// Jobs whose turn can come now.
    pub fn ready(&self) -> u32 {
        self.others.ready.saturating_add(self.newcomers.ready)
    }

    /// All jobs.
    pub fn places(&self) -> u32 {
        self.others.places.saturating_add(self.newcomers.places)
    }
}

/// Jobs that wait, in rounds, each with at most one job of every requester.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Lineup {
    /// The round whose jobs come next.
    pub round: u32,
    /// No later round has jobs.
    pub last: u32,
    /// Jobs in all rounds.
    pub ready: u32,
    /// These, and those that still wait for the delay of their draw.
    pub places: u32,
}

/// The jobs of a round, in the order in which they came.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Round {
    /// The first.
    pub head: JobId,
    /// The last.
    pub tail: JobId,
}

/// What a requester has in the queue of a model.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Standing {
    /// The round of its last job; 0 if all of them still wait for the delay of their draw.
    pub round: u32,
    /// Its places.
    pub jobs: u32,
}

/// A job's place in its round.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Link {
    /// The round.
    pub round: u32,
    /// The job before.
    pub previous: Option<JobId>,
    /// The job after.
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
    /// Time between submission, or a missed deadline, and the first draw of an executor: [`MIN_DRAW_DELAY`] to [`MAX_DRAW_DELAY`].
    pub assignment_delay: u32,
    /// Time from the answer to the draw of its auditors, in the same range.
    pub audit_delay: u32,
    /// Time that executors and auditors have on top of twice that for the job's bound, finality included: [`MIN_MARGIN`] to
    /// [`MAX_MARGIN`].
    pub deadline_margin: u32,
    /// Time for which an answer waits for auditors with room, before it goes on without: `deadline_margin` to [`MAX_WAIT`].
    pub audit_timeout: u32,
    /// Time after which a job that waits for an executor expires: more than `assignment_delay`, up to [`MAX_WAIT`].
    pub queue_timeout: u32,
    /// How often a job goes to another executor after a missed deadline, at most [`MAX_REASSIGNMENTS`].
    pub max_reassignments: u32,
    /// Time after which the units reserved for a disputed or voided job are given back: `deadline_margin` to `retention`. So nobody makes
    /// work for others and has its quota back for the next at once.
    pub refund_delay: u32,
    /// Time for which a job that is over is kept, up to [`MAX_RETENTION`].
    pub retention: u32,
    /// Time for which a disputed job is kept with all its evidence: `retention` to [`MAX_RETENTION`]. Until then its executor and auditors
    /// can't leave.
    pub dispute_retention: u32,
    /// Fewest established operators that serve a model for its jobs to be credited: 1 to [`MAX_MIN_SERVING`].
    pub min_serving: u32,
}

impl Default for JobParameters {
    fn default() -> Self {
        Self::DEVELOPMENT
    }
}

impl JobParameters {
    /// Those of development networks, for blocks of 3 seconds.
    pub const DEVELOPMENT: Self = Self {
        assignment_delay: 2,
        audit_delay: 2,
        deadline_margin: 10,
        audit_timeout: 200,
        queue_timeout: 1_200,
        max_reassignments: 2,
        refund_delay: 60,
        retention: 28_800,
        dispute_retention: 201_600,
        min_serving: 2,
    };

    /// Those of public networks, for blocks of 6 seconds. Each draw waits for 15 blocks: an author with a share `s` of the slots makes all of
    /// them, and so knows the draw before, with probability `s^15`, which is 3 * 10^-8 for `s = 1/3`.
    pub const PRODUCTION: Self = Self {
        assignment_delay: 15,
        audit_delay: 15,
        deadline_margin: 10,
        audit_timeout: 600,
        queue_timeout: 600,
        max_reassignments: 2,
        refund_delay: 2_400,
        retention: 14_400,
        dispute_retention: 100_800,
        min_serving: 3,
    };

    /// Checks every range.
    pub fn check(&self) -> Result<(), &'static str> {
        let draws = MIN_DRAW_DELAY..=MAX_DRAW_DELAY;
        if !draws.contains(&self.assignment_delay) || !draws.contains(&self.audit_delay) {
            return Err("a delay of draws is out of range");
        }
        if !(MIN_MARGIN..=MAX_MARGIN).contains(&self.deadline_margin) {
            return Err(
                "deadline_margin is out of range: nobody could meet deadlines, or a dead operator would hold jobs up",
            );
        }
        if !(self.deadline_margin..=MAX_WAIT).contains(&self.audit_timeout) {
            return Err("audit_timeout is out of range");
        }
        if self.queue_timeout <= self.assignment_delay || self.queue_timeout > MAX_WAIT {
            return Err("queue_timeout is out of range: jobs would expire before they could be assigned, or never");
        }
        if self.max_reassignments > MAX_REASSIGNMENTS {
            return Err("max_reassignments is out of range");
        }
        if !(self.deadline_margin..=self.retention).contains(&self.refund_delay) {
            return Err("refund_delay is out of range");
        }
        if self.dispute_retention < self.retention || self.dispute_retention > MAX_RETENTION {
            return Err("dispute_retention is out of range: the evidence of a dispute would go before jobs that nobody doubts, or stay");
        }
        if !(1..=MAX_MIN_SERVING).contains(&self.min_serving) {
            return Err("min_serving is out of range: nothing could be credited, or anything");
        }
        Ok(())
    }

    /// Blocks that an operator has for a duty of at most `bound` units: twice those that it takes at the model's rate, and the margin.
    pub fn deadline(&self, demand: &Demand) -> u32 {
        let blocks = u32::try_from(demand.load().div_ceil(1_000)).unwrap_or(u32::MAX);
        self.deadline_margin.saturating_add(blocks.saturating_mul(2))
    }
}

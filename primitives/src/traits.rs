// SPDX-License-Identifier: Apache-2.0
//! How the pallets see each other: by these traits only, wired up in the runtime.
use crate::{draw::Draw, units::Prices, Epoch, JobId, ModelId, Units, VoteWeight, H256};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Source of randomness that nobody could know when the thing it judges was fixed.
///
/// The value read in block `b` contains the VRF output of block `b - 1`, which that block's author knew. So a draw in block `b` may judge
/// only what was fixed in block `b - 2` or before.
pub trait Beacon {
    /// The accumulated value.
    fn value() -> H256;

    /// A stream of draws about `subject` in `domain` from the current value.
    fn draw(domain: &[u8], subject: &[u8]) -> Draw {
        Draw::new(Self::value(), domain, subject)
    }
}

/// The number of the current epoch.
pub trait CurrentEpoch {
    /// Counted up from 0.
    fn current_epoch() -> Epoch;
}

/// Values that governance may change while the chain runs.
pub trait Parameters<P> {
    /// Those in force, always in range.
    fn get() -> P;
    /// Those that a chain starts with.
    fn set(parameters: P);
}

/// A share of an operator's time: thousandths of a block at the rate that its model is registered with.
pub type Load = u64;

/// What jobs need to know about a model. A job keeps those of the moment of its submission.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ModelTerms {
    /// Prices per token.
    pub prices: Prices,
    /// Most positions.
    pub context: u32,
    /// Units that any device that serves the model is expected to do in a block, at least 1. Deadlines and budgets follow from it.
    pub rate: Units,
}

impl ModelTerms {
    /// The most units that a job can take, and at least 1: at most `prompt` and `output` tokens, together at most the context.
    ///
    /// ```
    /// use ergon_primitives::{traits::ModelTerms, units::Prices};
    /// let prices = Prices { prompt_token: 1_000_000, output_token: 3_000_000, attended_position: 0 };
    /// let terms = ModelTerms { prices, context: 10, rate: 1 };
    /// assert_eq!(terms.bound(4, 4), 4 + 4 * 3);
    /// // No answer can be dearer than one with the most of the dearer tokens.
    /// assert_eq!(terms.bound(10, 4), 6 + 4 * 3);
    /// ```
    pub fn bound(&self, prompt: u32, output: u32) -> Units {
        let within = |tokens: u32, others: u32| tokens.min(self.context.saturating_sub(others));
        let (prompt, output) = if self.prices.output_token >= self.prices.prompt_token {
            let output = within(output, 0);
            (within(prompt, output), output)
        } else {
            let prompt = within(prompt, 0);
            (prompt, within(output, prompt))
        };
        self.prices.units(prompt, output).max(1)
    }

    /// Blocks in which any device that serves the model is expected to do `units`, rounded up.
    pub fn blocks_for(&self, units: Units) -> u32 {
        u32::try_from(units.div_ceil(self.rate.max(1))).unwrap_or(u32::MAX)
    }

    /// What a job of at most `bound` units demands of the operator that computes it.
    pub fn demand(&self, bound: Units) -> Demand {
        Demand { bound, rate: self.rate }
    }
}

/// What a duty demands of an operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Demand {
    /// The most units that it takes.
    pub bound: Units,
    /// [`ModelTerms::rate`].
    pub rate: Units,
}

impl Demand {
    /// The time that it takes at the registered rate.
    pub fn load(&self) -> Load {
        let thousandths = (u128::from(self.bound) * 1_000).div_ceil(u128::from(self.rate.max(1)));
        Load::try_from(thousandths).unwrap_or(Load::MAX)
    }
}

/// Room that a duty takes of its operator: millionths of the half of the [budget](Workers) that is for such duties, as it was when the operator was
/// obliged. At least 1.
pub type Room = u64;

/// All room that an operator has for duties of a kind. What would take more is taken alone.
pub const ALL_ROOM: Room = 1_000_000;

/// What an operator is drawn for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Duty {
    /// To answer a job. Takes room until the job is over or disputed.
    Execution,
    /// To compute an answer again. Takes room until it has attested.
    Audit,
}

/// The registry of models.
pub trait Models {
    /// Terms of a model that takes new jobs; `None` if it is unknown or retired.
    fn active(model: &ModelId) -> Option<ModelTerms>;
}

/// The registry of operators and their workers.
///
/// An operator is **established** unless it is on probation. Only established operators are drawn for audits.
pub trait Workers<AccountId, BlockNumber> {
    /// The operator that `hot` key works for.
    fn operator_of(hot: &AccountId) -> Option<AccountId>;
    /// Number of active operators that serve `model`.
    fn serving(model: &ModelId) -> u32;
    /// Number of established operators that serve `model`, those included whose duty to audit outlasts their leaving.
    fn established(model: &ModelId) -> u32;
    /// The most that one drawing takes from its [`Draw`]: one for each operator that it looks at, and one to choose whom to look at.
    fn most_tries() -> u32;
    /// Draws an active operator that serves `model` to answer a job, by weight; those without any weight together at most once in ten
    /// times while there are others. It must have been listed for long enough, have room for the demand, and not be among `exclude`.
    /// Bounded tries, so that it may find none. Takes room and adds one obligation.
    fn draw_executor(
        model: &ModelId,
        demand: &Demand,
        draw: &mut Draw,
        exclude: &[AccountId],
    ) -> Option<(AccountId, Room)>;
    /// Draws an established operator to audit an answer of block `answered`, by weight, or evenly if none that may weighs anything, whether
    /// it has room or not. It must have been listed when the answer came and not be among `exclude`. Bounded tries, so that it may find
    /// none. Obliges nobody.
    fn draw_auditor(
        model: &ModelId,
        answered: BlockNumber,
        draw: &mut Draw,
        exclude: &[AccountId],
    ) -> Option<AccountId>;
    /// Whether an operator that was drawn for an audit may still be obliged to it once it has room.
    fn may_audit(operator: &AccountId) -> bool;
    /// Obliges an operator to an audit that it was drawn for, if it has room: takes room and adds one obligation.
    fn oblige_auditor(operator: &AccountId, demand: &Demand) -> Option<Room>;
    /// Gives back the room that a drawing took, once for each.
    fn release(operator: &AccountId, duty: Duty, room: Room);
    /// The operator owes nothing more for one drawing.
    ///
    /// `draw_executor` and `oblige_auditor` each add one obligation, and an operator that has any can't leave: what it may still be held
    /// to account for must find it. So each drawing is discharged exactly once, as late as a miss or a verdict can follow from it, and
    /// not before its room is given back.
    fn discharge(operator: &AccountId);
    /// The operator's work was credited: later draws for `model` follow its weight.
    fn reweigh(operator: &AccountId, model: &ModelId);
    /// The operator did in time, and rightly as far as anybody knows, what it was drawn for.
    fn note_kept(operator: &AccountId);
    /// The operator let a deadline pass. Too many in a row, and it is drawn no longer until it says that it is back. Probation begins
    /// again.
    fn note_missed(operator: &AccountId);
    /// How many answers of an operator on probation were checked and stood since it began, or began again; `None` if it is established.
    fn probation(operator: &AccountId) -> Option<u32>;
    /// An answer of the operator was checked and stands. The `required`th since its probation began ends that.
    fn note_stood(operator: &AccountId, required: u32);
    /// An answer of the operator is disputed. Probation begins again.
    fn note_disputed(operator: &AccountId);
    /// Bars the operator, until governance lets it off. Probation begins again.
    fn jail(operator: &AccountId);
}

/// Where units come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Source {
    /// Settled jobs of requesters.
    Job,
    /// Audits of others' answers.
    Audit,
}

/// The ledger of verified work.
pub trait Contributions<AccountId> {
    /// Credits units to `operator` in the current epoch.
    fn credit(operator: &AccountId, source: Source, units: Units);
    /// Vote weight of `operator` at the start of the current epoch.
    fn weight(operator: &AccountId) -> VoteWeight;
    /// The most that [`weight`](Self::weight) can be from now on without another credit: it is this or less in the current epoch and in
    /// all that follow.
    fn most_weight(operator: &AccountId) -> VoteWeight;
    /// Sum of all weights at the start of the current epoch.
    fn total() -> VoteWeight;
    /// Takes everything away from a fraudster: current units, average and checkpoints.
    fn forfeit(operator: &AccountId);
}

/// What the audit of an answer found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict<AccountId> {
    /// This many auditors computed the same root, and none another.
    Match(u32),
    /// This auditor computed another root.
    Mismatch(AccountId),
}

/// An answer that may be audited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered<AccountId, BlockNumber> {
    /// Model that answered.
    pub model: ModelId,
    /// Operator that answered.
    pub executor: AccountId,
    /// Block in which it answered.
    pub at: BlockNumber,
    /// What computing it again may take.
    pub demand: Demand,
}

/// What became of opening an audit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opening {
    /// The answer isn't to be audited.
    NotSampled,
    /// No established operator may check it.
    NobodyThere,
    /// The operator that was drawn has no room; to be tried again later.
    Busy,
    /// This many auditors were drawn.
    Drawn(u32),
}

/// Where an audit stands when its deadline passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuditProgress {
    /// Silent auditors were replaced; another deadline is due.
    Redrawn,
    /// Nobody has attested, and the operator drawn in the place of another has no room; [`Audits::open`] is to be tried again later.
    Busy,
    /// Nobody is left to wait for; this many have attested.
    Complete(u32),
}

/// What an audit is closed with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Closing {
    /// Whether the answer stands: those that attested did their duty.
    pub stands: bool,
    /// Whether it counts towards the end of its executor's probation.
    pub counts: bool,
    /// Units credited to each auditor that attested.
    pub reward: Units,
}

/// The audits of answers, driven by the jobs they belong to.
pub trait Audits<AccountId, BlockNumber> {
    /// Draws auditors for an answer, unless it isn't sampled; the answer of an executor on probation always is. Whether it is sampled is
    /// decided once, so that it can be called again after [`Opening::Busy`]. What the draws looked at is added to `tries`.
    fn open(job: JobId, answered: &Answered<AccountId, BlockNumber>, tries: &mut u32) -> Opening;
    /// Whether what is kept of the job's audit can be read; if there is none, there is nothing that couldn't be.
    fn is_readable(job: JobId) -> bool;
    /// The most auditors that are drawn at once, which is also how often [`Audits::open`] draws at most.
    fn most_auditors() -> u32;
    /// One in how many answers is sampled like this one, in millionths: a million if it is audited for another reason than chance.
    fn sampled_in_a_million(job: JobId) -> u32;
    /// The answer waits for an auditor no longer: it goes on with what there is.
    fn give_up(job: JobId);
    /// The audit's deadline has passed: counts misses and redraws, a bounded number of times. What the draws looked at is added to `tries`.
    fn overdue(job: JobId, tries: &mut u32) -> AuditProgress;
    /// One of those who have attested, if anybody has.
    fn attested_by(job: JobId) -> Option<AccountId>;
    /// Compares all attestations with the executor's root.
    fn judge(job: JobId, root: &H256) -> Verdict<AccountId>;
    /// Forgets the audit, and discharges its auditors. Nothing happens if there is none.
    ///
    /// To be called exactly when nothing can follow from the audit any longer: when the job is over, and for a disputed one, whose audit
    /// is evidence, when the job is forgotten.
    fn close(job: JobId, closing: Closing);
}

/// Told by the audits what a job waits for.
pub trait OnAudit {
    /// Every drawn auditor has attested: nobody is left to wait for.
    fn all_attested(job: JobId);
    /// The auditor that the answer waits for has room, or the answer is the first in its line now: [`Audits::open`] is to be called soon.
    fn auditor_ready(job: JobId);
}

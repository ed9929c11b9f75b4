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

/// What jobs need to know about a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModelTerms {
    /// Prices per token.
    pub prices: Prices,
    /// Most positions.
    pub context: u32,
}

/// The registry of models.
pub trait Models {
    /// Terms of a model that takes new jobs; `None` if it is unknown or retired.
    fn active(model: &ModelId) -> Option<ModelTerms>;
    /// Terms of a model, retired ones included, for jobs that are under way.
    fn terms(model: &ModelId) -> Option<ModelTerms>;
}

/// The registry of operators and their workers.
pub trait Workers<AccountId> {
    /// The operator that `hot` key works for.
    fn operator_of(hot: &AccountId) -> Option<AccountId>;
    /// Number of active operators that serve `model`.
    fn serving(model: &ModelId) -> u32;
    /// Draws an active operator that serves `model`, in proportion to capacity with a floor, for executing one more job; it is
    /// skipped if it has its fill of jobs in flight or is among `exclude`. Bounded tries, so it may find none. Takes one of its places
    /// and adds one obligation.
    fn draw_executor(model: &ModelId, draw: &mut Draw, exclude: &[AccountId]) -> Option<AccountId>;
    /// Gives back the place that `draw_executor` took, when it has answered or won't any more.
    fn release(operator: &AccountId);
    /// Draws an active operator that serves `model` for an audit, in proportion to capacity, not among `exclude`. Bounded tries.
    /// Adds one obligation.
    fn draw_auditor(model: &ModelId, draw: &mut Draw, exclude: &[AccountId]) -> Option<AccountId>;
    /// The operator owes nothing more for one drawing.
    ///
    /// `draw_executor` and `draw_auditor` each add one obligation, and an operator that has any can't leave: what it may still be held
    /// to account for must find it. So each drawing is discharged exactly once, as late as a miss or a verdict can follow from it, and
    /// that of an executor not before its place is given back.
    fn discharge(operator: &AccountId);
    /// The operator did in time what it was drawn for.
    fn note_kept(operator: &AccountId);
    /// The operator let a deadline pass. Too many in a row, and it is drawn no more until it says that it is back. Probation begins anew.
    fn note_missed(operator: &AccountId);
    /// How many answers of an operator on probation were checked and stood since it began, or began anew; `None` if it is on none.
    fn probation(operator: &AccountId) -> Option<u32>;
    /// An answer of the operator was checked and stands. The `required`th since its probation began ends that.
    fn note_stood(operator: &AccountId, required: u32);
    /// An answer of the operator is disputed. Probation begins anew.
    fn note_disputed(operator: &AccountId);
    /// Bars the operator, until governance lets it off. Probation begins anew.
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

/// Where an audit stands when its deadline passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuditProgress {
    /// Silent auditors were replaced; another deadline is due.
    Redrawn,
    /// Nobody is left to wait for; this many have attested.
    Complete(u32),
}

/// The audits of answers, driven by the jobs they belong to.
pub trait Audits<AccountId> {
    /// Draws auditors for the answer of `executor`; returns how many, 0 when it is not to be audited or nobody can. Once for each job.
    /// That of an executor on probation is to be audited.
    fn open(job: JobId, model: &ModelId, executor: &AccountId) -> u32;
    /// The audit's deadline has passed: counts misses and redraws, a bounded number of times.
    fn overdue(job: JobId) -> AuditProgress;
    /// One of those who have attested, if anybody has.
    fn attested_by(job: JobId) -> Option<AccountId>;
    /// Compares all attestations with the executor's root.
    fn judge(job: JobId, root: &H256) -> Verdict<AccountId>;
    /// Forgets the audit, and discharges its auditors; credits `reward` to each who attested. Nothing happens if there is none.
    /// An answer with a reward stands, and counts for its executor's probation.
    ///
    /// To be called exactly when nothing can follow from the audit any more: when the job is over, and for a disputed one, whose audit
    /// is evidence, with `reward` 0 when the job is forgotten.
    fn close(job: JobId, reward: Units);
}

/// Told by the audits when every drawn auditor has attested.
pub trait OnAttested {
    /// Nobody is left to wait for.
    fn all_attested(job: JobId);
}

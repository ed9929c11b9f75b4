// SPDX-License-Identifier: Apache-2.0
//! What the pallet keeps, and what it asks of others.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{Epoch, Units, VoteWeight};
use scale_info::TypeInfo;

/// Block space: 1 point is 1 microsecond of `ref_time`.
pub type Points = u64;

/// Who works for whom, and with what weight.
pub trait Accounts<AccountId> {
    /// The registered operator that `account` is, or that it is a hot key of.
    fn operator_of(account: &AccountId) -> Option<AccountId>;
    /// Vote weight of a registered operator.
    fn weight(operator: &AccountId) -> VoteWeight;
    /// Sum of all vote weights.
    fn total_weight() -> VoteWeight;
    /// Whether `operator` is registered, neither on probation nor in jail, and so may vouch for others.
    fn is_established(operator: &AccountId) -> bool;
}

/// What an operator's call is for.
pub trait Classify<AccountId, Call> {
    /// The lane of `call`, signed by `who`: `operator` or one of its hot keys. Only the outermost call counts: whatever is nested
    /// in another, as in a batch, is [`Lane::Ordinary`]. Asked in the transaction pool, so it must be cheap; its time is a part of
    /// [`charge_quota`](crate::WeightInfo::charge_quota).
    ///
    /// It should look into the state and answer [`Lane::Duty`] only for what this operator was drawn for and has yet to do, and
    /// [`Lane::Vote`] and [`Lane::ChangedVote`] only for a vote that counts: then nobody can use the guaranteed buckets for calls
    /// that are bound to fail, nor their priority for the same one again and again. [`Lane::Management`] is the operator's own, whatever
    /// comes of the call: its small bucket bounds it.
    fn lane(who: &AccountId, operator: &AccountId, call: &Call) -> Lane;
}

/// What a call is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// What the protocol demands of an operator: submitting a result, revealing, attesting.
    Duty,
    /// What an operator's own key does about its hot keys and its registration.
    Management,
    /// Voting for the first time.
    Vote,
    /// Voting again.
    ChangedVote,
    /// Everything else.
    Ordinary,
}

/// The buckets of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Meter {
    /// Block space for [`Lane::Ordinary`], of those who have earned it.
    Ordinary,
    /// Block space for [`Lane::Duty`].
    Duty,
    /// Block space for [`Lane::Vote`] and [`Lane::ChangedVote`].
    Vote,
    /// Compute of those who have earned it.
    Units,
    /// Block space of newcomers.
    Free,
    /// Compute of newcomers.
    FreeUnits,
    /// Block space for [`Lane::Management`].
    Management,
    /// Block space of all hot keys of an operator, apart from their duties.
    Hot,
}

/// Where an account's capacity comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Class {
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

impl Class {
    /// Whether it has no share of its own.
    pub fn is_newcomer(self) -> bool {
        matches!(self, Self::Unknown | Self::Newcomer)
    }
}

/// What a sponsor gives to one account.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Line<AccountId> {
    /// Who gives.
    pub sponsor: AccountId,
    /// Capacity.
    pub points: Points,
}

/// What a sponsor gives in all.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Given {
    /// Sum of the lines.
    pub points: Points,
    /// Number of the lines.
    pub lines: u32,
}

/// What newcomers have taken of one block.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct NewcomerUse<BlockNumber> {
    /// Which block.
    pub block: BlockNumber,
    /// Block space.
    pub points: Points,
    /// What changed votes have of that.
    pub changed_votes: Points,
    /// What newcomers' management has of it.
    pub management: Points,
    /// Compute.
    pub units: Units,
    /// Accounts let in by a ticket.
    pub tickets: u32,
    /// Accounts let in by vouching.
    pub vouched: u32,
}

/// What an operator has vouched for.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Vouching {
    /// The epoch that `count` is of.
    pub epoch: Epoch,
    /// Newcomers that it has vouched for in that epoch.
    pub count: u32,
    /// First epoch in which it may vouch again.
    pub barred_until: Epoch,
}

/// How hard tickets are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Difficulty<BlockNumber> {
    /// For tickets bound to blocks from `since` on.
    pub target: u64,
    /// For tickets bound to blocks before.
    pub previous: u64,
    /// When the current period began.
    pub since: BlockNumber,
    /// Accounts let in since then.
    pub admitted: u32,
}

/// What an account may still do.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
pub struct QuotaInfo<AccountId> {
    /// Where its capacity comes from.
    pub class: Class,
    /// Whose bucket it draws on: its own, or its operator's.
    pub bucket: AccountId,
    /// Most points that the bucket holds.
    pub capacity: Points,
    /// Points left.
    pub points: Points,
    /// Blocks until they are all back.
    pub blocks_until_full: u64,
    /// Most units that the bucket holds.
    pub units_capacity: Units,
    /// Units left.
    pub units: Units,
    /// Points left for duties, apart from `points`; 0 for those who have none.
    pub duty_points: Points,
    /// Points left for votes, apart from `points`; 0 for those who can't vote.
    pub vote_points: Points,
    /// Who sponsors the bucket.
    pub sponsor: Option<AccountId>,
    /// Capacity given to others.
    pub given: Points,
}

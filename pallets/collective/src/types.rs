// SPDX-License-Identifier: Apache-2.0
//! What the collective keeps.
use crate::{Config, Tally};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::marker::PhantomData;
use ergon_primitives::{Epoch, VoteWeight};
use frame_support::{
    traits::{Get, OriginTrait, Polling},
    BoundedVec,
};
use scale_info::TypeInfo;

/// Number of a poll.
pub type PollIndexOf<T> = <<T as Config>::Polls as Polling<Tally<T>>>::Index;
/// The origin that a proposal asks to be dispatched with.
pub type PalletsOriginOf<T> = <<T as frame_system::Config>::RuntimeOrigin as OriginTrait>::PalletsOrigin;
/// What a proposal does.
pub type RuntimeCallOf<T> = <T as frame_system::Config>::RuntimeCall;
/// What an account's delegation was, is and will be, oldest first.
pub type HistoryOf<T> = BoundedVec<Change<<T as frame_system::Config>::AccountId>, HistoryLength<T>>;

/// Where weights come from.
pub trait Weights<AccountId> {
    /// Weight of `who` at the start of `epoch`, which is at most the current one. It never rises afterwards.
    fn weight_at(who: &AccountId, epoch: Epoch) -> VoteWeight;
    /// At least the sum of all weights at the start of `epoch`.
    fn total_at(epoch: Epoch) -> VoteWeight;
}

impl<T: pallet_contributions::Config> Weights<T::AccountId> for pallet_contributions::Pallet<T> {
    fn weight_at(who: &T::AccountId, epoch: Epoch) -> VoteWeight {
        Self::weight_at(who, epoch)
    }

    fn total_at(epoch: Epoch) -> VoteWeight {
        Self::total_at(epoch)
    }
}

/// A member. Clients of `pallet-ranked-collective` read `rank`.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct MemberRecord {
    /// Always 0.
    pub rank: u16,
    /// The epoch in which it became one.
    pub since: Epoch,
}

/// A vote with its weight, in the shape of `pallet-ranked-collective`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum VoteRecord {
    /// For the proposal.
    Aye(VoteWeight),
    /// Against it.
    Nay(VoteWeight),
}

impl VoteRecord {
    /// A vote for the proposal if `aye`, or else against it.
    pub fn new(aye: bool, weight: VoteWeight) -> Self {
        if aye {
            Self::Aye(weight)
        } else {
            Self::Nay(weight)
        }
    }

    /// Whether it is for the proposal.
    pub fn is_aye(&self) -> bool {
        matches!(self, Self::Aye(_))
    }

    /// What it weighs.
    pub fn weight(&self) -> VoteWeight {
        match self {
            Self::Aye(weight) | Self::Nay(weight) => *weight,
        }
    }
}

/// From an epoch on, an account's weight is its own again or somebody else's to vote with.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Change<AccountId> {
    /// The first epoch of it.
    pub from: Epoch,
    /// Who votes with it; `None` for the account itself.
    pub delegate: Option<AccountId>,
}

/// Most changes that are kept: one in each epoch after the oldest that a poll can have, until the next one; and the
/// one that was in force before.
pub struct HistoryLength<T>(PhantomData<T>);

impl<T: Config> Get<u32> for HistoryLength<T> {
    fn get() -> u32 {
        T::MaxPollEpochs::get().saturating_add(2)
    }
}

/// How far the chain has come on its way to opening.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Opening<Founders> {
    /// The last epoch in which a founder was credited.
    pub epoch: Epoch,
    /// The founders of that epoch. It counts once there are as many as there can be.
    pub founders: Founders,
    /// Epochs that count.
    pub epochs: u32,
}

/// [`Opening`] with [`Config::OpeningMembers`] founders.
pub type OpeningOf<T> = Opening<BoundedVec<<T as frame_system::Config>::AccountId, <T as Config>::OpeningMembers>>;

/// Why an account may not submit a proposal. `pallet-referenda` itself says `BadOrigin` to all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Refusal {
    /// It is no member.
    NotMember,
    /// It weighs less than [`Config::MinSubmitWeight`].
    TooLittleWeight,
    /// Its last proposal is still being voted on.
    PollOpen,
    /// The proposal asks for an origin that is locked until the chain is open.
    Locked,
}

// SPDX-License-Identifier: Apache-2.0
//! The transaction extension that charges quota where other chains charge fees.
use crate::{Bucket, Config, Lane, Meter, Pallet, Points, WeightInfo};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::marker::PhantomData;
use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    pallet_prelude::TransactionSource,
    traits::Get,
    weights::Weight,
};
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Dispatchable, PostDispatchInfoOf, TransactionExtension, ValidateResult,
    },
    transaction_validity::{InvalidTransaction, TransactionPriority, TransactionValidityError, ValidTransaction},
    DispatchResult, SaturatedConversion,
};

/// `InvalidTransaction::Custom` code: the bucket holds too little for this call at the moment. It will be enough later.
pub const EXHAUSTED: u8 = 1;
/// `InvalidTransaction::Custom` code: the call costs more than the bucket holds when it is full.
pub const NEVER_AFFORDABLE: u8 = 3;

/// `InvalidTransaction::Custom` code: the transaction is longer than what is left of any block beside what every block carries.
pub const TOO_LONG: u8 = 4;

/// Largest share of a bucket in a priority: all of it.
const WHOLE_SHARE: u64 = 1_023;
/// Most blocks of waiting in a priority.
const LONGEST_WAIT: u64 = (1 << 13) - 1;
/// Position of share or waiting in a priority. Below it is what [`CheckMortality`](crate::CheckMortality) adds.
const RANK_BIT: u32 = 32;

/// Whom a call goes before.
#[derive(Clone, Copy)]
enum Turn {
    /// After everybody else.
    Newcomer,
    /// Before other newcomers.
    NewcomersManagement,
    /// Before newcomers, and before tickets.
    ChangedVote,
    /// Before all of them.
    Ordinary,
    /// Before everything else.
    Guaranteed,
}

impl Turn {
    /// `turn | rank << 32`. Newcomers rank by how long they have waited; an account that floods starts at the end each time. Others rank by
    /// the share of `bucket` that is left after a call that takes `points` out of it, so that a flood starves itself. Of a rank goes the
    /// part that `length` takes of the longest transaction.
    fn priority<T: Config>(self, bucket: &Bucket<T>, points: Points, length: u32) -> TransactionPriority {
        let (turn, rank) = match self {
            Self::Newcomer => (0, Self::waiting(bucket)),
            Self::NewcomersManagement => (1 << 45, Self::waiting(bucket)),
            Self::ChangedVote => (1 << 47, Self::share_left(bucket, points)),
            Self::Ordinary => (1 << 48, Self::share_left(bucket, points)),
            Self::Guaranteed => (1 << 56, Self::share_left(bucket, points)),
        };
        let longest = u64::from(T::MaxTransactionBytes::get().max(1));
        // Rounded up, so that one block of waiting counts whatever the length.
        let rank = rank
            .saturating_mul(longest.saturating_sub(length.into()))
            .div_ceil(longest);
        turn + (rank << RANK_BIT)
    }

    fn waiting<T: Config>(bucket: &Bucket<T>) -> u64 {
        Pallet::<T>::waited(&bucket.owner).min(LONGEST_WAIT)
    }

    fn share_left<T: Config>(bucket: &Bucket<T>, points: Points) -> u64 {
        let left = u128::from(bucket.remaining().saturating_sub(points));
        let capacity = u128::from(bucket.shape.capacity.max(1));
        (left * u128::from(WHOLE_SHARE) / capacity).saturated_into()
    }
}

/// Which part of a block a call takes.
#[derive(Clone, Copy)]
enum Share {
    /// The newcomers'.
    Newcomers,
    /// Half of the newcomers'.
    ChangedVotes,
    /// Another half, so that newcomers who manage what they have can't keep others out.
    Management,
    /// Any.
    Whole,
}

impl Share {
    fn take<T: Config>(self, points: Points) -> Option<()> {
        match self {
            Self::Newcomers => Pallet::<T>::take_newcomer_points(points),
            Self::ChangedVotes => Pallet::<T>::take_changed_vote_points(points),
            Self::Management => Pallet::<T>::take_management_points(points),
            Self::Whole => Some(()),
        }
    }

    fn give_back<T: Config>(self, points: Points) {
        match self {
            Self::Newcomers => Pallet::<T>::give_back_newcomer_points(points),
            Self::ChangedVotes => Pallet::<T>::give_back_changed_vote_points(points),
            Self::Management => Pallet::<T>::give_back_management_points(points),
            Self::Whole => {}
        }
    }
}

/// Charges the signer's quota for weight and length of a call, and sets the transaction's priority. See the
/// [module documentation](crate) for the rules.
///
/// It has no payload and signs nothing, so clients need not know it. It must come after `CheckNonce`, which refuses accounts
/// that the chain doesn't know and sets no priority. Transactions without a signer pass.
#[derive(Clone, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct ChargeQuota<T>(PhantomData<T>);

impl<T> ChargeQuota<T> {
    /// For making transactions.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for ChargeQuota<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> core::fmt::Debug for ChargeQuota<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.write_str("ChargeQuota")
    }
}

/// What a transaction costs, and how long it is.
#[derive(Clone, Copy)]
struct Cost {
    points: Points,
    length: u32,
}

/// A bucket, what is to be taken out of it, and the priority that this gives.
pub struct Charge<T: Config> {
    bucket: Bucket<T>,
    points: Points,
    share: Share,
    priority: TransactionPriority,
}

/// What was taken out of which bucket.
pub struct Charged<AccountId> {
    owner: AccountId,
    meter: Meter,
    points: Points,
    share: Share,
}

impl<T: Config> Charge<T> {
    fn new(bucket: Bucket<T>, cost: Cost, turn: Turn, share: Share) -> Self {
        Self {
            priority: turn.priority(&bucket, cost.points, cost.length),
            bucket,
            points: cost.points,
            share,
        }
    }

    fn take(mut self) -> Result<Charged<T::AccountId>, TransactionValidityError> {
        // Not invalid: there is room in a later block.
        let room = self.share.take::<T>(self.points);
        room.ok_or(InvalidTransaction::ExhaustsResources)?;
        if let Share::Newcomers | Share::Management = self.share {
            Pallet::<T>::note_included(&self.bucket.owner);
        }
        self.bucket.charge(self.points);
        let (owner, meter) = (self.bucket.owner.clone(), self.bucket.meter);
        self.bucket.save();
        Ok(Charged {
            owner,
            meter,
            points: self.points,
            share: self.share,
        })
    }
}

impl<T: Config> Pallet<T> {
    /// Chooses the bucket that pays for `call`: a guaranteed one if `who` has one for this lane and it holds enough, else the ordinary one.
    fn charge(who: &T::AccountId, call: &T::RuntimeCall, cost: Cost) -> Result<Charge<T>, InvalidTransaction> {
        let guaranteed = Self::guaranteed_bucket(who, call).filter(|(_, bucket)| cost.points <= bucket.remaining());
        match guaranteed {
            None => Self::ordinary_charge(who, cost),
            Some((Lane::ChangedVote, votes)) => Ok(Self::changed_vote_charge(who, votes, cost)),
            // Anybody may join and manage what it has joined with, so without a share of its own it does so with newcomers'.
            Some((Lane::Management, bucket)) if Self::standing(who).class.is_newcomer() => {
                Ok(Charge::new(bucket, cost, Turn::NewcomersManagement, Share::Management))
            }
            Some((_, bucket)) => Ok(Charge::new(bucket, cost, Turn::Guaranteed, Share::Whole)),
        }
    }

    /// A changed vote may be sent again and again, and from each part of a split operator. So what `votes` pay takes of the newcomers'
    /// share of a block. It goes when the ordinary bucket would let it go, or else only before newcomers. The ordinary bucket pays what
    /// would take the last room of those who have no other.
    fn changed_vote_charge(who: &T::AccountId, votes: Bucket<T>, cost: Cost) -> Charge<T> {
        let ordinary = Self::ordinary_charge(who, cost).ok();
        match ordinary.filter(|charge| matches!(charge.share, Share::Whole)) {
            None => Charge::new(votes, cost, Turn::ChangedVote, Share::ChangedVotes),
            Some(ordinary) if !Self::is_room_for_changed_vote(cost.points) => ordinary,
            Some(ordinary) => Charge {
                bucket: votes,
                share: Share::ChangedVotes,
                ..ordinary
            },
        }
    }

    fn ordinary_charge(who: &T::AccountId, cost: Cost) -> Result<Charge<T>, InvalidTransaction> {
        let standing = Self::standing(who);
        if cost.points > standing.capacity {
            return Err(InvalidTransaction::Custom(NEVER_AFFORDABLE));
        }
        let (turn, share) = if standing.class.is_newcomer() {
            (Turn::Newcomer, Share::Newcomers)
        } else {
            (Turn::Ordinary, Share::Whole)
        };
        let free = Self::free_beside_line(&standing);
        let bucket = Self::points_bucket(standing);
        if cost.points <= bucket.remaining() {
            return Ok(Charge::new(bucket, cost, turn, share));
        }
        // Nobody is asked before it is given a line, and that may be empty.
        free.filter(|bucket| cost.points <= bucket.remaining())
            .map(|bucket| Charge::new(bucket, cost, Turn::Newcomer, Share::Newcomers))
            .ok_or(InvalidTransaction::Custom(EXHAUSTED))
    }

    /// Whether `who` can pay for as many such calls, all of one bucket.
    pub(crate) fn affords(who: &T::AccountId, call: &T::RuntimeCall, cost: Points, count: u64) -> bool {
        let standing = Self::standing(who);
        let free = Self::free_beside_line(&standing);
        let guaranteed = Self::guaranteed_bucket(who, call).map(|(_, bucket)| bucket);
        let buckets = [Some(Self::points_bucket(standing)), free, guaranteed];
        let most = buckets.iter().flatten().map(Bucket::remaining).max().unwrap_or(0);
        cost.saturating_mul(count) <= most
    }

    fn give_back(charged: &Charged<T::AccountId>, points: Points) {
        Self::refund(&charged.owner, charged.meter, points);
        charged.share.give_back::<T>(points);
    }
}

impl<T: Config + Send + Sync> TransactionExtension<T::RuntimeCall> for ChargeQuota<T>
where
    T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
{
    const IDENTIFIER: &'static str = "ChargeQuota";
    type Implicit = ();
    /// `None` without a signer.
    type Val = Option<Charge<T>>;
    type Pre = Option<Charged<T::AccountId>>;

    fn weight(&self, _: &T::RuntimeCall) -> Weight {
        T::WeightInfo::charge_quota()
    }

    fn validate(
        &self,
        origin: T::RuntimeOrigin,
        call: &T::RuntimeCall,
        info: &DispatchInfoOf<T::RuntimeCall>,
        len: usize,
        _: (),
        _: &impl Encode,
        _: TransactionSource,
    ) -> ValidateResult<Self::Val, T::RuntimeCall> {
        let Some(who) = origin.as_system_origin_signer() else {
            return Ok((ValidTransaction::default(), None, origin));
        };
        let length = len.saturated_into();
        // It would wait in the pool until it dies.
        if length > T::MaxTransactionBytes::get() {
            return Err(InvalidTransaction::Custom(TOO_LONG).into());
        }
        let points = Pallet::<T>::cost(info, length);
        let charge = Pallet::<T>::charge(who, call, Cost { points, length })?;
        let validity = ValidTransaction {
            priority: charge.priority,
            ..Default::default()
        };
        Ok((validity, Some(charge), origin))
    }

    fn prepare(
        self,
        charge: Self::Val,
        _: &T::RuntimeOrigin,
        _: &T::RuntimeCall,
        _: &DispatchInfoOf<T::RuntimeCall>,
        _: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        charge.map(Charge::take).transpose()
    }

    fn post_dispatch_details(
        charged: Self::Pre,
        info: &DispatchInfoOf<T::RuntimeCall>,
        post_info: &PostDispatchInfoOf<T::RuntimeCall>,
        _: usize,
        _: &DispatchResult,
    ) -> Result<Weight, TransactionValidityError> {
        let Some(charged) = charged else {
            return Ok(T::WeightInfo::charge_quota());
        };
        // `Pays::No` waives a fee. It can't make more room in a block, and an account that sends such a call for nothing can do so without end.
        let unspent = info.total_weight().saturating_sub(post_info.calc_actual_weight(info));
        let points = Pallet::<T>::points_in(unspent).min(charged.points);
        Pallet::<T>::give_back(&charged, points);
        Ok(Weight::zero())
    }
}

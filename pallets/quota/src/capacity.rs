// SPDX-License-Identifier: Apache-2.0
//! Whose bucket an account draws on, and how large it is.
use crate::{
    Accounts, Class, Classify, Config, GenesisLines, Lane, Lines, Meter, Pallet, Points, QuotaParameters, Shape,
    Sponsors, UsageOf, Usages,
};
use ergon_primitives::traits::Parameters as _;
use frame_support::traits::Get;
use sp_runtime::{traits::UniqueSaturatedInto, SaturatedConversion};

/// One bucket as of this block, to be looked at, changed and stored again.
pub struct Bucket<T: Config> {
    /// Whose.
    pub owner: T::AccountId,
    /// Which of his.
    pub meter: Meter,
    /// How large.
    pub shape: Shape,
    /// What is missing.
    pub usage: UsageOf<T>,
}

impl<T: Config> Bucket<T> {
    /// The bucket of `owner` for `meter`, in this block.
    pub fn load(owner: T::AccountId, meter: Meter, capacity: u64) -> Self {
        let shape = Shape {
            capacity,
            period: Pallet::<T>::period(),
        };
        let usage = Usages::<T>::get(&owner, meter).refilled(shape, frame_system::Pallet::<T>::block_number());
        Self {
            owner,
            meter,
            shape,
            usage,
        }
    }

    /// What there is.
    pub fn remaining(&self) -> u64 {
        self.usage.remaining(self.shape)
    }

    /// Takes `amount`, even if there isn't as much.
    pub fn charge(&mut self, amount: u64) {
        self.usage.charge(self.shape.period, amount);
    }

    /// Stores it; full buckets take no space.
    pub fn save(self) {
        if self.usage.is_full() {
            Usages::<T>::remove(&self.owner, self.meter);
        } else {
            Usages::<T>::insert(&self.owner, self.meter, self.usage);
        }
    }
}

/// Whose bucket an account draws on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing<AccountId> {
    /// Its owner.
    pub owner: AccountId,
    /// Where its capacity comes from.
    pub class: Class,
    /// Points that it holds when full.
    pub capacity: Points,
}

impl<T: Config> Pallet<T> {
    /// Whose bucket `account` draws on and how large it is. Complexity: O(1).
    pub fn standing(account: &T::AccountId) -> Standing<T::AccountId> {
        let owner = Self::owner(account);
        let (class, capacity) = Self::class_and_capacity(&owner, &T::Parameters::get());
        Standing { owner, class, capacity }
    }

    /// Whether `account` may sign.
    pub fn is_known(account: &T::AccountId) -> bool {
        let account = frame_system::Account::<T>::get(account);
        account.providers > 0 || account.sufficients > 0
    }

    /// A hot key draws on its operator's bucket, unless it has a line of its own: then nobody can take the line away from
    /// an account by making it his hot key.
    pub(crate) fn owner(account: &T::AccountId) -> T::AccountId {
        if Lines::<T>::contains_key(account) || Self::genesis_line(account) > 0 {
            return account.clone();
        }
        T::Accounts::operator_of(account).unwrap_or_else(|| account.clone())
    }

    fn class_and_capacity(owner: &T::AccountId, curve: &QuotaParameters) -> (Class, Points) {
        if !Self::is_known(owner) {
            return (Class::Unknown, 0);
        }
        let (earned, floor) = (Self::earned(owner, curve), curve.newcomer_points);
        let class = if earned < floor {
            Class::Newcomer
        } else if Self::by_weight(owner, curve) > 0 {
            Class::Operator
        } else if Lines::<T>::contains_key(owner) {
            Class::Sponsored
        } else {
            Class::Genesis
        };
        (class, earned.max(floor))
    }

    /// What `owner` has that is not everybody's: its own, minus what it gives, plus what it is given.
    pub(crate) fn earned(owner: &T::AccountId, curve: &QuotaParameters) -> Points {
        let given = Sponsors::<T>::get(owner).points;
        Self::own(owner, curve)
            .saturating_sub(given)
            .saturating_add(Self::received(owner, curve))
    }

    /// What `account` may give: what it has by weight and from genesis.
    pub(crate) fn own(account: &T::AccountId, curve: &QuotaParameters) -> Points {
        Self::by_weight(account, curve).saturating_add(Self::genesis_line(account))
    }

    /// The weight's share of [`QuotaParameters::weight_points`], if `account` is an operator.
    fn by_weight(account: &T::AccountId, curve: &QuotaParameters) -> Points {
        if T::Accounts::operator_of(account).as_ref() != Some(account) {
            return 0;
        }
        let weight = T::Accounts::weight(account);
        let total = T::Accounts::total_weight().max(weight).max(1);
        let points = u128::from(curve.weight_points) * u128::from(weight) / u128::from(total);
        points.saturated_into()
    }

    /// What is left of the genesis line: half of it after each [`Config::GenesisHalfLife`], and linear in between.
    pub(crate) fn genesis_line(account: &T::AccountId) -> Points {
        let Some(line) = GenesisLines::<T>::get(account) else {
            return 0;
        };
        let now: u64 = frame_system::Pallet::<T>::block_number().unique_saturated_into();
        let half_life: u64 = UniqueSaturatedInto::<u64>::unique_saturated_into(T::GenesisHalfLife::get()).max(1);
        let halvings = u32::try_from(now / half_life).unwrap_or(u32::MAX);
        let line = line.checked_shr(halvings).unwrap_or(0);
        let lost = u128::from(line) * u128::from(now % half_life) / u128::from(half_life) / 2;
        line.saturating_sub(lost.saturated_into())
    }

    /// What `account` gets from its sponsor. If he has given more than he has now, it is cut in proportion.
    pub(crate) fn received(account: &T::AccountId, curve: &QuotaParameters) -> Points {
        let Some(line) = Lines::<T>::get(account) else {
            return 0;
        };
        let (own, given) = (
            Self::own(&line.sponsor, curve),
            Sponsors::<T>::get(&line.sponsor).points,
        );
        if given <= own {
            return line.points;
        }
        let cut = u128::from(line.points) * u128::from(own) / u128::from(given);
        cut.saturated_into()
    }

    /// The buckets that `owner` has for block space and compute, apart from any operator's.
    pub(crate) fn own_buckets(owner: &T::AccountId, curve: &QuotaParameters) -> [Bucket<T>; 2] {
        let (_, capacity) = Self::class_and_capacity(owner, curve);
        [
            Bucket::load(owner.clone(), Meter::Ordinary, capacity),
            Bucket::load(owner.clone(), Meter::Units, curve.units(capacity)),
        ]
    }

    /// Blocks that fill a bucket.
    fn period() -> u64 {
        let period: u64 = T::RefillBlocks::get().unique_saturated_into();
        period.max(1)
    }

    /// The lane of `call`, and the bucket that is guaranteed to `who` for it, if there is one: for duties that of its operator, for
    /// votes that of the operator itself, if it has weight.
    pub(crate) fn guaranteed_bucket(who: &T::AccountId, call: &T::RuntimeCall) -> Option<(Lane, Bucket<T>)> {
        let operator = T::Accounts::operator_of(who)?;
        let curve = T::Parameters::get();
        let lane = T::Lanes::lane(who, &operator, call);
        let bucket = match lane {
            Lane::Duty => Bucket::load(operator, Meter::Duty, curve.duty_points),
            Lane::Vote | Lane::ChangedVote if operator == *who && T::Accounts::weight(who) > 0 => {
                Bucket::load(operator, Meter::Vote, curve.vote_points)
            }
            Lane::Vote | Lane::ChangedVote | Lane::Ordinary => return None,
        };
        Some((lane, bucket))
    }

    /// Puts `amount` back into a bucket.
    pub(crate) fn refund(owner: &T::AccountId, meter: Meter, amount: u64) {
        Usages::<T>::mutate_exists(owner, meter, |entry| {
            let Some(usage) = entry else { return };
            usage.refund(Self::period(), amount);
            if usage.is_full() {
                *entry = None;
            }
        });
    }
}

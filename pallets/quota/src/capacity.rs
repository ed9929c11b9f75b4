// SPDX-License-Identifier: Apache-2.0
//! Whose bucket an account draws on, and how large it is.
use crate::{
    Accounts, Admitted, Class, Classify, Config, GenesisLines, Lane, Lines, Meter, Pallet, Points, QuotaParameters,
    Shape, Sponsors, Usage, UsageOf, Usages,
};
use ergon_primitives::traits::Parameters as _;
use ergon_storage::{Kept, Unreadable};
use frame_support::traits::Get;
use sp_runtime::{traits::UniqueSaturatedInto, SaturatedConversion};

/// One bucket as of this block, to be looked at, changed and stored again.
pub struct Bucket<T: Config> {
    /// Whose.
    pub owner: T::AccountId,
    /// Which of its owner's.
    pub meter: Meter,
    /// How large.
    pub shape: Shape,
    /// What is missing.
    pub usage: UsageOf<T>,
}

impl<T: Config> Bucket<T> {
    /// The bucket of `owner` for `meter`, in this block. `full` is how large it was, and full, if it was never touched. One that doesn't decode is
    /// empty until it is repaired.
    pub fn load(owner: T::AccountId, meter: Meter, capacity: u64, full: u64) -> Self {
        let shape = Shape {
            capacity,
            period: Pallet::<T>::period(),
        };
        let now = frame_system::Pallet::<T>::block_number();
        let usage = match Usages::<T>::read(&Usages::<T>::hashed_key_for(&owner, meter)) {
            Ok(usage) => {
                usage
                    .unwrap_or_else(|| Usage::full(full.min(capacity)))
                    .refilled(shape, T::WeightsSince::get(), now)
            }
            Err(Unreadable) => Usage::full(0).refilled(shape, now, now),
        };
        Self {
            owner,
            meter,
            shape,
            usage,
        }
    }

    /// A bucket of the same size for everybody who has it.
    pub fn of_all(owner: T::AccountId, meter: Meter, capacity: u64) -> Self {
        Self::load(owner, meter, capacity, capacity)
    }

    /// What there is.
    pub fn remaining(&self) -> u64 {
        self.usage.remaining(self.shape)
    }

    /// Takes `amount`, even if there isn't as much.
    pub fn charge(&mut self, amount: u64) {
        self.usage.charge(self.shape.period, amount);
    }

    /// Gives it another size, with `left` in it, as far as that fits.
    pub fn resize(&mut self, capacity: u64, left: u64) {
        self.shape.capacity = capacity;
        self.usage.resize(self.shape, left);
    }

    /// Stores it, unless what is there doesn't decode.
    pub fn save(self) {
        let key = Usages::<T>::hashed_key_for(&self.owner, self.meter);
        let _ = Usages::<T>::change(&key, |usage| *usage = Some(self.usage));
    }
}

/// Which bucket an account draws on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing<AccountId> {
    /// Its owner.
    pub owner: AccountId,
    /// Which of its owner's it is, of block space.
    pub meter: Meter,
    /// Where its capacity comes from.
    pub class: Class,
    /// Points that it holds when full.
    pub capacity: Points,
    /// The part of them that was there from the beginning.
    pub full: Points,
}

impl<T: Config> Pallet<T> {
    /// Which bucket `account` draws on and how large it is. Complexity: O(1).
    pub fn standing(account: &T::AccountId) -> Standing<T::AccountId> {
        let curve = T::Parameters::get();
        match Self::acts_for(account) {
            Some(operator) => {
                let class = Self::own_standing(operator.clone(), &curve).class;
                Standing {
                    owner: operator,
                    meter: Meter::Hot,
                    class,
                    capacity: curve.newcomer_points,
                    full: curve.newcomer_points,
                }
            }
            None => Self::own_standing(account.clone(), &curve),
        }
    }

    /// The bucket of points that an account of this `standing` draws on.
    pub(crate) fn points_bucket(standing: Standing<T::AccountId>) -> Bucket<T> {
        Bucket::load(standing.owner, standing.meter, standing.capacity, standing.full)
    }

    /// The free bucket of points of a newcomer that has a line.
    pub(crate) fn free_beside_line(standing: &Standing<T::AccountId>) -> Option<Bucket<T>> {
        let has_both = standing.class == Class::Sponsored
            && standing.meter == Meter::Ordinary
            && Admitted::<T>::contains_key(&standing.owner);
        let free = T::Parameters::get().newcomer_points;
        has_both.then(|| Bucket::of_all(standing.owner.clone(), Meter::Free, free))
    }

    /// Its bucket of units; `None` for a hot key.
    pub(crate) fn units_bucket(standing: Standing<T::AccountId>) -> Option<Bucket<T>> {
        let meter = match standing.meter {
            Meter::Ordinary => Meter::Units,
            Meter::Free => Meter::FreeUnits,
            _ => return None,
        };
        let curve = T::Parameters::get();
        let (capacity, full) = (curve.units(standing.capacity), curve.units(standing.full));
        Some(Bucket::load(standing.owner, meter, capacity, full))
    }

    /// Whether `account` may sign.
    pub fn is_known(account: &T::AccountId) -> bool {
        let account = frame_system::Account::<T>::get(account);
        account.providers > 0 || account.sufficients > 0
    }

    /// Whether `account` works for another one.
    pub(crate) fn is_hot_key(account: &T::AccountId) -> bool {
        T::Accounts::operator_of(account).is_some_and(|operator| operator != *account)
    }

    /// The operator that `account` is a hot key of, if it has nothing of its own: so nobody can take what it has away from an account by
    /// making it a hot key.
    fn acts_for(account: &T::AccountId) -> Option<T::AccountId> {
        if Lines::<T>::contains_key(account) || Self::genesis_line(account) > 0 || Admitted::<T>::contains_key(account)
        {
            return None;
        }
        T::Accounts::operator_of(account).filter(|operator| operator != account)
    }

    fn own_standing(owner: T::AccountId, curve: &QuotaParameters) -> Standing<T::AccountId> {
        let (earned, free) = (Self::earned(&owner, curve), curve.newcomer_points);
        let (class, meter, capacity) = if earned < free {
            match Admitted::<T>::contains_key(&owner) {
                true => (Class::Newcomer, Meter::Free, free),
                false => (Class::Unknown, Meter::Free, 0),
            }
        } else if Self::by_weight(&owner, curve) > 0 {
            (Class::Operator, Meter::Ordinary, earned)
        } else if Lines::<T>::contains_key(&owner) {
            (Class::Sponsored, Meter::Ordinary, earned)
        } else {
            (Class::Genesis, Meter::Ordinary, earned)
        };
        let full = match meter {
            Meter::Free => capacity,
            _ => Self::genesis_line(&owner),
        };
        Standing {
            owner,
            meter,
            class,
            capacity,
            full,
        }
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

    /// What `account` gets from its sponsor. If that has given more than it has now, it is cut in proportion.
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

    /// What `owner` has earned, as buckets of points and of units.
    pub(crate) fn earned_buckets(owner: &T::AccountId, curve: &QuotaParameters) -> [Bucket<T>; 2] {
        let (capacity, full) = (Self::earned(owner, curve), Self::genesis_line(owner));
        [
            Bucket::load(owner.clone(), Meter::Ordinary, capacity, full),
            Bucket::load(owner.clone(), Meter::Units, curve.units(capacity), curve.units(full)),
        ]
    }

    /// Blocks that fill a bucket.
    fn period() -> u64 {
        let period: u64 = T::RefillBlocks::get().unique_saturated_into();
        period.max(1)
    }

    /// The lane of `call`, and the bucket that is guaranteed to `who` for it, if there is one: for duties that of its operator; for
    /// management that of the operator itself, and for votes, too, if it has weight.
    pub(crate) fn guaranteed_bucket(who: &T::AccountId, call: &T::RuntimeCall) -> Option<(Lane, Bucket<T>)> {
        let operator = T::Accounts::operator_of(who)?;
        let curve = T::Parameters::get();
        let lane = T::Lanes::lane(who, &operator, call);
        let bucket = match lane {
            Lane::Duty => Bucket::of_all(operator, Meter::Duty, curve.duty_points),
            Lane::Management if operator == *who => Bucket::of_all(operator, Meter::Management, curve.newcomer_points),
            Lane::Vote | Lane::ChangedVote if operator == *who && T::Accounts::weight(who) > 0 => {
                Bucket::of_all(operator, Meter::Vote, curve.vote_points)
            }
            Lane::Management | Lane::Vote | Lane::ChangedVote | Lane::Ordinary => return None,
        };
        Some((lane, bucket))
    }

    /// Puts `amount` back into a bucket.
    pub(crate) fn refund(owner: &T::AccountId, meter: Meter, amount: u64) {
        Usages::<T>::change_readable(&Usages::<T>::hashed_key_for(owner, meter), |usage| {
            usage.refund(Self::period(), amount);
        });
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What things cost, and what an account may still do: for the extension, other pallets and the runtime APIs.
use crate::{Accounts, Bucket, Config, Error, Lines, Meter, Pallet, Points, QuotaInfo, Sponsors};
use ergon_primitives::{quota::Quota, traits::Parameters as _, Units};
use frame_support::{dispatch::DispatchInfo, ensure, pallet_prelude::DispatchResult, traits::Get, weights::Weight};
use sp_runtime::DispatchError;

/// Picoseconds of `ref_time` in a point.
const PICOSECONDS: u64 = 1_000_000;

impl<T: Config> Pallet<T> {
    /// Points in `weight`, rounded down. There is no proof size in a chain that is no parachain.
    pub fn points_in(weight: Weight) -> Points {
        weight.ref_time() / PICOSECONDS
    }

    /// What a transaction of `length` bytes costs before it is known what it really takes: the weight of its call and its
    /// extensions, that of an empty transaction, and its length. `GetDispatchInfo` of the whole transaction gives `info`.
    pub fn cost(info: &DispatchInfo, length: u32) -> Points {
        let base = T::BlockWeights::get().get(info.class).base_extrinsic;
        let time = info
            .total_weight()
            .saturating_add(base)
            .ref_time()
            .div_ceil(PICOSECONDS);
        let bytes = T::PointsPerByte::get().saturating_mul(u64::from(length));
        time.saturating_add(bytes)
    }

    /// What `account` may still do in this block. Complexity: O(1).
    pub fn quota_of(account: &T::AccountId) -> QuotaInfo<T::AccountId> {
        let standing = Self::standing(account);
        let ordinary = Bucket::<T>::load(standing.owner.clone(), Meter::Ordinary, standing.capacity);
        let curve = T::Parameters::get();
        let units_capacity = curve.units(standing.capacity);
        let operator = T::Accounts::operator_of(account);
        let votes = operator.as_ref() == Some(account) && T::Accounts::weight(account) > 0;
        let left = |meter, capacity| {
            let owner = operator.clone().unwrap_or_else(|| account.clone());
            Bucket::<T>::load(owner, meter, capacity).remaining()
        };
        QuotaInfo {
            class: standing.class,
            capacity: standing.capacity,
            points: ordinary.remaining(),
            blocks_until_full: ordinary.usage.blocks_until_full(ordinary.shape),
            units_capacity,
            units: Bucket::<T>::load(standing.owner.clone(), Meter::Units, units_capacity).remaining(),
            duty_points: operator.as_ref().map_or(0, |_| left(Meter::Duty, curve.duty_points)),
            vote_points: if votes { left(Meter::Vote, curve.vote_points) } else { 0 },
            sponsor: Lines::<T>::get(&standing.owner).map(|line| line.sponsor),
            given: Sponsors::<T>::get(&standing.owner).points,
            bucket: standing.owner,
        }
    }
}

impl<T: Config> Quota<T::AccountId> for Pallet<T> {
    type Error = DispatchError;

    /// Complexity: O(1).
    fn is_newcomer(who: &T::AccountId) -> bool {
        Self::standing(who).class.is_newcomer()
    }

    /// Complexity: O(1).
    fn reserve(who: &T::AccountId, units: Units) -> DispatchResult {
        let standing = Self::standing(who);
        let capacity = T::Parameters::get().units(standing.capacity);
        ensure!(units <= capacity, Error::<T>::NeverAffordable);
        let mut bucket = Bucket::<T>::load(standing.owner, Meter::Units, capacity);
        ensure!(units <= bucket.remaining(), Error::<T>::UnitsExhausted);
        if standing.class.is_newcomer() {
            Self::take_newcomer_units(units).ok_or(Error::<T>::NewcomersExhausted)?;
        }
        bucket.usage.hold(units);
        bucket.save();
        Ok(())
    }

    /// Complexity: O(1).
    fn settle(who: &T::AccountId, reserved: Units, used: Units) {
        let standing = Self::standing(who);
        let capacity = T::Parameters::get().units(standing.capacity);
        let mut bucket = Bucket::<T>::load(standing.owner, Meter::Units, capacity);
        bucket.usage.settle(bucket.shape.period, reserved, used);
        bucket.save();
    }

    /// Complexity: O(1).
    fn charge_life(who: &T::AccountId, ref_time: u64) -> DispatchResult {
        let points = ref_time.div_ceil(PICOSECONDS);
        let standing = Self::standing(who);
        ensure!(points <= standing.capacity, Error::<T>::NeverAffordable);
        let mut bucket = Bucket::<T>::load(standing.owner, Meter::Ordinary, standing.capacity);
        ensure!(points <= bucket.remaining(), Error::<T>::PointsExhausted);
        if standing.class.is_newcomer() {
            Self::take_newcomer_points(points).ok_or(Error::<T>::NewcomersExhausted)?;
        }
        bucket.charge(points);
        bucket.save();
        Ok(())
    }
}

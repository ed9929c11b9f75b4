// SPDX-License-Identifier: Apache-2.0
//! What things cost, and what an account may still do: for the extension, other pallets and the runtime APIs.
use crate::{Accounts, Admitted, Bucket, Config, Error, Lines, Meter, Pallet, Points, QuotaInfo, Sponsors};
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
        let points = Self::points_bucket(standing.clone());
        let units = Self::units_bucket(standing.clone());
        let curve = T::Parameters::get();
        let operator = T::Accounts::operator_of(account);
        let votes = operator.as_ref() == Some(account) && T::Accounts::weight(account) > 0;
        let left = |meter, capacity| {
            let owner = operator.clone().unwrap_or_else(|| account.clone());
            Bucket::<T>::of_all(owner, meter, capacity).remaining()
        };
        QuotaInfo {
            class: standing.class,
            capacity: standing.capacity,
            points: points.remaining(),
            blocks_until_full: points.usage.blocks_until_full(points.shape),
            units_capacity: units.as_ref().map_or(0, |units| units.shape.capacity),
            units: units.map_or(0, |units| units.remaining()),
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
        let newcomer = standing.class.is_newcomer();
        let mut bucket = Self::units_bucket(standing).ok_or(Error::<T>::NeverAffordable)?;
        ensure!(units <= bucket.shape.capacity, Error::<T>::NeverAffordable);
        ensure!(units <= bucket.remaining(), Error::<T>::UnitsExhausted);
        if newcomer {
            Self::take_newcomer_units(units).ok_or(Error::<T>::NewcomersExhausted)?;
        }
        bucket.usage.hold(units);
        bucket.save();
        Ok(())
    }

    /// Complexity: O(1). An account's class may have changed since it reserved. Of its two buckets the free one is settled first, as far
    /// as it holds anything: what both hold is what is reserved, whatever the order.
    fn settle(who: &T::AccountId, reserved: Units, used: Units) {
        let curve = T::Parameters::get();
        let free = if Admitted::<T>::contains_key(who) {
            curve.newcomer_points
        } else {
            0
        };
        let [_, earned] = Self::earned_buckets(who, &curve);
        let free = Bucket::<T>::of_all(who.clone(), Meter::FreeUnits, curve.units(free));
        let (mut reserved, mut used) = (reserved, used.min(reserved));
        for mut bucket in [free, earned] {
            let settled = reserved.min(bucket.usage.held);
            let charged = used.min(settled);
            bucket.usage.settle(bucket.shape.period, settled, charged);
            (reserved, used) = (reserved.saturating_sub(settled), used.saturating_sub(charged));
            if settled > 0 {
                bucket.save();
            }
        }
    }

    /// Complexity: O(1).
    fn charge_life(who: &T::AccountId, ref_time: u64) -> DispatchResult {
        let points = Self::points_in(Weight::from_parts(ref_time, 0));
        let standing = Self::standing(who);
        let newcomer = standing.class.is_newcomer();
        let mut bucket = Self::points_bucket(standing);
        ensure!(points <= bucket.shape.capacity, Error::<T>::NeverAffordable);
        ensure!(points <= bucket.remaining(), Error::<T>::PointsExhausted);
        if newcomer {
            Self::take_newcomer_points(points).ok_or(Error::<T>::NewcomersExhausted)?;
        }
        bucket.charge(points);
        bucket.save();
        Ok(())
    }
}

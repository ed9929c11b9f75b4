// SPDX-License-Identifier: Apache-2.0
//! From units to vote weight: an exponential moving average, in integers.
//!
//! Time is counted in half-lives. When `t` of them have passed, a weight is `2^-t` of what it was:
//!
//! ```text
//! average(w, u, t, e) = w * 2^-t + u * (1 - 2^-e)
//! ```
//!
//! is the weight that `w` has become, when `u` units were earned in the last of the epochs that passed, which took `e` of the `t`
//! half-lives. With half-life `h`, an epoch takes `1 / h`; [`Schedule`](crate::Schedule) adds them up.
//!
//! # Precision
//!
//! `2^-t` is computed with 64 binary places, like `t`, by halving for whole half-lives and by the Taylor series of `e^-y`, with
//! `y < ln 2`, in Horner's form for the rest. 20 terms leave `y^21 / 21! < 2^-74`. The roundings of `y` (below 2 units of the
//! last place), of the series (together below `2 e^y` = 4) and of the halving (1) sum up to less than 8 units of the
//! last place, and the final one rounds down. So the error of a result is less than `1 + (w + u) / 2^61`. As `t` is the difference of
//! two indices, decay in two steps is decay in one, up to these roundings.
//!
//! # No overflow
//!
//! Weights are read in hooks, where a panic stops the chain. For any arguments, `exponent < LN_2 < 2^64` and, term by term, `0 < sum <= ONE`, so
//! `exponent * sum < 2^128`, and nothing is subtracted from `ONE` that is more.
use ergon_primitives::{Units, VoteWeight};

/// A number of half-lives, with 64 binary places.
pub type HalfLives = u128;

/// One half-life.
pub const HALF_LIFE: HalfLives = ONE;
/// 1 with 64 binary places.
const ONE: u128 = 1 << 64;
/// The natural logarithm of 2 with 64 binary places, rounded down.
const LN_2: u128 = 0xB172_17F7_D1CF_79AB;
/// Terms of the series.
const TERMS: u128 = 20;
/// More than what roundings can take from the total and add to all weights, as long as weights and units sum to less
/// than 2^61.
const ROUNDING: VoteWeight = 8;

/// What a weight of `previous` has become after `elapsed`, with `units` earned in the epoch at the end of it, which took `last`. With
/// `elapsed = 0`, nothing has changed.
///
/// The error bound is in the [module's documentation](self).
///
/// ```
/// use pallet_contributions::weight::{average, HALF_LIFE};
/// assert_eq!(average(1000, 0, HALF_LIFE, 0), 500);
/// assert_eq!(average(1000, 0, 2 * HALF_LIFE, HALF_LIFE / 4), 250);
/// assert_eq!(average(0, 1000, HALF_LIFE, HALF_LIFE), 500);
/// assert_eq!(average(1000, 1000, HALF_LIFE / 7, HALF_LIFE / 7), 1000);
/// ```
pub fn average(previous: VoteWeight, units: Units, elapsed: HalfLives, last: HalfLives) -> VoteWeight {
    if elapsed == 0 {
        return previous;
    }
    // The factors sum to at most ONE, since `last` is a part of `elapsed`; so the sum fits 128 bits and the result 64.
    let (kept, gained) = (retained(elapsed), ONE - retained(last.min(elapsed)));
    ((u128::from(previous) * kept + u128::from(units) * gained) >> 64) as VoteWeight
}

/// Like [`average`], for the sum of all weights: kept apart from the parts, it must not fall below their sum by
/// roundings.
pub fn average_of_all(previous: VoteWeight, units: Units, elapsed: HalfLives, last: HalfLives) -> VoteWeight {
    if elapsed == 0 {
        return previous;
    }
    // After 64 half-lives, no part is left either.
    if units == 0 && (previous == 0 || elapsed >= 64 * HALF_LIFE) {
        return 0;
    }
    average(previous, units, elapsed, last).saturating_add(ROUNDING)
}

/// The least units that are worth `weight` at the end of the epoch in which they were earned, and which took `epoch`: [`average`] of
/// nothing before and these is `weight`, to the unit. `None` if that is more than units can be.
///
/// ```
/// use pallet_contributions::weight::{average, units_for, HALF_LIFE};
/// let epoch = HALF_LIFE / 4;
/// assert_eq!(units_for(500, HALF_LIFE), Some(1000));
/// assert_eq!(average(0, units_for(159_103, epoch).unwrap(), epoch, epoch), 159_103);
/// assert_eq!(units_for(u64::MAX, HALF_LIFE), None);
/// ```
pub fn units_for(weight: VoteWeight, epoch: HalfLives) -> Option<Units> {
    // `average` rounds down and grows by at most 1 a unit, so it skips no weight.
    let gained = ONE - retained(epoch);
    Units::try_from((u128::from(weight) << 64).div_ceil(gained)).ok()
}

/// `2^-elapsed` with 64 binary places.
fn retained(elapsed: HalfLives) -> u128 {
    let (halvings, rest) = (elapsed / HALF_LIFE, elapsed % HALF_LIFE);
    if halvings >= 64 {
        return 0;
    }
    let exponent = (LN_2 * rest) >> 64;
    let power = (1..=TERMS).rev().fold(ONE, |sum, n| ONE - ((exponent * sum) >> 64) / n);
    power >> halvings
}

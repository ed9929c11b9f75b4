// SPDX-License-Identifier: Apache-2.0
//! From units to vote weight: an exponential moving average, in integers.
//!
//! With half-life `h`, `d = 2^(-1/h)`:
//!
//! ```text
//! average(w, u, k, h) = w * d^k + u * (1 - d)
//! ```
//!
//! is the weight `k` epochs after it was `w`, when `u` units were earned in the last of these epochs and none in the
//! others.
//!
//! # Precision
//!
//! `d^k` is computed with 64 binary places, by halving for whole half-lives and by the Taylor series of `e^-y`, with
//! `y < ln 2`, in Horner's form for the rest. 20 terms leave `y^21 / 21! < 2^-74`. The roundings of `y` (below 2 units of the
//! last place), of the series (together below `2 e^y` = 4) and of the halving (1) sum up to less than 8 units of the
//! last place, and the final one rounds down. So the error of a result is less than `1 + (w + u) / 2^61`.
use ergon_primitives::{Units, VoteWeight};

/// 1 with 64 binary places.
const ONE: u128 = 1 << 64;
/// The natural logarithm of 2 with 64 binary places, rounded down.
const LN_2: u128 = 0xB172_17F7_D1CF_79AB;
/// Terms of the series.
const TERMS: u128 = 20;
/// More than what roundings can take from the total and add to all weights, as long as weights and units sum to less
/// than 2^61.
const ROUNDING: VoteWeight = 8;

/// Weight `elapsed` epochs after it was `previous`, with `units` earned in the last of them. With `elapsed = 0`,
/// nothing has changed.
///
/// `half_life` is in epochs and not 0. The error bound is in the [module's documentation](self).
///
/// ```
/// use pallet_contributions::weight::average;
/// assert_eq!(average(1000, 0, 4, 4), 500);
/// assert_eq!(average(1000, 0, 8, 4), 250);
/// assert_eq!(average(0, 1000, 1, 1), 500);
/// assert_eq!(average(1000, 1000, 1, 7), 1000);
/// ```
pub fn average(previous: VoteWeight, units: Units, elapsed: u32, half_life: u32) -> VoteWeight {
    if elapsed == 0 {
        return previous;
    }
    // The factors sum to at most ONE, so the sum fits 128 bits and the result 64.
    let kept = retained(elapsed, half_life);
    let gained = ONE - retained(1, half_life);
    ((u128::from(previous) * kept + u128::from(units) * gained) >> 64) as VoteWeight
}

/// Like [`average`], for the sum of all weights: kept apart from the parts, it must not fall below their sum by
/// roundings.
pub fn average_of_all(previous: VoteWeight, units: Units, elapsed: u32, half_life: u32) -> VoteWeight {
    if elapsed == 0 {
        return previous;
    }
    // After 64 half-lives, no part is left either.
    if units == 0 && (previous == 0 || elapsed / half_life >= 64) {
        return 0;
    }
    average(previous, units, elapsed, half_life).saturating_add(ROUNDING)
}

/// The least units that are worth `weight` at the end of the epoch in which they were earned: [`average`] of nothing
/// before and these is `weight`, to the unit. `None` if that is more than units can be.
///
/// ```
/// use pallet_contributions::weight::{average, units_for};
/// assert_eq!(units_for(500, 1), Some(1000));
/// assert_eq!(average(0, units_for(159_103, 4).unwrap(), 1, 4), 159_103);
/// assert_eq!(units_for(u64::MAX, 1), None);
/// ```
pub fn units_for(weight: VoteWeight, half_life: u32) -> Option<Units> {
    // `average` rounds down and grows by at most 1 a unit, so it skips no weight.
    let gained = ONE - retained(1, half_life);
    Units::try_from((u128::from(weight) << 64).div_ceil(gained)).ok()
}

/// `2^(-epochs / half_life)` with 64 binary places.
fn retained(epochs: u32, half_life: u32) -> u128 {
    let halvings = epochs / half_life;
    if halvings >= 64 {
        return 0;
    }
    let exponent = LN_2 * u128::from(epochs % half_life) / u128::from(half_life);
    let power = (1..=TERMS).rev().fold(ONE, |sum, n| ONE - ((exponent * sum) >> 64) / n);
    power >> halvings
}

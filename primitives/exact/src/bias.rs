// SPDX-License-Identifier: Apache-2.0
//! Biases: constants that are added to the output of a matrix or of a norm.
use crate::round::shift_round;

/// Biases are below this size.
pub const BOUND: i32 = 1 << 29;

/// Adds a bias of value `bias * 2^-f` to a row of exponent `exponent`, in place; returns the exponent of the sum.
///
/// The sum has the larger of both exponents, `e`: `shift_round(y, min(e - exponent, 31)) + shift_round(bias, min(e + f, 31))`.
/// So nothing is ever shifted to the left, and whatever the exponents are nothing overflows: an output is at most `2^30 + 1` in size
/// ([`output_shift`](crate::linear::output_shift), [`rms_norm`](crate::norm::rms_norm)), a bias below 2^29.
/// Error: half a unit of the result for each of both.
///
/// # Panics
/// If the lengths differ.
pub fn add(y: &mut [i32], exponent: i32, bias: &[i32], f: i32) -> i32 {
    assert_eq!(y.len(), bias.len());
    let largest = exponent.max(-f);
    let by = |exponent: i32| largest.saturating_sub(exponent).min(31);
    for (y, bias) in y.iter_mut().zip(bias) {
        *y = (shift_round(i64::from(*y), by(exponent)) + shift_round(i64::from(*bias), by(-f))) as i32;
    }
    largest
}

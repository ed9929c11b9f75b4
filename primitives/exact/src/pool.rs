// SPDX-License-Identifier: Apache-2.0
//! Mean pooling and L2 normalization: the embedding of a text from the final rows of its tokens.
//!
//! The mean is the sum over a number, and the norm takes every positive factor out again, so nothing is divided by the number of tokens.
use crate::{norm::inverse_root, round::shift_round};

/// Exponent of an embedding: its values are `out * 2^-30`.
pub const EMBEDDING_EXPONENT: i32 = -30;

/// Adds a row of the residual stream to the sum over tokens. At most 2^15 rows, so at most 2^46 in size.
///
/// # Panics
/// If the lengths differ.
pub fn add(sum: &mut [i64], h: &[i32]) {
    assert_eq!(sum.len(), h.len());
    for (sum, h) in sum.iter_mut().zip(h) {
        *sum += i64::from(*h);
    }
}

/// `sum` over its Euclidean length, Q30; zeros stay zeros.
///
/// With `t = max(0, bits(max |sum|) - 22)`, `x = shift_round(sum, t)`, `s = max(1, sum(x^2))` and `(inverse, half)` = [`inverse_root`]`(s)`:
/// `out = shift_round(x * inverse, 32 - half)`. Needs at most 2^16 elements of at most 2^46 in size.
///
/// Bounds: `|x| <= 2^22`, `s <= 2^60`, so `half >= 1`; `|x * inverse| <= 2^53`, `|out| <= 2^30 + 1`.
/// Error: 1 unit by rounding, 2^-28 of the result by the root; if there is a shift, also 2^-20 of the largest.
///
/// # Panics
/// If the lengths differ.
pub fn unit(sum: &[i64], out: &mut [i32]) {
    assert_eq!(sum.len(), out.len());
    let largest = sum
        .iter()
        .fold(0, |largest: u64, value| largest.max(value.unsigned_abs()));
    let t = (42 - largest.leading_zeros() as i32).max(0);
    let mut squares = 0u64;
    for (out, value) in out.iter_mut().zip(sum) {
        *out = shift_round(*value, t) as i32;
        squares += u64::from(out.unsigned_abs()) * u64::from(out.unsigned_abs());
    }
    let (inverse, half) = inverse_root(squares.max(1));
    for out in out {
        *out = shift_round(i64::from(*out) * i64::from(inverse), 32 - half) as i32;
    }
}

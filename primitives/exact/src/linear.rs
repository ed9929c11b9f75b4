// SPDX-License-Identifier: Apache-2.0
//! Matrices: `i8` weights with one 24-bit scale a row, times a row of `i16` mantissas.
//!
//! The matrix is `[rows, columns]`, row after row, at most 65536 columns; the value of a weight is `weight * scale[row] * 2^-f`, `scale` in
//! `0..2^24`. Its output is shifted right by a number that is a property of the matrix ([`output_shift`]), so no input can overflow it.
use crate::{
    round::{bit_length, shift_round},
    TOP,
};

/// The two planes of a mantissa, `x = 256 * high + low`, both in `i8` for `|x| <= 32639`.
///
/// A device that multiplies bytes sums each plane by itself: at most 65536 * 128 * 128 = 2^30.
#[inline]
pub const fn planes(x: i16) -> (i8, i8) {
    let low = x as i8;
    (((x as i32 - low as i32) >> 8) as i8, low)
}

/// `sum(weight[i] * x[i])`. At most 65536 * 128 * 32768 = 2^38 in size.
///
/// # Panics
/// If the lengths differ.
pub fn dot(weight: &[i8], x: &[i16]) -> i64 {
    assert_eq!(weight.len(), x.len());
    weight
        .iter()
        .zip(x)
        .map(|(weight, x)| i64::from(*weight) * i64::from(*x))
        .sum()
}

/// The sum of one row as the row's output: `shift_round(sum * scale, shift)`, below 2^31 in size if `shift` is the matrix's [`output_shift`].
#[inline]
pub const fn rescale(sum: i64, scale: i32, shift: u32) -> i32 {
    shift_round(sum * scale as i64, shift as i32) as i32
}

/// Least shift under which no output of a matrix needs more than 30 bits, whatever its input: with
/// `bound = max over rows of sum |weight| * 32639 * scale`, it is `max(0, bits(bound) - 30)`.
///
/// `bound < 65536 * 128 * 32639 * 2^24 < 2^62`, so neither the product in [`rescale`] nor its rounding overflows 64 bits.
///
/// # Panics
/// If there are no columns.
pub fn output_shift(columns: usize, weight: &[i8], scale: &[i32]) -> u32 {
    let bound = weight.chunks_exact(columns).zip(scale).map(|(row, scale)| {
        let sum: u64 = row.iter().map(|weight| u64::from(weight.unsigned_abs())).sum();
        u128::from(sum) * TOP as u128 * u128::from(scale.unsigned_abs())
    });
    let bound = bound.max().unwrap_or(0);
    let bits = match (bound >> 32) as u32 {
        0 => bit_length(bound as u32),
        high => 32 + bit_length(high),
    };
    (bits as u32).saturating_sub(30)
}

/// Exponent of the output for an input of exponent `x`.
#[inline]
pub const fn output_exponent(x: i32, f: i32, shift: u32) -> i32 {
    x - f + shift as i32
}

/// `out[row] = rescale(dot(weight[row], x), scale[row], shift)`; its exponent is [`output_exponent`].
///
/// Error: half a unit of the result. Overflow: none, if `shift` is [`output_shift`] and mantissas are at most 32639 in size.
///
/// # Panics
/// If the shapes differ.
pub fn linear(weight: &[i8], scale: &[i32], shift: u32, x: &[i16], out: &mut [i32]) {
    assert_eq!((weight.len(), scale.len()), (out.len() * x.len(), out.len()));
    for ((out, row), scale) in out.iter_mut().zip(weight.chunks_exact(x.len())).zip(scale) {
        *out = rescale(dot(row, x), *scale, shift);
    }
}

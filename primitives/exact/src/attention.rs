// SPDX-License-Identifier: Apache-2.0
//! Attention of one query over the keys and values of its head, in fixed passes.
//!
//! The largest score and the largest exponent of a value are found first, then every term is aligned to them. Nothing depends on the order
//! in which positions are visited, so the cache may be cut in any way.
use crate::round::{mul_shift, shift_round};

/// Scores are clamped to this size, in Q16.
const MOST: i32 = 1 << 30;

/// `log2(e) / sqrt(head_dim) = mantissa * 2^-shift`, `mantissa` in `2^29..2^30`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// Mantissa.
    pub mantissa: i32,
    /// Shift, 0 to 62.
    pub shift: i32,
}

/// Keys, or values, of one head at positions `0..exponents.len()`: `i8` mantissas `[positions, head_dim]` and one exponent a position.
#[derive(Clone, Copy, Debug)]
pub struct Cached<'a> {
    /// Mantissas, position after position.
    pub mantissas: &'a [i8],
    /// Exponents.
    pub exponents: &'a [i32],
}

/// `sum(query[i] * key[i])`. Bound: `512 * 32639 * 127 < 2^31`.
pub fn dot(query: &[i16], key: &[i8]) -> i32 {
    query
        .iter()
        .zip(key)
        .map(|(query, key)| i32::from(*query) * i32::from(*key))
        .sum()
}

/// Score of a position in the log2 domain, Q16: `dot * 2^exponent * scale`, rounded, at most 2^30 in size.
///
/// `exponent` is that of the query plus that of the key.
#[inline]
pub fn score(dot: i32, exponent: i32, scale: Scale) -> i32 {
    let shift = (scale.shift - 16).saturating_sub(exponent);
    mul_shift(dot, scale.mantissa, shift).clamp(-MOST, MOST)
}

/// Softmax over scores, in place: on return the weights, Q23, each rounded to the nearest.
///
/// `p = exp2_neg(max - score)`, `inverse = floor(2^47 / sum(p))` (at most 2^31, since the largest contributes 65536),
/// `weight = shift_round(p * inverse, 24)`. The weights are at most 2^23 and sum to at most `2^23 + positions`.
/// Their sum falls short of 2^23 by at most 2^7 and half a unit a position.
#[inline]
pub fn softmax(scores: &mut [i32]) {
    let most = scores.iter().fold(i32::MIN, |most, score| most.max(*score));
    let mut sum = 0u64;
    for score in scores.iter_mut() {
        // Both are at most 2^30 in size, so the difference, up to 2^31, fits `u32` but not `i32`.
        let p = crate::tables::exp2_neg(most.abs_diff(*score));
        sum += u64::from(p);
        *score = p as i32;
    }
    let inverse = ((1u64 << 47) / sum.max(1)) as i64;
    for score in scores.iter_mut() {
        *score = shift_round(i64::from(*score) * inverse, 24) as i32;
    }
}

/// Aligns weights to the largest exponent of the values, in place, and returns that exponent:
/// `weight = shift_round(weight, min(largest - exponent, 31))`.
#[inline]
pub fn align(weights: &mut [i32], exponents: &[i32]) -> i32 {
    let largest = exponents
        .iter()
        .fold(i32::MIN, |largest, exponent| largest.max(*exponent));
    for (weight, exponent) in weights.iter_mut().zip(exponents) {
        *weight = shift_round(i64::from(*weight), (largest - exponent).min(31)) as i32;
    }
    largest
}

/// Adds `weight * value[i]` to `out[i]`.
///
/// Bound of the sum over all positions: weights sum to at most `2^23 + 2^15`, times 127 is below 2^31.
pub fn accumulate(weight: i32, value: &[i8], out: &mut [i32]) {
    for (out, value) in out.iter_mut().zip(value) {
        *out += weight * i32::from(*value);
    }
}

/// What the weighted sum of values adds to their largest exponent: weights are Q23.
pub const WEIGHT_EXPONENT: i32 = -23;

/// Output of one head at one position; returns its exponent.
///
/// - `query`: `[head_dim]`, exponent `query_exponent`, head_dim at most 512.
/// - `keys`, `values`: all positions up to and with the query's own, 1 to 32768.
/// - `weights`: room for one weight a position.
/// - `out`: `[head_dim]`.
///
/// Error: `(positions + 2) * 2^-15` of the largest value that the cached exponents allow.
///
/// # Panics
/// If the lengths differ or there is no position.
pub fn attend(
    query: &[i16],
    query_exponent: i32,
    keys: Cached<'_>,
    values: Cached<'_>,
    scale: Scale,
    weights: &mut [i32],
    out: &mut [i32],
) -> i32 {
    let positions = keys.exponents.len();
    assert!(positions > 0);
    assert_eq!(
        (values.exponents.len(), weights.len(), out.len()),
        (positions, positions, query.len())
    );
    assert_eq!(
        (keys.mantissas.len(), values.mantissas.len()),
        (positions * query.len(), positions * query.len())
    );
    let rows = keys.mantissas.chunks_exact(query.len()).zip(keys.exponents);
    for (weight, (key, exponent)) in weights.iter_mut().zip(rows) {
        *weight = score(dot(query, key), query_exponent + exponent, scale);
    }
    softmax(weights);
    let largest = align(weights, values.exponents);
    out.fill(0);
    for (weight, value) in weights.iter().zip(values.mantissas.chunks_exact(query.len())) {
        accumulate(*weight, value, out);
    }
    largest + WEIGHT_EXPONENT
}

/// Brings the heads of a token, `[heads, head_dim]`, in place under the largest of their exponents and returns it:
/// `shift_round(out, min(largest - exponent, 31))`. The row then is packed by [`pack16`](crate::pack::pack16).
///
/// # Panics
/// If the row can't be cut into as many heads as there are exponents.
#[inline]
pub fn join_heads(row: &mut [i32], exponents: &[i32]) -> i32 {
    assert!(!exponents.is_empty() && row.len().is_multiple_of(exponents.len()));
    let largest = exponents
        .iter()
        .fold(i32::MIN, |largest, exponent| largest.max(*exponent));
    let head_dim = row.len() / exponents.len();
    for (head, exponent) in row.chunks_exact_mut(head_dim).zip(exponents) {
        for value in head {
            *value = shift_round(i64::from(*value), (largest - exponent).min(31)) as i32;
        }
    }
    largest
}

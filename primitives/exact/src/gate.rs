// SPDX-License-Identifier: Apache-2.0
//! The gate of the feed-forward block (SwiGLU; Shazeer, 2020): `silu(a) * b` with `silu(a) = a * sigmoid(a)`.
use crate::{
    round::{mul_shift, shift_round},
    tables::{exp2_neg, LOG2E_Q30},
};

/// Largest exponent of the sigmoid's power of two, in Q16; beyond 31.0 it is 0 anyway.
const MOST: i32 = 1 << 30;

/// `sigmoid(a * 2^exponent)` in Q15, at most 32768.
///
/// With `p = 2^-(|a| * log2(e))` in Q16 it is `2^31 / (65536 + p)`, for negative `a` `(p << 15) / (65536 + p)`, both rounded down.
/// Error: less than 2 units of Q15.
#[inline]
pub fn sigmoid(a: i16, exponent: i32) -> u32 {
    let x = mul_shift(i32::from(a).abs(), LOG2E_Q30, 14i32.saturating_sub(exponent)).min(MOST);
    let p = exp2_neg(x as u32);
    if a >= 0 {
        (1 << 31) / (65536 + p)
    } else {
        (p << 15) / (65536 + p)
    }
}

/// `out = silu(a) * b`. Returns the exponent of `out`, which then is packed by [`pack16`](crate::pack::pack16).
///
/// `c = shift_round(a * sigmoid(a), 14)` is at most 65278 in size, `out = c * b` exactly, below 2^31. Exponent `exponent_a + exponent_b - 1`.
/// Error of `silu(a)`: 2^-13 of `a` and a quarter of its mantissa's unit.
///
/// # Panics
/// If the lengths differ.
#[inline(always)]
pub fn gate(a: &[i16], exponent_a: i32, b: &[i16], exponent_b: i32, out: &mut [i32]) -> i32 {
    assert_eq!((a.len(), b.len()), (out.len(), out.len()));
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let silu = shift_round(i64::from(*a) * i64::from(sigmoid(*a, exponent_a)), 14) as i32;
        *out = silu * i32::from(*b);
    }
    exponent_a + exponent_b - 1
}

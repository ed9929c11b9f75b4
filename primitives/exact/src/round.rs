// SPDX-License-Identifier: Apache-2.0
//! The rounding rule.

/// `x * 2^-s`, rounded to the nearest, halves up; for `s <= 0` the exact `x * 2^-s`.
///
/// `s` above 62 counts as 62. Needs `|x| <= 2^62`, and for `s <= 0` a result that fits 64 bits.
#[inline]
pub const fn shift_round(x: i64, s: i32) -> i64 {
    if s <= 0 {
        return x << -s;
    }
    let s = if s > 62 { 62 } else { s };
    (x + (1 << (s - 1))) >> s
}

/// `a * b * 2^-s`, rounded like [`shift_round`] and saturated to `i32`. Defined for every argument.
#[inline]
pub const fn mul_shift(a: i32, b: i32, s: i32) -> i32 {
    let product = a as i64 * b as i64;
    if s > 0 {
        return saturate(shift_round(product, s));
    }
    // A shift to the left only makes it larger, so what is saturated first stays so; 31 bits saturate everything but 0.
    let left = if s < -31 { 31 } else { -s };
    saturate((saturate(product) as i64) << left)
}

/// `x`, or the nearest `i32`.
#[inline]
pub const fn saturate(x: i64) -> i32 {
    if x > i32::MAX as i64 {
        i32::MAX
    } else if x < i32::MIN as i64 {
        i32::MIN
    } else {
        x as i32
    }
}

/// Number of bits of `x`: 0 for 0, 32 for `2^31` and more.
#[inline]
pub const fn bit_length(x: u32) -> i32 {
    32 - x.leading_zeros() as i32
}

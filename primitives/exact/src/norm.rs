// SPDX-License-Identifier: Apache-2.0
//! RMSNorm (Zhang and Sennrich, 2019): `h / sqrt(mean(h^2) + epsilon) * gain`; the same over a head; LayerNorm.
use crate::round::{bit_length, shift_round};

/// `(inverse, half)` with `2^62 / sqrt(sum * 2^(2 * half))` rounded down twice: `inverse` in `(2^30, 2^31]`, `half` in `0..=31`.
///
/// The sum is scaled by an even power of two into `[2^62, 2^64)`, its root is taken (floor) and inverted (floor). `sum` must not be 0.
pub const fn inverse_root(sum: u64) -> (u32, i32) {
    let half = sum.leading_zeros() / 2;
    let root = (sum << (2 * half)).isqrt();
    (((1 << 62) / root) as u32, half as i32)
}

/// Shift of a residual row after which its mantissas are at most 2^22 in size, 0 to 10; it also names the epsilon.
#[inline]
pub fn pre_shift(h: &[i32]) -> i32 {
    let largest = h
        .iter()
        .fold(0, |largest: u32, value| largest.max(value.unsigned_abs()));
    (bit_length(largest) - 22).max(0)
}

/// Norm of a row of the residual stream. Returns the exponent of `out`, which then is packed by [`pack16`](crate::pack::pack16).
///
/// - `h`: at most 2^18 elements.
/// - `gain`: mantissas of `gain * sqrt(hidden)`, below 2^23 in size, of exponent `-gain_exponent`.
/// - `epsilon[t] = max(1, round(epsilon * hidden * 2^(2 * (12 - t))))`, below 2^62, for each [`pre_shift`] `t`.
///
/// With `x = shift_round(h, t)`, `sum = sum(x^2) + epsilon[t]` and `(inverse, half)` = [`inverse_root`]`(sum)`:
/// `out = shift_round(shift_round(x * gain, 15) * inverse, 31)`, exponent `half - 16 - gain_exponent`.
///
/// Bounds: `|x| <= 2^22`, `sum <= 2^62 + 2^62`, `|x * gain| < 2^45`, the next product at most 2^61, `|out| <= 2^30`.
/// Error: 1 unit of the result by rounding, 2^-28 of it by the root; if there is a pre-shift, also 2^-20 of what the row's largest would be
/// under this element's gain.
///
/// # Panics
/// If the lengths differ.
#[inline(always)]
pub fn rms_norm(h: &[i32], gain: &[i32], gain_exponent: i32, epsilon: &[u64; 32], out: &mut [i32]) -> i32 {
    let t = pre_shift(h);
    normalize(h, t, gain, epsilon[t as usize], out) - gain_exponent
}

/// Epsilon of a norm over heads: `epsilon * head_dim = mantissa * 2^-shift`, `mantissa` in `0..2^30`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadEpsilon {
    /// Mantissa.
    pub mantissa: i32,
    /// Shift.
    pub shift: i32,
}

impl HeadEpsilon {
    /// Epsilon among the squares of mantissas of this exponent: `max(1, round(epsilon * head_dim * 2^(-2 * exponent)))`, at most 2^62.
    ///
    /// With `n = shift + 2 * exponent` it is `shift_round(mantissa, n)`, and for `n < 0` `mantissa << min(-n, 32)`: a row that is so small
    /// that its epsilon would be above 2^62 comes out larger than it should, but before the gain no element exceeds `sqrt(head_dim) * 2^-8`.
    pub const fn at(self, exponent: i32) -> u64 {
        let n = self.shift.saturating_add(exponent.saturating_mul(2));
        let n = if n < -32 { -32 } else { n };
        let epsilon = shift_round(self.mantissa as i64, n);
        if epsilon < 1 {
            1
        } else {
            epsilon as u64
        }
    }
}

/// Norm of a head of exponent `exponent`, an output of a matrix. Returns the exponent of `out`.
///
/// As [`rms_norm`], with `epsilon.at(exponent + t)` for `epsilon[t]` and `head_dim` for `hidden`; so are its bounds and errors.
///
/// # Panics
/// If the lengths differ.
pub fn head_norm(
    head: &[i32],
    exponent: i32,
    gain: &[i32],
    gain_exponent: i32,
    epsilon: HeadEpsilon,
    out: &mut [i32],
) -> i32 {
    let t = pre_shift(head);
    normalize(head, t, gain, epsilon.at(exponent.saturating_add(t)), out) - gain_exponent
}

/// LayerNorm (Ba, Kiros and Hinton, 2016) of a row of the residual stream without its bias: `(h - mean(h)) / sqrt(variance(h) + epsilon) *
/// gain`. Returns the exponent of `out`.
///
/// - `h`: at most 2^16 elements.
/// - `gain`: as for [`rms_norm`].
/// - `epsilon[t] = max(1, round(epsilon * hidden^3 * 2^(2 * (12 - t))))`, below 2^62, for `t` in `0..32`.
///
/// With `c = hidden * h - sum(h)`, which is `hidden` times the difference to the mean, exactly, and at most 2^48 in size,
/// `t = max(0, bits(max |c|) - 22)`, `x = shift_round(c, t)` and `(inverse, half)` = [`inverse_root`]`(sum(x^2) + epsilon[t])`:
/// `out = shift_round(shift_round(x * gain, 15) * inverse, 31)`, exponent `half - 16 - gain_exponent`.
///
/// Bounds and errors are those of [`rms_norm`].
///
/// # Panics
/// If the lengths differ.
pub fn layer_norm(h: &[i32], gain: &[i32], gain_exponent: i32, epsilon: &[u64; 32], out: &mut [i32]) -> i32 {
    assert_eq!(h.len(), out.len());
    let total: i64 = h.iter().map(|value| i64::from(*value)).sum();
    let centered = |value: &i32| h.len() as i64 * i64::from(*value) - total;
    let largest = h
        .iter()
        .fold(0, |largest: u64, value| largest.max(centered(value).unsigned_abs()));
    let t = (42 - largest.leading_zeros() as i32).max(0);
    for (out, value) in out.iter_mut().zip(h) {
        *out = shift_round(centered(value), t) as i32;
    }
    scale(out, gain, epsilon[t as usize]) - gain_exponent
}

/// `shift_round(row, t) * gain` over the root of the sum of squares and `epsilon`; returns the exponent but for the gain's.
fn normalize(row: &[i32], t: i32, gain: &[i32], epsilon: u64, out: &mut [i32]) -> i32 {
    assert_eq!(row.len(), out.len());
    for (out, value) in out.iter_mut().zip(row) {
        *out = shift_round(i64::from(*value), t) as i32;
    }
    scale(out, gain, epsilon)
}

/// `x * gain` over the root of the sum of squares and `epsilon`, in place, `x` at most 2^22 in size.
fn scale(x: &mut [i32], gain: &[i32], epsilon: u64) -> i32 {
    assert_eq!(x.len(), gain.len());
    let sum = x
        .iter()
        .map(|x| u64::from(x.unsigned_abs()) * u64::from(x.unsigned_abs()))
        .sum::<u64>();
    let (inverse, half) = inverse_root(sum + epsilon);
    for (x, gain) in x.iter_mut().zip(gain) {
        let scaled = shift_round(i64::from(*x) * i64::from(*gain), 15);
        *x = shift_round(scaled * i64::from(inverse), 31) as i32;
    }
    half - 16
}

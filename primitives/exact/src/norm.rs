// SPDX-License-Identifier: Apache-2.0
//! RMSNorm (Zhang and Sennrich, 2019): `h / sqrt(mean(h^2) + epsilon) * gain`.
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
pub fn rms_norm(h: &[i32], gain: &[i32], gain_exponent: i32, epsilon: &[u64; 32], out: &mut [i32]) -> i32 {
    assert_eq!((h.len(), gain.len()), (out.len(), out.len()));
    let t = pre_shift(h);
    let mut sum = epsilon[t as usize];
    for (out, value) in out.iter_mut().zip(h) {
        *out = shift_round(i64::from(*value), t) as i32;
        sum += u64::from(out.unsigned_abs()) * u64::from(out.unsigned_abs());
    }
    let (inverse, half) = inverse_root(sum);
    for (out, gain) in out.iter_mut().zip(gain) {
        let scaled = shift_round(i64::from(*out) * i64::from(*gain), 15);
        *out = shift_round(scaled * i64::from(inverse), 31) as i32;
    }
    half - 16 - gain_exponent
}

// SPDX-License-Identifier: Apache-2.0
//! Rotary positions (Su et al., 2021) in the rotate-half layout: element `i` is paired with element `i + head_dim / 2`.

/// What [`rotate`] adds to the exponent.
pub const ROTATE_EXPONENT: i32 = -14;

/// Rotates a head by the angles of its position: `out = (a * cos - b * sin, b * cos + a * sin)` for the halves `a`, `b` of `x`.
///
/// `cos` and `sin` are Q14 and hold `head_dim / 2` entries of at most 2^14 in size. Exact, without rounding; the exponent falls by 14.
/// Bound: `2 * 32639 * 2^14 < 2^31`.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn rotate(x: &[i16], cos: &[i16], sin: &[i16], out: &mut [i32]) {
    let half = x.len() / 2;
    assert_eq!((cos.len(), sin.len(), out.len()), (half, half, 2 * half));
    for i in 0..half {
        let [a, b, cos, sin] = [x[i], x[i + half], cos[i], sin[i]].map(i32::from);
        out[i] = a * cos - b * sin;
        out[i + half] = b * cos + a * sin;
    }
}

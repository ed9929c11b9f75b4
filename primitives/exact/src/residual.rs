// SPDX-License-Identifier: Apache-2.0
//! The residual stream: `i32`, value `h * 2^-12`.
use crate::{round::mul_shift, RESIDUAL_EXPONENT};

/// Adds an operator's output of exponent `exponent` to the residual row. The shifted output saturates, then the sum does.
///
/// Error: half of 2^-12. Overflow: none, on any input.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn add(h: &mut [i32], y: &[i32], exponent: i32) {
    assert_eq!(h.len(), y.len());
    let shift = RESIDUAL_EXPONENT.saturating_sub(exponent);
    for (h, y) in h.iter_mut().zip(y) {
        *h = h.saturating_add(mul_shift(*y, 1, shift));
    }
}

/// Sets the residual row to a norm's output of exponent `exponent`: `mul_shift(y, 1, -12 - exponent)`.
///
/// Error: half of 2^-12. Saturates.
///
/// # Panics
/// If the lengths differ.
pub fn replace(h: &mut [i32], y: &[i32], exponent: i32) {
    h.fill(0);
    add(h, y, exponent);
}

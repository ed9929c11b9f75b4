// SPDX-License-Identifier: Apache-2.0
//! Embeddings of tokens and positions.
use crate::{round::mul_shift, RESIDUAL_EXPONENT};

/// A token's row of the embedding, value `weight * scale * 2^-f`, as the first residual row: `mul_shift(weight, scale, f - 12)`.
///
/// Error: half of 2^-12. Saturates; needs no other bound.
///
/// # Panics
/// If the lengths differ.
pub fn embed(weight: &[i8], scale: i32, f: i32, h: &mut [i32]) {
    h.fill(0);
    add(weight, scale, f, h);
}

/// Adds a row of an embedding to the residual row. What [`embed`] gives saturates, then the sum does.
///
/// # Panics
/// If the lengths differ.
pub fn add(weight: &[i8], scale: i32, f: i32, h: &mut [i32]) {
    assert_eq!(weight.len(), h.len());
    for (h, weight) in h.iter_mut().zip(weight) {
        *h = h.saturating_add(mul_shift(i32::from(*weight), scale, f + RESIDUAL_EXPONENT));
    }
}

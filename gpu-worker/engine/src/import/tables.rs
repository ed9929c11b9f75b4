// SPDX-License-Identifier: Apache-2.0
//! Tables that follow from a model's configuration.
use crate::model::{AttentionScale, HeadEpsilon, RopeTable};
use rayon::prelude::*;
use std::f64::consts::LOG2_E;

/// Fraction bits of the residual stream.
const RESIDUAL_BITS: i32 = 12;

/// `max(1, round(epsilon * hidden * 2^(2 * (12 - t))))` for every pre-shift `t`.
pub(super) fn epsilon(epsilon: f64, hidden: u32) -> [u64; 32] {
    std::array::from_fn(|t| {
        let scaled = libm::ldexp(epsilon * f64::from(hidden), 2 * (RESIDUAL_BITS - t as i32));
        (scaled.round_ties_even() as u64).max(1)
    })
}

/// `max(1, round(epsilon * hidden^3 * 2^(2 * (12 - t))))` for every pre-shift `t`: what a LayerNorm adds.
pub(super) fn layer_norm_epsilon(value: f64, hidden: u32) -> [u64; 32] {
    let width = f64::from(hidden);
    epsilon(value * width * width, hidden)
}

/// `epsilon * head_dim` with a mantissa below 2^30, of 30 bits if the shift that takes is at most 126.
pub(super) fn head_epsilon(epsilon: f64, head_dim: u32) -> HeadEpsilon {
    let value = epsilon * f64::from(head_dim);
    let (_, power) = libm::frexp(value);
    // One bit less, since rounding may carry.
    let shift = (29 - power).min(126);
    HeadEpsilon {
        mantissa: libm::ldexp(value, shift).round_ties_even() as i32,
        shift,
    }
}

/// Cosines and sines of `position * theta^(-i / half)` in Q14, `half = head_dim / 2`
/// ([RoFormer](https://arxiv.org/abs/2104.09864), halves layout).
pub(super) fn rope(theta: f64, head_dim: u32, context: u32) -> RopeTable {
    let half = head_dim / 2;
    let frequency: Vec<f64> = (0..half)
        .map(|i| libm::pow(theta, -f64::from(i) / f64::from(half)))
        .collect();
    let table = |function: fn(f64) -> f64| {
        let row = |position: u32| {
            frequency
                .par_iter()
                .map(move |frequency| q14(function(f64::from(position) * frequency)))
        };
        (0..context).into_par_iter().flat_map(row).collect()
    };
    RopeTable {
        cos: table(libm::cos),
        sin: table(libm::sin),
    }
}

fn q14(value: f64) -> i16 {
    (value * 16384.0).round_ties_even() as i16
}

/// `log2(e) / sqrt(head_dim)` with a mantissa in `2^29..2^30`.
pub(super) fn attention_scale(head_dim: u32) -> AttentionScale {
    let value = LOG2_E / f64::from(head_dim).sqrt();
    let (_, power) = libm::frexp(value);
    let shift = 30 - power;
    AttentionScale {
        mantissa: libm::ldexp(value, shift).round_ties_even() as i32,
        shift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epsilon_is_scaled_with_the_shifted_residual_and_never_zero() {
        let table = epsilon(1e-5, 576);
        assert_eq!(table[0], (1e-5f64 * 576.0 * 16_777_216.0).round() as u64);
        assert_eq!(table[12], 1);
        assert_eq!(epsilon(0.0, 4), [1; 32]);
    }

    #[test]
    fn the_epsilon_of_heads_is_its_own_product_with_their_width() {
        for (epsilon, head_dim) in [(1e-6, 128), (1e-5, 4), (1.0, 512)] {
            let HeadEpsilon { mantissa, shift } = head_epsilon(epsilon, head_dim);
            assert!((1 << 28..1 << 30).contains(&mantissa));
            let value = f64::from(mantissa) * 2f64.powi(-shift);
            assert!((value / (epsilon * f64::from(head_dim)) - 1.0).abs() < 1e-8);
        }
        assert_eq!(head_epsilon(0.0, 64).mantissa, 0);
        assert_eq!(
            head_epsilon(1e-300, 64),
            HeadEpsilon {
                mantissa: 0,
                shift: 126
            }
        );
    }

    #[test]
    fn the_epsilon_of_a_layer_norm_is_that_of_a_row_times_its_width() {
        let table = layer_norm_epsilon(1e-12, 384);
        assert_eq!(
            table[0],
            (1e-12f64 * 384.0 * 384.0 * 384.0 * 16_777_216.0).round() as u64
        );
        assert_eq!(table[31], 1);
    }

    #[test]
    fn rope_starts_at_angle_zero_and_turns_the_first_pair_by_one_radian() {
        let table = rope(100_000.0, 8, 3);
        assert_eq!((table.cos.len(), table.sin.len()), (12, 12));
        assert_eq!(&table.cos[..4], [16384; 4]);
        assert_eq!(&table.sin[..4], [0; 4]);
        assert_eq!((table.cos[4], table.sin[4]), (8852, 13787));
        assert_eq!((table.cos[8], table.sin[8]), (-6818, 14898));
    }

    #[test]
    fn the_attention_scale_of_every_head_size_has_a_30_bit_mantissa() {
        for head_dim in (4..=512).step_by(4) {
            let AttentionScale { mantissa, shift } = attention_scale(head_dim);
            assert!((1 << 29..1 << 30).contains(&mantissa));
            let value = f64::from(mantissa) / 2f64.powi(shift);
            assert!((value * f64::from(head_dim).sqrt() - LOG2_E).abs() < 1e-8);
        }
    }
}

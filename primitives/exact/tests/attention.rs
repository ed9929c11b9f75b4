// SPDX-License-Identifier: Apache-2.0
//! Attention against `f64`.
use ergon_exact::{
    attention::{align, attend, dot, join_heads, score, softmax, Cached, Scale, WEIGHT_EXPONENT},
    MAX_CONTEXT, MAX_HEAD_DIM, TOP,
};
use proptest::{collection::vec, prelude::*};

/// `log2(e) / sqrt(head_dim)`.
fn scale(head_dim: usize) -> Scale {
    let value = std::f64::consts::LOG2_E / (head_dim as f64).sqrt();
    let shift = 29 - value.log2().floor() as i32;
    Scale {
        mantissa: (value * f64::from(shift).exp2()) as i32,
        shift,
    }
}

fn values(row: &[i8], exponent: i32) -> Vec<f64> {
    row.iter()
        .map(|mantissa| f64::from(*mantissa) * f64::from(exponent).exp2())
        .collect()
}

/// Attention as it is defined, in floating point.
fn exact(query: &[i16], exponent: i32, keys: Cached<'_>, cached: Cached<'_>) -> Vec<f64> {
    let dim = query.len();
    let rows = keys.mantissas.chunks(dim).zip(keys.exponents);
    let scores: Vec<f64> = rows
        .map(|(key, key_exponent)| {
            let key = values(key, exponent + key_exponent);
            query
                .iter()
                .zip(key)
                .map(|(query, key)| f64::from(*query) * key)
                .sum::<f64>()
                / (dim as f64).sqrt()
        })
        .collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut out = vec![0.0; dim];
    for (weight, (row, exponent)) in weights.iter().zip(cached.mantissas.chunks(dim).zip(cached.exponents)) {
        for (out, value) in out.iter_mut().zip(values(row, *exponent)) {
            *out += weight / sum * value;
        }
    }
    out
}

#[derive(Clone, Debug)]
struct Head {
    query: Vec<i16>,
    exponent: i32,
    keys: (Vec<i8>, Vec<i32>),
    values: (Vec<i8>, Vec<i32>),
}

fn heads() -> impl Strategy<Value = Head> {
    (1..25usize, 1..40usize).prop_flat_map(|(dim, positions)| {
        let plane =
            move |exponents: std::ops::Range<i32>| (vec(-127..=127i8, positions * dim), vec(exponents, positions));
        let top = TOP as i16;
        (vec(-top..=top, dim), -28..-12i32, plane(-9..-4), plane(-20..-5)).prop_map(
            |(query, exponent, keys, values)| Head {
                query,
                exponent,
                keys,
                values,
            },
        )
    })
}

proptest! {
    #[test]
    fn attention_errs_by_two_to_the_minus_15_of_the_largest_value_a_position(head in heads()) {
        let keys = Cached { mantissas: &head.keys.0, exponents: &head.keys.1 };
        let cached = Cached { mantissas: &head.values.0, exponents: &head.values.1 };
        let (positions, dim) = (keys.exponents.len(), head.query.len());
        let (mut weights, mut out) = (vec![0; positions], vec![0; dim]);
        let exponent = attend(&head.query, head.exponent, keys, cached, scale(dim), &mut weights, &mut out);
        let largest = 127.0 * f64::from(exponent - WEIGHT_EXPONENT).exp2();
        let bound = largest * (positions + 2) as f64 * (-15f64).exp2();
        for (out, exact) in out.iter().zip(exact(&head.query, head.exponent, keys, cached)) {
            let error = f64::from(*out) * f64::from(exponent).exp2() - exact;
            prop_assert!(error.abs() <= bound, "{error} beyond {bound}");
        }
    }

    #[test]
    fn the_order_of_positions_does_not_matter(head in heads(), turn in any::<prop::sample::Index>()) {
        let dim = head.query.len();
        let positions = head.keys.1.len();
        let run = |keys: &(Vec<i8>, Vec<i32>), values: &(Vec<i8>, Vec<i32>)| {
            let keys = Cached { mantissas: &keys.0, exponents: &keys.1 };
            let values = Cached { mantissas: &values.0, exponents: &values.1 };
            let (mut weights, mut out) = (vec![0; positions], vec![0; dim]);
            let exponent = attend(&head.query, head.exponent, keys, values, scale(dim), &mut weights, &mut out);
            (exponent, out)
        };
        let by = turn.index(positions);
        let turned = |plane: &(Vec<i8>, Vec<i32>)| {
            let mut plane = plane.clone();
            plane.0.rotate_left(by * dim);
            plane.1.rotate_left(by);
            plane
        };
        prop_assert_eq!(run(&head.keys, &head.values), run(&turned(&head.keys), &turned(&head.values)));
    }

    #[test]
    fn weights_sum_to_one_within_half_a_unit_each(scores in vec(-(1 << 30)..=1 << 30i32, 1..300), size in 0..30u32) {
        let mut weights: Vec<i32> = scores.iter().map(|score| score >> size).collect();
        let count = weights.len() as i64;
        softmax(&mut weights);
        let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        // The inverse of the sum is rounded down, which costs a unit in 2^16 at most.
        prop_assert!(sum <= (1 << 23) + count && sum >= (1 << 23) - (1 << 7) - count, "{sum}");
        prop_assert!(weights.iter().all(|weight| *weight >= 0));
    }

    #[test]
    fn scores_err_by_half_a_unit_or_are_clamped(dot in any::<i32>(), exponent in -60..30i32, dim in 1..200usize) {
        let exact = f64::from(dot) * f64::from(exponent + 16).exp2() * std::f64::consts::LOG2_E / (dim as f64).sqrt();
        let limit = f64::from(1 << 30);
        let error = f64::from(score(dot, exponent, scale(dim))) - exact.clamp(-limit, limit);
        prop_assert!(error.abs() <= 0.5 + exact.abs().min(limit) * (-28f64).exp2(), "{error}");
    }

    #[test]
    fn joined_heads_err_by_half_a_unit_of_the_largest_exponent(row in vec(any::<i32>(), 12), exponents in vec(-70..10i32, 3)) {
        let mut joined = row.clone();
        let exponent = join_heads(&mut joined, &exponents);
        prop_assert_eq!(Some(&exponent), exponents.iter().max());
        for (i, (joined, value)) in joined.iter().zip(&row).enumerate() {
            let exact = f64::from(*value) * f64::from(exponents[i / 4] - exponent).exp2();
            prop_assert!((f64::from(*joined) - exact).abs() <= 0.5 + 1.0 * f64::from(u8::from(exponent - exponents[i / 4] > 31)));
        }
    }
}

#[test]
fn the_longest_context_and_the_widest_head_stay_in_range() {
    let extremes = [(TOP as i16, 127i8), (-TOP as i16, 127), (TOP as i16, -127)];
    for (query, cached) in extremes {
        let query = vec![query; MAX_HEAD_DIM];
        let plane = vec![cached; 64 * MAX_HEAD_DIM];
        for exponents in [
            [0; 64],
            [-1000; 64],
            [1000; 64],
            std::array::from_fn(|i| i as i32 * 40 - 1000),
        ] {
            let cached = Cached {
                mantissas: &plane,
                exponents: &exponents,
            };
            let (mut weights, mut out) = (vec![0; 64], vec![0; MAX_HEAD_DIM]);
            attend(&query, 0, cached, cached, scale(MAX_HEAD_DIM), &mut weights, &mut out);
        }
    }
    // Equal scores: each weight is rounded up at most once, and all of them times 127 fit.
    let plane = vec![127; MAX_CONTEXT];
    let cached = Cached {
        mantissas: &plane,
        exponents: &vec![0; MAX_CONTEXT],
    };
    for positions in [MAX_CONTEXT, MAX_CONTEXT - 1, 21846] {
        let cached = Cached {
            mantissas: &cached.mantissas[..positions],
            exponents: &cached.exponents[..positions],
        };
        let (mut weights, mut out) = (vec![0; positions], [0]);
        attend(&[0], 0, cached, cached, scale(1), &mut weights, &mut out);
        assert!(
            (f64::from(out[0]) * f64::from(WEIGHT_EXPONENT).exp2() / 127.0 - 1.0).abs() < 0.004,
            "{out:?}"
        );
    }
}

#[test]
fn values_far_below_the_largest_vanish() {
    let mut weights = [1 << 22, 1 << 22, 1 << 22];
    assert_eq!(align(&mut weights, &[0, -10, -1000]), 0);
    assert_eq!(weights, [1 << 22, 1 << 12, 0]);
}

#[test]
fn a_single_position_has_all_the_weight() {
    let (mut weights, mut out) = ([0], [0; 2]);
    let cached = Cached {
        mantissas: &[100, -7],
        exponents: &[-3],
    };
    let exponent = attend(&[5, 6], -9, cached, cached, scale(2), &mut weights, &mut out);
    assert_eq!((weights, out, exponent), ([1 << 23], [100 << 23, -7 << 23], -26));
    assert_eq!(dot(&[5, 6], &[100, -7]), 458);
}

#[test]
fn a_score_as_far_below_another_as_can_be_has_no_weight() {
    let mut weights = [1 << 30, -(1 << 30)];
    softmax(&mut weights);
    assert_eq!(weights, [1 << 23, 0]);
}

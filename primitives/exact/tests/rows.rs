// SPDX-License-Identifier: Apache-2.0
//! Operators on rows against `f64`: embedding, matrices, norm, rotation, gate, residual.
use ergon_exact::{
    embed::embed,
    gate::{gate, sigmoid},
    linear::{dot, linear, output_exponent, output_shift, planes},
    norm::{inverse_root, pre_shift, rms_norm},
    residual, rope, TOP,
};
use proptest::{collection::vec, prelude::*};

fn mantissas(len: usize) -> impl Strategy<Value = Vec<i16>> {
    let top = TOP as i16;
    vec(prop_oneof![-top..=top, Just(top), Just(-top), -9..9i16], len)
}

fn weights(len: usize) -> impl Strategy<Value = Vec<i8>> {
    vec(prop_oneof![any::<i8>(), Just(127), Just(-128)], len)
}

/// A matrix and an input: weights, scales, input.
fn products() -> impl Strategy<Value = (Vec<i8>, Vec<i32>, Vec<i16>)> {
    (1..9usize, 1..33usize)
        .prop_flat_map(|(rows, columns)| (weights(rows * columns), vec(0..1 << 24, rows), mantissas(columns)))
}

/// `epsilon[t] = max(1, round(epsilon * hidden * 2^(2 * (12 - t))))`.
fn epsilons(epsilon: f64, hidden: usize) -> [u64; 32] {
    std::array::from_fn(|t| {
        (epsilon * hidden as f64 * (2.0 * (12.0 - t as f64)).exp2())
            .round()
            .max(1.0) as u64
    })
}

proptest! {
    #[test]
    fn planes_join_to_the_mantissa(x in -(TOP as i16)..=TOP as i16) {
        let (high, low) = planes(x);
        prop_assert_eq!(256 * i32::from(high) + i32::from(low), i32::from(x));
    }

    #[test]
    fn a_matrix_errs_by_half_a_unit((weight, scale, x) in products()) {
        let shift = output_shift(x.len(), &weight, &scale);
        let mut y = vec![0; scale.len()];
        linear(&weight, &scale, shift, &x, &mut y);
        let unit = f64::from(output_exponent(0, 0, shift)).exp2();
        for ((row, scale), y) in weight.chunks(x.len()).zip(&scale).zip(&y) {
            // All sums here are below 2^50, so f64 holds them; their product with the scale it rounds.
            let sum: f64 = row.iter().zip(&x).map(|(weight, x)| f64::from(*weight) * f64::from(*x)).sum();
            let exact = sum * f64::from(*scale);
            prop_assert!((f64::from(*y) * unit - exact).abs() <= unit / 2.0 + exact.abs() * 1e-15);
        }
    }

    #[test]
    fn the_byte_planes_sum_to_the_same((weight, _, x) in products()) {
        let row = &weight[..x.len()];
        let sums = row.iter().zip(&x).fold((0i32, 0i32), |(high, low), (weight, x)| {
            let planes = planes(*x);
            (high + i32::from(*weight) * i32::from(planes.0), low + i32::from(*weight) * i32::from(planes.1))
        });
        prop_assert_eq!(256 * i64::from(sums.0) + i64::from(sums.1), dot(row, &x));
    }

    #[test]
    fn inverse_roots_err_by_less_than_two_to_the_minus_29(sum in prop_oneof![1u64.., 1..1000u64]) {
        let (inverse, half) = inverse_root(sum);
        prop_assert!((1 << 30..=1 << 31).contains(&inverse) && (0..=31).contains(&half));
        let exact = f64::from(62 - half).exp2() / (sum as f64).sqrt();
        prop_assert!((f64::from(inverse) / exact - 1.0).abs() < (-29f64).exp2());
    }

    #[test]
    fn a_norm_errs_by_a_unit_and_two_to_the_minus_20_of_the_row(
        h in vec(any::<i32>(), 1..50), size in 0..32u32, gains in vec(-(1 << 23) + 1..1 << 23, 50), gain_exponent in -20..40i32
    ) {
        let h: Vec<i32> = h.iter().map(|value| value >> size).collect();
        let (gain, epsilon) = (&gains[..h.len()], epsilons(1e-5, h.len()));
        let mut out = vec![0; h.len()];
        let exponent = rms_norm(&h, gain, gain_exponent, &epsilon, &mut out);
        let t = pre_shift(&h);
        let squares: f64 = h.iter().map(|value| f64::from(*value).powi(2)).sum();
        let root = (squares + epsilon[t as usize] as f64 * f64::from(2 * t).exp2()).sqrt();
        // What rounding the row before it is squared costs.
        let pre = if t == 0 { 0.0 } else { (-20f64).exp2() };
        for ((h, gain), out) in h.iter().zip(gain).zip(&out) {
            let exact = f64::from(*h) / root * f64::from(*gain) * f64::from(-gain_exponent - exponent).exp2();
            let bound = 1.0 + exact.abs() * (-28f64).exp2() + pre * f64::from(*gain).abs() * f64::from(-gain_exponent - exponent).exp2();
            prop_assert!((f64::from(*out) - exact).abs() <= bound, "{out} for {exact}");
        }
    }

    #[test]
    fn a_rotation_errs_only_by_its_table(x in (1..33usize).prop_flat_map(|half| mantissas(2 * half)), angle in 0.0..6.3f64) {
        let half = x.len() / 2;
        let table = |function: fn(f64) -> f64| vec![(function(angle) * 16384.0).round() as i16; half];
        let mut out = vec![0; x.len()];
        rope::rotate(&x, &table(f64::cos), &table(f64::sin), &mut out);
        for i in 0..half {
            let (a, b) = (f64::from(x[i]), f64::from(x[i + half]));
            let bound = (a.abs() + b.abs()) / 2.0 + 1e-6;
            let unit = f64::from(rope::ROTATE_EXPONENT).exp2();
            prop_assert!((f64::from(out[i]) - (a * angle.cos() - b * angle.sin()) / unit).abs() <= bound);
            prop_assert!((f64::from(out[i + half]) - (b * angle.cos() + a * angle.sin()) / unit).abs() <= bound);
        }
    }

    #[test]
    fn a_sigmoid_errs_by_less_than_two_units(a in -(TOP as i16)..=TOP as i16, exponent in -40..10i32) {
        let exact = 32768.0 / (1.0 + (-f64::from(a) * f64::from(exponent).exp2()).exp());
        prop_assert!((f64::from(sigmoid(a, exponent)) - exact).abs() < 2.0);
    }

    #[test]
    fn a_gate_errs_by_two_to_the_minus_13_of_its_operands(
        (a, b) in (1..20usize).prop_flat_map(|len| (mantissas(len), mantissas(len))), exponents in (-30..5i32, -30..5i32)
    ) {
        let mut out = vec![0; a.len()];
        let exponent = gate(&a, exponents.0, &b, exponents.1, &mut out);
        for ((a, b), out) in a.iter().zip(&b).zip(&out) {
            let value = f64::from(*a) * f64::from(exponents.0).exp2();
            let exact = f64::from(*a) / (1.0 + (-value).exp()) * f64::from(*b) * f64::from(exponents.0 + exponents.1).exp2();
            // The error of the sigmoid, and the rounding of silu(a) to half a unit of a's mantissa halved.
            let bound = (f64::from(*a).abs() * (-13f64).exp2() + 0.25) * f64::from(*b).abs() * f64::from(exponents.0 + exponents.1).exp2();
            prop_assert!((f64::from(*out) * f64::from(exponent).exp2() - exact).abs() <= bound + 1e-300);
        }
    }

    #[test]
    fn the_residual_stream_errs_by_half_a_unit_or_saturates(h in any::<i32>(), y in any::<i32>(), exponent in -80..40i32) {
        let mut out = [h];
        residual::add(&mut out, &[y], exponent);
        let summand = (f64::from(y) * f64::from(exponent + 12).exp2()).clamp(i32::MIN.into(), i32::MAX.into());
        let exact = (f64::from(h) + summand).clamp(i32::MIN.into(), i32::MAX.into());
        prop_assert!((f64::from(out[0]) - exact).abs() <= 0.5);
    }

    #[test]
    fn an_embedding_errs_by_half_a_unit_or_saturates(weight in any::<i8>(), scale in 0..1 << 24, f in -64..=64i32) {
        let mut out = [0];
        embed(&[weight], scale, f, &mut out);
        let exact = f64::from(weight) * f64::from(scale) * f64::from(12 - f).exp2();
        prop_assert!((f64::from(out[0]) - exact.clamp(i32::MIN.into(), i32::MAX.into())).abs() <= 0.5);
    }
}

#[test]
fn the_largest_matrix_and_input_stay_in_range() {
    for (weight, x) in [(127i8, TOP as i16), (-128, TOP as i16), (-128, -TOP as i16)] {
        let (weights, scale) = (vec![weight; 65536], [(1 << 24) - 1]);
        let shift = output_shift(65536, &weights, &scale);
        let mut y = [0];
        linear(&weights, &scale, shift, &vec![x; 65536], &mut y);
        assert!((1 << 29..=1 << 30).contains(&y[0].unsigned_abs()), "{}", y[0]);
    }
    assert_eq!(output_shift(4, &[0; 4], &[5]), 0);
    assert_eq!(output_shift(4, &[], &[]), 0);
}

#[test]
fn extreme_residual_rows_are_normed_without_overflow() {
    for value in [i32::MIN, i32::MAX, 0, 1, -1] {
        let h = vec![value; 1 << 16];
        let gain = vec![(1 << 23) - 1; h.len()];
        let mut out = vec![0; h.len()];
        rms_norm(&h, &gain, 22, &epsilons(1e-5, h.len()), &mut out);
        assert!(out.iter().all(|out| out.signum() == value.signum()), "{value}");
        rms_norm(&h, &gain, 22, &[(1 << 62) - 1; 32], &mut out);
    }
}

#[test]
fn one_element_alone_is_normed_to_its_gain() {
    // 1.0 / sqrt(1.0 / 1 + 1e-5) * gain, the gain 1.0 * sqrt(1) in 22 bits.
    let mut out = [0];
    let exponent = rms_norm(&[4096], &[1 << 22], 22, &epsilons(1e-5, 1), &mut out);
    assert!((f64::from(out[0]) * f64::from(exponent).exp2() - 1.0 / (1.0 + 1e-5f64).sqrt()).abs() < 1e-6);
}

#[test]
fn extreme_rotations_and_gates_stay_in_range() {
    let top = TOP as i16;
    let mut out = [0; 2];
    for (a, b) in [(top, top), (-top, top), (top, -top), (-top, -top)] {
        for (cos, sin) in [(16384, 16384), (-16384, 16384), (16384, -16384), (-16384, -16384)] {
            rope::rotate(&[a, b], &[cos], &[sin], &mut out);
        }
        for exponent in [-100, -15, 0, 15, 100] {
            gate(&[a, b], exponent, &[b, a], exponent, &mut out);
        }
    }
    // sigmoid(a) = 1 for large a: silu(a) * b = a * b.
    assert_eq!(gate(&[top], 0, &[top], 0, &mut out[..1]), -1);
    assert_eq!(out[0], 2 * TOP * TOP);
    assert_eq!(
        (sigmoid(0, 0), sigmoid(top, 100), sigmoid(-top, 100)),
        (16384, 32768, 0)
    );
}

// SPDX-License-Identifier: Apache-2.0
//! Operators of encoders against `f64`: LayerNorm, GELU, pooling.
use ergon_exact::{
    embed,
    gelu::{gelu, phi, PHI},
    norm::layer_norm,
    pack::{pack16, pack8, pack_key},
    pool, residual, TOP,
};
use proptest::{collection::vec, prelude::*};

/// The error function: `2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!`, whose terms have one sign; beyond 6 it is 1 to all digits.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..300 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    sum * (-x * x).exp() * 2.0 / std::f64::consts::PI.sqrt()
}

fn exact_phi(x: f64) -> f64 {
    (1.0 + erf(x / std::f64::consts::SQRT_2)) / 2.0
}

/// `epsilon[t] = max(1, round(epsilon * hidden^3 * 2^(2 * (12 - t))))`.
fn epsilons(epsilon: f64, hidden: usize) -> [u64; 32] {
    let cube = (hidden as f64).powi(3);
    std::array::from_fn(|t| (epsilon * cube * (2.0 * (12.0 - t as f64)).exp2()).round().max(1.0) as u64)
}

proptest! {
    #[test]
    fn a_layer_norm_errs_by_a_unit_and_two_to_the_minus_19_of_the_row(
        h in vec(any::<i32>(), 2..50), size in 0..32u32, gains in vec(-(1 << 23) + 1..1 << 23, 50), gain_exponent in -20..40i32
    ) {
        let h: Vec<i32> = h.iter().map(|value| value >> size).collect();
        let (gain, width) = (&gains[..h.len()], h.len() as f64);
        let mut out = vec![0; h.len()];
        let exponent = layer_norm(&h, gain, gain_exponent, &epsilons(1e-5, h.len()), &mut out);
        let mean = h.iter().map(|value| f64::from(*value)).sum::<f64>() / width;
        let squares: f64 = h.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum();
        // The width's root is in the gain, as the gain's definition has it.
        let root = (squares + 1e-5 * width * 24f64.exp2()).sqrt();
        for ((h, gain), out) in h.iter().zip(gain).zip(&out) {
            let scale = f64::from(*gain) * f64::from(-gain_exponent - exponent).exp2();
            let exact = (f64::from(*h) - mean) / root * scale;
            // Epsilon is a whole number of squared units of the centered row, at least one, which matters in a row that hardly varies.
            let floor = 1.0 / (1.0 + (root * width).powi(2));
            let bound = 1.0 + scale.abs() * (-19f64).exp2() + exact.abs() * floor;
            prop_assert!((f64::from(*out) - exact).abs() <= bound, "{out} for {exact}");
        }
    }

    #[test]
    fn a_gelu_errs_by_two_to_the_minus_15_of_its_operand(x in vec(-(TOP as i16)..=TOP as i16, 1..20), exponent in -40..10i32) {
        let mut out = vec![0; x.len()];
        let own = gelu(&x, exponent, &mut out);
        for (x, out) in x.iter().zip(&out) {
            let value = f64::from(*x) * f64::from(exponent).exp2();
            let error = f64::from(*out) * f64::from(own).exp2() - value * exact_phi(value);
            prop_assert!(error.abs() <= value.abs() * (-15f64).exp2(), "{error} at {value}");
        }
    }

    #[test]
    fn an_embedding_is_the_mean_over_its_length(rows in vec(vec(any::<i32>(), 8), 1..20), size in 0..32u32) {
        let rows: Vec<Vec<i32>> = rows.into_iter().map(|row| row.into_iter().map(|value| value >> size).collect()).collect();
        let mut sum = [0; 8];
        rows.iter().for_each(|row| pool::add(&mut sum, row));
        let mut out = [0; 8];
        pool::unit(&sum, &mut out);
        let mean: Vec<f64> = (0..8).map(|i| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / rows.len() as f64).collect();
        let length = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
        for (mean, out) in mean.iter().zip(out) {
            let exact = if length == 0.0 { 0.0 } else { mean / length };
            let unit = f64::from(pool::EMBEDDING_EXPONENT).exp2();
            prop_assert!((f64::from(out) * unit - exact).abs() <= unit + (-19f64).exp2(), "{out} for {exact}");
        }
    }
}

#[test]
fn a_key_is_packed_twice() {
    for row in [
        [1 << 30, -(1 << 29), 12345, 1],
        [32650, -32650, 77, 0],
        [0; 4],
        [i32::MIN, i32::MAX, 1, -1],
        [-3, 2, 1, 0],
    ] {
        let (mut wide, mut own, mut key) = ([0; 4], [0; 4], [0; 4]);
        let first = pack16(&row, &mut wide);
        let second = pack8(&wide.map(i32::from), &mut own);
        assert_eq!((pack_key(&row, &mut key), key), (first + second, own));
    }
}

#[test]
fn the_table_is_the_normal_distribution_and_monotone() {
    for (i, value) in PHI.iter().enumerate() {
        assert!(
            (f64::from(*value) - exact_phi(i as f64 / 64.0) * 65536.0).abs() <= 0.5 + 1e-6,
            "{i}"
        );
    }
    let mut last = 0;
    for x in 0..6 << 16 {
        let own = phi(x);
        assert!(
            own >= last && (f64::from(own) - exact_phi(f64::from(x) / 65536.0) * 65536.0).abs() < 1.5,
            "{x}"
        );
        last = own;
    }
    assert_eq!((phi(0), phi(5 << 16), phi(u32::MAX)), (32768, 65536, 65536));
}

#[test]
fn extreme_rows_stay_in_range() {
    let gain = [(1 << 23) - 1; 4];
    for epsilon in [1, (1 << 62) - 1] {
        for h in [
            [i32::MIN, i32::MAX, i32::MIN, i32::MAX],
            [i32::MIN; 4],
            [i32::MAX, 0, 0, 0],
            [0; 4],
        ] {
            let mut out = [0; 4];
            layer_norm(&h, &gain, 0, &[epsilon; 32], &mut out);
            assert!(out.iter().all(|value| value.unsigned_abs() <= 1 << 30));
        }
    }
    let wide: Vec<i32> = (0..1 << 16).map(|i| if i == 7 { i32::MAX } else { i32::MIN }).collect();
    let mut out = vec![0; wide.len()];
    layer_norm(
        &wide,
        &vec![(1 << 23) - 1; wide.len()],
        0,
        &[(1 << 62) - 1; 32],
        &mut out,
    );
    let most = [1i64 << 46, -(1 << 46), 0, 1];
    let mut embedding = [0; 4];
    pool::unit(&most, &mut embedding);
    assert!((embedding[0] - 759_250_125).abs() < 1000 && embedding[0] == -embedding[1]);
    let mut wide = vec![0; 1 << 16];
    pool::unit(&vec![1 << 46; 1 << 16], &mut wide);
    assert!(wide.iter().all(|value| (value - (1 << 22)).abs() <= 1));
    let mut x = [0; 2];
    assert_eq!(gelu(&[TOP as i16, -(TOP as i16)], 40, &mut x), 24);
    assert_eq!(x, [TOP << 16, 0]);
}

#[test]
fn a_constant_row_is_normed_to_zeros_and_a_sum_of_zeros_stays_zero() {
    let mut out = [1; 4];
    layer_norm(&[77; 4], &[1 << 22; 4], 20, &[1; 32], &mut out);
    assert_eq!(out, [0; 4]);
    let mut embedding = [1; 4];
    pool::unit(&[0; 4], &mut embedding);
    assert_eq!(embedding, [0; 4]);
}

#[test]
fn embeddings_add_up_and_a_row_is_replaced_with_saturation() {
    let mut h = [i32::MAX, 0, -5];
    // 127 * 2^10 * 2^12 at f = 0.
    embed::add(&[127, 127, -127], 1 << 10, 0, &mut h);
    assert_eq!(h, [i32::MAX, 127 << 22, -5 - (127 << 22)]);
    residual::replace(&mut h, &[3, -3, 1 << 30], -13);
    assert_eq!(h, [2, -1, 1 << 29]);
    residual::replace(&mut h, &[3, -3, 1 << 30], 0);
    assert_eq!(h, [3 << 12, -3 << 12, i32::MAX]);
}

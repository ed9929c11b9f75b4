// SPDX-License-Identifier: Apache-2.0
//! Biases and the norms of heads against `f64`.
use ergon_exact::{
    bias,
    norm::{head_norm, pre_shift, HeadEpsilon},
};
use proptest::{collection::vec, prelude::*};

/// `epsilon * head_dim = mantissa * 2^-shift`.
fn fixed_point(value: f64) -> HeadEpsilon {
    let shift = 29 - value.log2().floor() as i32;
    let mantissa = (value * f64::from(shift).exp2()) as i32;
    HeadEpsilon { mantissa, shift }
}

proptest! {
    #[test]
    fn a_bias_errs_by_half_a_unit_of_each_operand(
        rows in vec((-(1 << 30) - 1..=(1 << 30) + 1, -bias::BOUND + 1..bias::BOUND), 1..20), exponents in (-60..60i32, -64..=64i32)
    ) {
        let (mut y, bias): (Vec<i32>, Vec<i32>) = rows.iter().copied().unzip();
        let exponent = bias::add(&mut y, exponents.0, &bias, exponents.1);
        prop_assert_eq!(exponent, exponents.0.max(-exponents.1));
        for ((before, bias), sum) in rows.iter().zip(&y) {
            let exact = f64::from(*before) * f64::from(exponents.0 - exponent).exp2()
                + f64::from(*bias) * f64::from(-exponents.1 - exponent).exp2();
            // Each operand is rounded by itself; one that is shifted beyond 31 bits may still round to a unit.
            prop_assert!((f64::from(*sum) - exact).abs() <= 1.5, "{sum} for {exact}");
        }
    }

    #[test]
    fn a_norm_of_a_head_errs_as_one_of_the_residual_row(
        head in vec(any::<i32>(), 1..65), size in 0..32u32, gains in vec(-(1 << 23) + 1..1 << 23, 65), exponent in -36..20i32
    ) {
        let head: Vec<i32> = head.iter().map(|value| value >> size).collect();
        let gain = &gains[..head.len()];
        let epsilon = fixed_point(1e-6 * head.len() as f64);
        let mut out = vec![0; head.len()];
        let own = head_norm(&head, exponent, gain, 20, epsilon, &mut out);
        let t = pre_shift(&head);
        prop_assume!(epsilon.shift + 2 * (exponent + t) >= -32);
        let unit = f64::from(exponent).exp2();
        let squares: f64 = head.iter().map(|value| (f64::from(*value) * unit).powi(2)).sum();
        // Epsilon is rounded to a whole number of squared units, of which there is at least one.
        let slack = f64::from(2 * (exponent + t)).exp2();
        let root = |epsilon: f64| (squares + epsilon).sqrt();
        let exact_epsilon = 1e-6 * head.len() as f64;
        for ((value, gain), out) in head.iter().zip(gain).zip(&out) {
            let scale = f64::from(*gain) * f64::from(-20 - own).exp2();
            let at = |epsilon: f64| f64::from(*value) * unit / root(epsilon) * scale;
            let (low, high) = (at(exact_epsilon + slack).abs(), at((exact_epsilon - slack).max(0.0)).abs());
            let bound = 1.0 + scale.abs() * (-20f64).exp2();
            let found = f64::from(*out).abs();
            prop_assert!(low * (1.0 - 1e-7) - bound <= found && (squares == 0.0 || found <= high * (1.0 + 1e-7) + bound));
        }
    }
}

#[test]
fn a_bias_never_overflows_and_the_larger_exponent_wins() {
    let most = (1 << 30) + 1;
    let sums = |exponent, f| {
        let mut y = [most, -most, most, 0];
        let exponent = bias::add(&mut y, exponent, &[bias::BOUND - 1, 1 - bias::BOUND, 0, 7], f);
        (exponent, y)
    };
    let both = most + bias::BOUND - 1;
    assert_eq!(sums(0, 0), (0, [both, -both, most, 7]));
    // 2^30 + 1 in units of 2^31 rounds up, its negative to -1.
    assert_eq!(sums(-40, 0).1, [bias::BOUND, -bias::BOUND, 1, 7]);
    assert_eq!(sums(0, 64), (0, [most, -most, most, 0]));
    assert_eq!(sums(i32::MIN, 0).0, 0);
}

#[test]
fn the_epsilon_of_a_head_follows_its_exponent_within_bounds() {
    let epsilon = HeadEpsilon {
        mantissa: 3 << 28,
        shift: 40,
    };
    assert_eq!(epsilon.at(-20), 3 << 28);
    assert_eq!(epsilon.at(-19), 3 << 26);
    assert_eq!(epsilon.at(-21), 3 << 30);
    assert_eq!(epsilon.at(-36), 3 << 60);
    assert_eq!((epsilon.at(-37), epsilon.at(i32::MIN)), (3 << 60, 3 << 60));
    assert_eq!((epsilon.at(20), epsilon.at(i32::MAX)), (1, 1));
    assert_eq!(HeadEpsilon { mantissa: 0, shift: 0 }.at(-30), 1);
}

#[test]
fn a_head_of_zeros_stays_zero() {
    let mut out = [1; 4];
    head_norm(&[0; 4], -20, &[1 << 22; 4], 20, fixed_point(4e-6), &mut out);
    assert_eq!(out, [0; 4]);
}

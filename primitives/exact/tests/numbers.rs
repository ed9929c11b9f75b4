// SPDX-License-Identifier: Apache-2.0
//! Rounding, packing and tables against wider integers and `f64`.
use ergon_exact::{
    pack::{pack16, pack8},
    round::{bit_length, mul_shift, shift_round},
    tables::{exp2_neg, EXP2, LOG2E_Q30},
    TOP,
};
use proptest::prelude::*;

/// `floor(x / 2^s + 1/2)` for `s > 0`, `x * 2^-s` else, in 128 bits with `s` clamped to what they hold.
fn rounded(x: i128, s: i32) -> i128 {
    if s > 0 {
        (x + (1 << (s.min(62) - 1))).div_euclid(1 << s.min(62))
    } else {
        x << (-i64::from(s)).min(63)
    }
}

/// Rows with all kinds of sizes in them.
fn rows() -> impl Strategy<Value = Vec<i32>> {
    let value = prop_oneof![any::<i32>(), -300..300i32, Just(i32::MIN), Just(i32::MAX), Just(0)];
    (prop::collection::vec(value, 1..40), 0..32u32)
        .prop_map(|(row, shift)| row.into_iter().map(|value| value >> shift).collect())
}

proptest! {
    #[test]
    fn shifts_round_halves_up(x in -(1i64 << 62)..=1 << 62, s in 1..90i32) {
        prop_assert_eq!(i128::from(shift_round(x, s)), rounded(x.into(), s));
    }

    #[test]
    fn products_are_shifted_and_saturated(a in any::<i32>(), b in any::<i32>(), s in -100..100i32) {
        let expected = rounded(i128::from(a) * i128::from(b), s).clamp(i32::MIN.into(), i32::MAX.into());
        prop_assert_eq!(i128::from(mul_shift(a, b, s)), expected);
    }

    #[test]
    fn packing_errs_by_half_a_unit_and_can_not_be_finer(row in rows()) {
        let mut wide = vec![0i16; row.len()];
        let s = pack16(&row, &mut wide);
        let wide: Vec<i64> = wide.into_iter().map(i64::from).collect();
        check_packed(&row, &wide, s, TOP.into(), -15)?;
        let mut narrow = vec![0i8; row.len()];
        let s = pack8(&row, &mut narrow);
        let narrow: Vec<i64> = narrow.into_iter().map(i64::from).collect();
        check_packed(&row, &narrow, s, 127, -7)?;
    }
}

fn check_packed(row: &[i32], packed: &[i64], s: i32, top: i64, least: i32) -> Result<(), TestCaseError> {
    for (value, mantissa) in row.iter().zip(packed) {
        prop_assert!(mantissa.abs() <= top);
        let error = f64::from(*value) - *mantissa as f64 * f64::from(s).exp2();
        prop_assert!(error.abs() <= f64::from(s - 1).exp2());
    }
    let largest = row.iter().map(|value| i64::from(*value).abs()).max().unwrap();
    if largest == 0 {
        prop_assert_eq!(s, least);
    } else {
        prop_assert!(shift_round(largest, s - 1) > top, "one bit more would fit");
    }
    Ok(())
}

#[test]
fn extreme_products_saturate_by_sign() {
    for s in [i32::MIN, -63, -32, -31] {
        assert_eq!(mul_shift(3, 1, s), i32::MAX);
        assert_eq!(mul_shift(-3, 1, s), i32::MIN);
        assert_eq!(mul_shift(0, i32::MIN, s), 0);
    }
    assert_eq!(mul_shift(i32::MIN, i32::MIN, 0), i32::MAX);
    assert_eq!(mul_shift(i32::MIN, i32::MIN, 31), i32::MAX);
    assert_eq!(mul_shift(i32::MIN, i32::MIN, i32::MAX), 1);
    assert_eq!(mul_shift(i32::MIN, i32::MAX, i32::MAX), -1);
}

#[test]
fn bits_are_counted() {
    assert_eq!([0, 1, 2, 3, 255, 256, u32::MAX].map(bit_length), [0, 1, 2, 2, 8, 9, 32]);
}

#[test]
fn a_largest_value_that_would_round_beyond_the_top_gets_one_more_shift() {
    let mut out = [0i16; 1];
    assert_eq!((pack16(&[32639], &mut out), out), (0, [32639]));
    assert_eq!((pack16(&[32640], &mut out), out), (1, [16320]));
    assert_eq!((pack16(&[i32::MIN], &mut out), out), (17, [-16384]));
    assert_eq!((pack16(&[i32::MAX], &mut out), out), (17, [16384]));
    let mut out = [0i8; 1];
    assert_eq!((pack8(&[-255], &mut out), out), (2, [-64]));
    assert_eq!((pack8(&[255], &mut out), out), (2, [64]));
}

#[test]
fn the_table_holds_rounded_powers_of_two() {
    for (i, entry) in EXP2.iter().enumerate() {
        assert_eq!(f64::from(*entry), ((-(i as f64) / 256.0).exp2() * 65536.0).round());
    }
    assert_eq!(
        f64::from(LOG2E_Q30),
        (std::f64::consts::LOG2_E * f64::from(1 << 30)).round()
    );
}

#[test]
fn powers_of_two_fall_and_err_by_less_than_1_6_units() {
    let mut last = u32::MAX;
    for d in 0..32 << 16 {
        let power = exp2_neg(d);
        assert!(power <= last, "at {d}");
        last = power;
        let exact = (-f64::from(d) / 65536.0).exp2() * 65536.0;
        assert!((f64::from(power) - exact).abs() < 1.6, "at {d}: {power} for {exact}");
    }
    assert_eq!((exp2_neg(0), exp2_neg(1 << 16), exp2_neg(u32::MAX)), (65536, 32768, 0));
}

// SPDX-License-Identifier: Apache-2.0
//! From single-precision weights to int8 rows under 24-bit scales.
//!
//! Row `r` is divided by `max|w[r]| / 127` and rounded half to even. The rows' scales share one exponent `F`, the largest under which every
//! mantissa is below 2^24: `scale[r] = round(max|w[r]| / 127 * 2^F)`. A row of zeros has scale 0.
use super::{source::SourceTensor, ImportError};
use crate::model::Linear;
use rayon::prelude::*;

/// A quantized matrix: value of a weight `weight * scale[row] * 2^-f`; `s` as [`Linear::output_shift`] says.
pub(super) struct Matrix {
    pub weight: Vec<i8>,
    pub scale: Vec<i32>,
    pub f: i32,
    pub s: u32,
}

/// Quantizes a matrix; refuses one with an infinite or undefined weight.
pub(super) fn matrix(tensor: &SourceTensor) -> Result<Matrix, ImportError> {
    let mut weight = vec![0; tensor.shape[0] * tensor.shape[1]];
    let scales: Vec<f64> = rows(tensor, &mut weight).collect();
    if let Some(row) = scales.iter().position(|scale| !scale.is_finite()) {
        return Err(tensor.refuse(format!("row {row} holds an infinite or undefined weight")));
    }
    let (scale, f) = fixed_point(&scales, 24);
    let s = Linear::output_shift(tensor.shape[1], &weight, &scale);
    Ok(Matrix { weight, scale, f, s })
}

/// Mantissas (below 2^23) and exponent `G` of a norm's gain: `gain * sqrt(width) = mantissa * 2^-G`.
pub(super) fn gain(tensor: &SourceTensor) -> Result<(Vec<i32>, i32), ImportError> {
    let root = (tensor.shape[0] as f64).sqrt();
    let gain: Vec<f64> = constants(tensor)?.into_iter().map(|gain| gain * root).collect();
    Ok(fixed_point(&gain, 23))
}

/// Mantissas (below 2^29) and exponent `F` of a bias: `bias = mantissa * 2^-F`, `F` at most 64. Where that is too coarse for a bias, it is
/// below 2^-36, and no output of a matrix has so fine an exponent.
pub(super) fn bias(tensor: &SourceTensor) -> Result<(Vec<i32>, i32), ImportError> {
    let values = constants(tensor)?;
    let (mantissas, exponent) = fixed_point(&values, 29);
    if exponent <= 64 && mantissas.iter().any(|mantissa| *mantissa != 0) {
        return Ok((mantissas, exponent));
    }
    let fixed = values
        .iter()
        .map(|value| libm::ldexp(*value, 64).round_ties_even() as i32);
    Ok((fixed.collect(), 64))
}

/// The values of a tensor with one dimension, all of them finite.
fn constants(tensor: &SourceTensor) -> Result<Vec<f64>, ImportError> {
    let mut values = vec![0.0f32; tensor.shape[0]];
    tensor.read_row(0, &mut values);
    if values.iter().any(|value| !value.is_finite()) {
        return Err(tensor.refuse("it holds an infinite or undefined value".into()));
    }
    Ok(values.into_iter().map(f64::from).collect())
}

/// Quantizes row by row into `weight`; gives each row's scale, which isn't finite if a weight isn't.
fn rows<'a>(tensor: &'a SourceTensor, weight: &'a mut [i8]) -> impl IndexedParallelIterator<Item = f64> + 'a {
    let columns = tensor.shape[1];
    weight.par_chunks_mut(columns).enumerate().map_init(
        move || vec![0.0f32; columns],
        |row, (number, weight)| {
            tensor.read_row(number, row);
            quantize_row(row, weight)
        },
    )
}

fn quantize_row(row: &[f32], weight: &mut [i8]) -> f64 {
    if row.iter().any(|weight| !weight.is_finite()) {
        return f64::NAN;
    }
    let largest = row.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
    let scale = f64::from(largest) / 127.0;
    for (weight, value) in weight.iter_mut().zip(row) {
        *weight = if scale > 0.0 {
            (f64::from(*value) / scale).round_ties_even() as i8
        } else {
            0
        };
    }
    scale
}

/// Values as `mantissa * 2^-exponent` under one exponent, the largest mantissa in `2^(bits - 1)..2^bits`; all zero: exponent 0.
fn fixed_point(values: &[f64], bits: i32) -> (Vec<i32>, i32) {
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return (vec![0; values.len()], 0);
    }
    // frexp: largest = fraction * 2^power, fraction in 1/2..1.
    let (_, power) = libm::frexp(largest);
    let scaled = |exponent: i32| move |value: &f64| libm::ldexp(*value, exponent).round_ties_even() as i32;
    let exponent = bits - power;
    // Rounding may carry the largest mantissa to 2^bits.
    let carried = scaled(exponent)(&largest) >= 1 << bits;
    let exponent = if carried { exponent - 1 } else { exponent };
    (values.iter().map(scaled(exponent)).collect(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::source::tests::matrix as tensor;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_weight_is_within_half_a_step(values in prop::collection::vec(-100.0f32..100.0, 32)) {
            let tensor = tensor(&values, [4, 8]);
            let matrix = matrix(&tensor).unwrap();
            prop_assert!(matrix.scale.iter().all(|scale| (0..1 << 24).contains(scale)));
            for (row, scale) in values.chunks(8).zip(&matrix.scale).zip(matrix.weight.chunks(8)).map(|((v, s), w)| (v.iter().zip(w), s)) {
                let step = f64::from(*scale) * 2f64.powi(-matrix.f);
                let coarsest = matrix.scale.iter().max().map(|_| 2f64.powi(-matrix.f)).unwrap();
                for (value, weight) in row {
                    // Half a step of the row, and what rounding the scale itself may add.
                    let error = (f64::from(*value) - f64::from(*weight) * step).abs();
                    prop_assert!(error <= step * 0.5001 + coarsest * 127.0);
                }
            }
        }
    }

    #[test]
    fn the_largest_weight_of_a_row_becomes_127() {
        let matrix = matrix(&tensor(
            &[
                -0.3, 0.1, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, -3.0, 1e-9, 1.0, 1.0, 1.0, 1.0,
            ],
            [4, 4],
        ))
        .unwrap();
        assert_eq!(&matrix.weight[..8], [-127, 42, 0, 85, 0, 0, 0, 0]);
        assert_eq!(&matrix.weight[8..], [127, 127, -127, 0, 127, 127, 127, 127]);
        assert_eq!(matrix.scale[1], 0);
        assert!(matrix.scale[2] >= 1 << 23);
    }

    fn constants_of(values: &[f32]) -> SourceTensor {
        let matrix = tensor(values, [1, values.len()]);
        SourceTensor {
            shape: vec![values.len()],
            ..matrix
        }
    }

    #[test]
    fn a_bias_has_29_bits_unless_it_is_finer_than_any_output() {
        let bias = |values: &[f32]| bias(&constants_of(values)).unwrap();
        assert_eq!(bias(&[1.0, -0.5]), (vec![1 << 28, -1 << 27], 28));
        assert_eq!(bias(&[-3e5, 1.0]).1, 10);
        // All zero: an exponent that no output is coarser than, so that the outputs keep theirs.
        assert_eq!(bias(&[0.0, -0.0]), (vec![0, 0], 64));
        let tiny = 2f32.powi(-60);
        assert_eq!(bias(&[tiny, -tiny]), (vec![16, -16], 64));
        assert_eq!(bias(&[f32::MIN_POSITIVE]), (vec![0], 64));
    }

    #[test]
    fn undefined_weights_are_refused_by_row() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = [1.0; 16];
            values[9] = bad;
            let error = matrix(&tensor(&values, [4, 4])).err().unwrap().to_string();
            assert!(error.contains("row 2"), "{error}");
        }
    }

    #[test]
    fn a_mantissa_that_rounds_up_to_the_bound_takes_the_next_exponent() {
        let just_below = f64::from_bits(1f64.to_bits() - 1);
        assert_eq!(fixed_point(&[just_below, 0.5], 24), (vec![1 << 23, 1 << 22], 23));
        assert_eq!(fixed_point(&[0.5], 24), (vec![1 << 23], 24));
        assert_eq!(fixed_point(&[0.0, 0.0], 24), (vec![0, 0], 0));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Dot products of `i8` rows with `i16` rows, many at once, for the instruction set at hand.
//!
//! A *tile* is the product of up to 4 `i8` rows with up to 4 `i16` rows, held in registers while the columns go by. A 32-bit lane sums
//! products of pairs, at most `2 * 128 * 32768 = 2^23` each, so it is widened after 255 pairs at the latest; the result is exact, and
//! equal to [`ergon_exact::linear::dot`], on every level.
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod loops;
mod portable;

use crate::model::Linear;
use ergon_exact::linear::rescale;
use std::ops::Range;

/// Instruction set to compute with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Whatever the compiler makes of plain Rust.
    Portable,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Levels that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2");
            let f = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            let dq = is_x86_feature_detected!("avx512dq");
            if avx2 && f && dq && is_x86_feature_detected!("avx512vnni") {
                levels.push(Self::Avx512);
            }
            if avx2 {
                levels.push(Self::Avx2);
            }
        }
        levels.push(Self::Portable);
        levels
    }

    /// Does `work`, compiled for this instruction set as far as it is inlined: so the row operators of `ergon_exact` become vector code
    /// without being written twice.
    #[inline]
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        match self {
            Self::Portable => work(),
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX2.
            Self::Avx2 => unsafe { avx2::run(work) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX-512 F, BW, DQ and VNNI.
            Self::Avx512 => unsafe { avx512::run(work) },
        }
    }

    /// Adds up products of bytes from registers alone and gives their number: the most that any kernel can do. `rounds` is at most 2^20.
    pub fn peak(self, rounds: usize) -> u64 {
        let lanes = match self {
            Self::Portable => portable::peak(rounds),
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX2.
            Self::Avx2 => unsafe { avx2::peak(rounds) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX-512 F, BW, DQ and VNNI.
            Self::Avx512 => unsafe { avx512::peak(rounds) },
        };
        // Every product was 1.
        lanes.iter().map(|lane| u64::from(lane.unsigned_abs())).sum()
    }

    /// `out[p * stride + i] = ` output of row `rows.start + i` of `matrix` for input row `p` of `x`, `[positions, columns]`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn multiply(self, matrix: &Linear, rows: Range<usize>, x: &[i16], out: &mut [i32], stride: usize) {
        assert_eq!(x.len() % matrix.columns(), 0);
        let product = Product {
            matrix,
            rows,
            x,
            stride,
        };
        match self {
            Self::Portable => portable::multiply(product, out),
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX2.
            Self::Avx2 => unsafe { avx2::multiply(product, out) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX-512 F, BW, DQ and VNNI.
            Self::Avx512 => unsafe { avx512::multiply(product, out) },
        }
    }

    /// `out[t] = dot(query, key t)`, where key `t` is `keys[t * stride..][..query.len()]`.
    ///
    /// # Panics
    /// If the keys are too short.
    pub fn scores(self, query: &[i16], keys: &[i8], stride: usize, out: &mut [i32]) {
        match self {
            Self::Portable => portable::scores(query, keys, stride, out),
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX2.
            Self::Avx2 => unsafe { avx2::scores(query, keys, stride, out) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX-512 F, BW, DQ and VNNI.
            Self::Avx512 => unsafe { avx512::scores(query, keys, stride, out) },
        }
    }

    /// `out[i] += sum over t of weights[t] * values[t * stride + i]`; no partial sum exceeds 32 bits in attention.
    ///
    /// # Panics
    /// If the values are too short.
    pub fn accumulate(self, weights: &[i32], values: &[i8], stride: usize, out: &mut [i32]) {
        match self {
            Self::Portable => portable::accumulate(weights, values, stride, out),
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX2.
            Self::Avx2 => unsafe { avx2::accumulate(weights, values, stride, out) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: `available` found AVX-512 F, BW, DQ and VNNI.
            Self::Avx512 => unsafe { avx512::accumulate(weights, values, stride, out) },
        }
    }
}

/// Rows of a matrix times rows of activations.
struct Product<'a> {
    matrix: &'a Linear,
    rows: Range<usize>,
    x: &'a [i16],
    stride: usize,
}

impl Product<'_> {
    fn positions(&self) -> usize {
        self.x.len() / self.matrix.columns()
    }
}

/// Sums the columns that don't fill a register.
#[cfg(target_arch = "x86_64")]
#[inline]
fn add_tail<const R: usize, const P: usize>(
    sums: &mut [[i64; P]; R],
    weights: [&[i8]; R],
    x: [&[i16]; P],
    from: usize,
) {
    for (sums, weights) in sums.iter_mut().zip(weights) {
        for (sum, x) in sums.iter_mut().zip(x) {
            for (weight, x) in weights[from..].iter().zip(&x[from..]) {
                *sum += i64::from(*weight) * i64::from(*x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_exact::linear;
    use proptest::prelude::*;

    fn matrix(columns: usize, weights: Vec<i8>, scale: Vec<i32>) -> Linear {
        let shift = Linear::output_shift(columns, &weights, &scale);
        Linear::new("m", columns, weights.into(), scale, 30, shift).unwrap()
    }

    fn assert_equal_to_exact(matrix: &Linear, x: &[i16]) {
        let rows = matrix.rows();
        for level in Level::available() {
            let mut out = vec![0; x.len() / matrix.columns() * rows];
            level.multiply(matrix, 0..rows, x, &mut out, rows);
            for (x, out) in x.chunks(matrix.columns()).zip(out.chunks(rows)) {
                let mut expected = vec![0; rows];
                linear::linear(matrix.weight(), matrix.scale(), matrix.s(), x, &mut expected);
                assert_eq!(out, expected, "{level:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn products_equal_the_specification_for_every_shape(
            quads in 1usize..300, row_quads in 1usize..20, positions in 1usize..40, seed in any::<u64>()
        ) {
            let mut random = crate::testing::Random::new(seed);
            let (columns, rows) = (4 * quads, 4 * row_quads);
            let weights = (0..rows * columns).map(|_| random.next() as i8).collect();
            let scale = (0..rows).map(|_| (random.next() & 0xff_ffff) as i32).collect();
            let x: Vec<i16> = (0..positions * columns).map(|_| (random.next() as i16).clamp(-32639, 32639)).collect();
            assert_equal_to_exact(&matrix(columns, weights, scale), &x);
        }

        #[test]
        fn scores_and_sums_of_values_equal_the_specification(
            quads in 1usize..40, positions in 1usize..20, gap in 0usize..9, seed in any::<u64>()
        ) {
            let mut random = crate::testing::Random::new(seed);
            let (width, stride) = (4 * quads, 4 * quads + gap);
            let cached: Vec<i8> = (0..positions * stride).map(|_| (random.next() as i8).max(-127)).collect();
            let query: Vec<i16> = (0..width).map(|_| (random.next() as i16).clamp(-32639, 32639)).collect();
            let weights: Vec<i32> = (0..positions).map(|_| (random.next() & 0x3_ffff) as i32).collect();
            let rows = || cached.chunks(stride).map(|row| &row[..width]);
            let expected: Vec<i32> = rows().map(|key| ergon_exact::attention::dot(&query, key)).collect();
            let mut sum = vec![5; width];
            rows().zip(&weights).for_each(|(value, weight)| ergon_exact::attention::accumulate(*weight, value, &mut sum));
            for level in Level::available() {
                let mut out = vec![0; positions];
                level.scores(&query, &cached, stride, &mut out);
                prop_assert_eq!(&out, &expected);
                let mut out = vec![5; width];
                level.accumulate(&weights, &cached, stride, &mut out);
                prop_assert_eq!(&out, &sum);
            }
        }
    }

    #[test]
    fn the_peak_counts_what_it_multiplies() {
        for level in Level::available() {
            let once = level.peak(1);
            assert!(once > 0 && level.peak(1000) == 1000 * once, "{level:?}");
        }
    }

    #[test]
    fn the_largest_products_do_not_overflow_a_lane() {
        for (weight, x) in [(-128i8, -32639i16), (127, 32639), (-128, 32639)] {
            for columns in [4, 16, 60, 8160, 8192, 16384, 65536] {
                // Every level has one way for few positions and may have another for many.
                for positions in [1, 2, 17] {
                    assert_equal_to_exact(
                        &matrix(columns, vec![weight; 4 * columns], vec![(1 << 24) - 1; 4]),
                        &vec![x; positions * columns],
                    );
                }
            }
        }
    }

    #[test]
    fn a_range_of_rows_is_the_same_as_the_whole() {
        let mut random = crate::testing::Random::new(3);
        let matrix = matrix(
            36,
            (0..36 * 12).map(|_| random.next() as i8).collect(),
            vec![1 << 20; 12],
        );
        for positions in [2, 19] {
            let x: Vec<i16> = (0..positions * 36).map(|_| random.next() as i16 / 2).collect();
            for level in Level::available() {
                let mut whole = vec![0; 12 * positions];
                level.multiply(&matrix, 0..12, &x, &mut whole, 12);
                for rows in [0..4, 4..12, 3..5, 8..9] {
                    let mut part = vec![0; 12 * (positions - 1) + rows.len()];
                    level.multiply(&matrix, rows.clone(), &x, &mut part, 12);
                    for (part, whole) in part.chunks(12).zip(whole.chunks(12)) {
                        assert_eq!(part[..rows.len()], whole[rows.clone()], "{level:?}");
                    }
                }
            }
        }
    }
}

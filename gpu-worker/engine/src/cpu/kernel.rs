// SPDX-License-Identifier: Apache-2.0
//! Dot products of `i8` rows with `i16` rows, many at once, for the instruction set at hand.
//!
//! A *tile* is the product of up to 4 `i8` rows with up to 4 `i16` rows, held in registers while the columns go by. A 32-bit lane sums
//! products of pairs, at most `2 * 128 * 32768 = 2^23` each, so it is widened after 255 pairs at the latest; the result is exact, and
//! equal to [`ergon_exact::linear::dot`], on every level.
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
    /// x86-64 with AVX-512 F, BW and VNNI.
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
            let bw = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            if avx2 && bw && is_x86_feature_detected!("avx512vnni") {
                levels.push(Self::Avx512);
            }
            if avx2 {
                levels.push(Self::Avx2);
            }
        }
        levels.push(Self::Portable);
        levels
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
            // SAFETY: `available` found AVX-512 F, BW and VNNI.
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
            // SAFETY: `available` found AVX-512 F, BW and VNNI.
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
            // SAFETY: `available` found AVX-512 F, BW and VNNI.
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

/// The loops around a tile, compiled once for each instruction set: `tile` must be inlined into them.
macro_rules! loops {
    ($(#[$feature:meta])?) => {
        use super::{rescale, Product};

        $(#[$feature])?
        pub(super) fn multiply(product: Product<'_>, out: &mut [i32]) {
            let columns = product.matrix.columns();
            let mut row = product.rows.start;
            while row < product.rows.end {
                let weights = &product.matrix.weight()[row * columns..];
                let (count, at) = ((product.rows.end - row).min(4), row - product.rows.start);
                for (p, x) in product.x.chunks(4 * columns).enumerate() {
                    let out = &mut out[p * 4 * product.stride + at..];
                    let scale = &product.matrix.scale()[row..][..count];
                    match (count, x.len() / columns) {
                        (4, 4) => block::<4, 4>(weights, x, columns, scale, product.matrix.s(), out, product.stride),
                        (4, 3) => block::<4, 3>(weights, x, columns, scale, product.matrix.s(), out, product.stride),
                        (4, 2) => block::<4, 2>(weights, x, columns, scale, product.matrix.s(), out, product.stride),
                        (4, _) => block::<4, 1>(weights, x, columns, scale, product.matrix.s(), out, product.stride),
                        (_, positions) => {
                            for p in 0..positions {
                                for r in 0..count {
                                    let (weights, x) = (&weights[r * columns..], &x[p * columns..]);
                                    let out = &mut out[p * product.stride + r..];
                                    block::<1, 1>(weights, x, columns, &scale[r..], product.matrix.s(), out, product.stride);
                                }
                            }
                        }
                    }
                }
                row += 4;
            }
        }

        $(#[$feature])?
        #[inline]
        fn block<const R: usize, const P: usize>(
            weights: &[i8],
            x: &[i16],
            columns: usize,
            scale: &[i32],
            shift: u32,
            out: &mut [i32],
            stride: usize,
        ) {
            let mut rows = [&weights[..0]; R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = &weights[r * columns..][..columns];
            }
            let mut inputs = [&x[..0]; P];
            for (p, input) in inputs.iter_mut().enumerate() {
                *input = &x[p * columns..][..columns];
            }
            let sums = tile::<R, P>(rows, inputs);
            for r in 0..R {
                for p in 0..P {
                    out[p * stride + r] = rescale(sums[r][p], scale[r], shift);
                }
            }
        }

        $(#[$feature])?
        pub(super) fn scores(query: &[i16], keys: &[i8], stride: usize, out: &mut [i32]) {
            let width = query.len();
            let whole = out.len() - out.len() % 4;
            for t in (0..whole).step_by(4) {
                let mut rows = [&keys[..0]; 4];
                for (r, row) in rows.iter_mut().enumerate() {
                    *row = &keys[(t + r) * stride..][..width];
                }
                let sums = tile::<4, 1>(rows, [query]);
                for (out, sum) in out[t..].iter_mut().zip(sums) {
                    *out = sum[0] as i32;
                }
            }
            for (t, out) in out.iter_mut().enumerate().skip(whole) {
                *out = tile::<1, 1>([&keys[t * stride..][..width]], [query])[0][0] as i32;
            }
        }

        $(#[$feature])?
        pub(super) fn accumulate(weights: &[i32], values: &[i8], stride: usize, out: &mut [i32]) {
            for (i, out) in out.chunks_mut(64).enumerate() {
                // A copy of full width lives in registers while the positions go by.
                let mut sums = [0i32; 64];
                let width = out.len();
                sums[..width].copy_from_slice(out);
                for (t, weight) in weights.iter().enumerate() {
                    let row = &values[t * stride + i * 64..][..width];
                    if let Ok(row) = <&[i8; 64]>::try_from(row) {
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value)));
                        }
                    } else {
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value)));
                        }
                    }
                }
                out.copy_from_slice(&sums[..width]);
            }
        }
    };
}

mod portable {
    loops!();

    #[inline]
    fn tile<const R: usize, const P: usize>(weights: [&[i8]; R], x: [&[i16]; P]) -> [[i64; P]; R] {
        let mut sums = [[0; P]; R];
        for (sums, weights) in sums.iter_mut().zip(weights) {
            for (sum, x) in sums.iter_mut().zip(x) {
                // 256 products of at most 2^22 fit a 32-bit sum.
                for (weights, x) in weights.chunks(256).zip(x.chunks(256)) {
                    let products = weights
                        .iter()
                        .zip(x)
                        .map(|(weight, x)| i32::from(*weight) * i32::from(*x));
                    *sum += i64::from(products.fold(0i32, i32::wrapping_add));
                }
            }
        }
        sums
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

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;
    loops!(#[target_feature(enable = "avx2")]);

    #[target_feature(enable = "avx2")]
    #[inline]
    #[allow(unsafe_code)]
    fn tile<const R: usize, const P: usize>(weights: [&[i8]; R], x: [&[i16]; P]) -> [[i64; P]; R] {
        let columns = x[0].len();
        assert!(weights.iter().all(|row| row.len() == columns) && x.iter().all(|row| row.len() == columns));
        let whole = columns - columns % 16;
        let mut sums = [[0; P]; R];
        for start in (0..whole).step_by(255 * 16) {
            let mut lanes = [[_mm256_setzero_si256(); P]; R];
            for i in (start..whole.min(start + 255 * 16)).step_by(16) {
                let mut inputs = [_mm256_setzero_si256(); P];
                for p in 0..P {
                    // SAFETY: `i + 16 <= columns`, the length of every row.
                    inputs[p] = unsafe { _mm256_loadu_si256(x[p].as_ptr().wrapping_add(i).cast()) };
                }
                for r in 0..R {
                    // SAFETY: `i + 16 <= columns`, the length of every row.
                    let weights = unsafe { _mm_loadu_si128(weights[r].as_ptr().wrapping_add(i).cast()) };
                    let weights = _mm256_cvtepi8_epi16(weights);
                    for p in 0..P {
                        lanes[r][p] = _mm256_add_epi32(lanes[r][p], _mm256_madd_epi16(weights, inputs[p]));
                    }
                }
            }
            for r in 0..R {
                for p in 0..P {
                    sums[r][p] += sum(lanes[r][p]);
                }
            }
        }
        super::add_tail(&mut sums, weights, x, whole);
        sums
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn sum(lanes: __m256i) -> i64 {
        let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(lanes));
        let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(lanes));
        let four = _mm256_add_epi64(low, high);
        let two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
        _mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;
    loops!(#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]);

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
    #[inline]
    #[allow(unsafe_code)]
    fn tile<const R: usize, const P: usize>(weights: [&[i8]; R], x: [&[i16]; P]) -> [[i64; P]; R] {
        let columns = x[0].len();
        assert!(weights.iter().all(|row| row.len() == columns) && x.iter().all(|row| row.len() == columns));
        let whole = columns - columns % 32;
        let mut sums = [[0; P]; R];
        for start in (0..whole).step_by(255 * 32) {
            let mut lanes = [[_mm512_setzero_si512(); P]; R];
            for i in (start..whole.min(start + 255 * 32)).step_by(32) {
                let mut inputs = [_mm512_setzero_si512(); P];
                for p in 0..P {
                    // SAFETY: `i + 32 <= columns`, the length of every row.
                    inputs[p] = unsafe { _mm512_loadu_si512(x[p].as_ptr().wrapping_add(i).cast()) };
                }
                for r in 0..R {
                    // SAFETY: `i + 32 <= columns`, the length of every row.
                    let weights = unsafe { _mm256_loadu_si256(weights[r].as_ptr().wrapping_add(i).cast()) };
                    let weights = _mm512_cvtepi8_epi16(weights);
                    for p in 0..P {
                        lanes[r][p] = _mm512_dpwssd_epi32(lanes[r][p], weights, inputs[p]);
                    }
                }
            }
            for p in 0..P {
                let mut rows = [_mm512_setzero_si512(); 4];
                for r in 0..R {
                    rows[r] = lanes[r][p];
                }
                for (r, sum) in sum_each(rows).into_iter().take(R).enumerate() {
                    sums[r][p] += sum;
                }
            }
        }
        super::add_tail(&mut sums, weights, x, whole);
        sums
    }

    /// Sum of the lanes of each register, in 64 bits.
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
    #[inline]
    fn sum_each(lanes: [__m512i; 4]) -> [i64; 4] {
        let mut wide = [_mm512_setzero_si512(); 4];
        for (wide, lanes) in wide.iter_mut().zip(lanes) {
            let (odd, even) = (_mm512_srai_epi64::<32>(lanes), _mm512_slli_epi64::<32>(lanes));
            *wide = _mm512_add_epi64(odd, _mm512_srai_epi64::<32>(even));
        }
        let [a, b, c, d] = wide;
        // Each pair of lanes is (a, b), then (c, d); the pairs that belong together are added by halves.
        let ab = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
        let cd = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
        let pairs = _mm512_add_epi64(
            _mm512_shuffle_i64x2::<0x44>(ab, cd),
            _mm512_shuffle_i64x2::<0xee>(ab, cd),
        );
        let (first, second) = (
            _mm512_shuffle_i64x2::<0x88>(pairs, pairs),
            _mm512_shuffle_i64x2::<0xdd>(pairs, pairs),
        );
        let sums = _mm512_castsi512_si256(_mm512_add_epi64(first, second));
        bytemuck::cast(sums)
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
            quads in 1usize..60, row_quads in 1usize..4, positions in 1usize..9, seed in any::<u64>()
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
    fn the_largest_products_do_not_overflow_a_lane() {
        for (weight, x) in [(-128i8, -32639i16), (127, 32639), (-128, 32639)] {
            for columns in [4, 16, 60, 8160, 8192, 16384, 65536] {
                assert_equal_to_exact(
                    &matrix(columns, vec![weight; 4 * columns], vec![(1 << 24) - 1; 4]),
                    &vec![x; 2 * columns],
                );
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
        let x: Vec<i16> = (0..72).map(|_| random.next() as i16 / 2).collect();
        for level in Level::available() {
            let mut whole = vec![0; 24];
            level.multiply(&matrix, 0..12, &x, &mut whole, 12);
            for rows in [0..4, 4..12, 3..5, 8..9] {
                let mut part = vec![0; 12 + rows.len()];
                level.multiply(&matrix, rows.clone(), &x, &mut part, 12);
                assert_eq!(part[..rows.len()], whole[rows.clone()]);
                assert_eq!(part[12..], whole[12..][rows.clone()]);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! x86-64 with AVX2.
use std::{arch::x86_64::*, hint::black_box};
super::loops::multiply!(#[target_feature(enable = "avx2")]);
super::loops::attention!(#[target_feature(enable = "avx2")]);

#[target_feature(enable = "avx2")]
pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// A product of 16 bits counts as two of bytes.
#[target_feature(enable = "avx2")]
pub(super) fn peak(rounds: usize) -> Vec<i32> {
    let (a, b) = (_mm256_set1_epi16(black_box(1)), _mm256_set1_epi16(black_box(2)));
    let mut sums = [_mm256_setzero_si256(); 8];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(black_box(a), b));
        }
    }
    sums.iter().map(|lanes| sum(*lanes) as i32).collect()
}

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
    if whole < columns {
        super::add_tail(&mut sums, weights, x, whole);
    }
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

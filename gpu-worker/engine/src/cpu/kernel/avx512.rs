// SPDX-License-Identifier: Apache-2.0
//! x86-64 with AVX-512 F, BW, DQ and VNNI.
mod dots;
mod panels;

use super::Product;
use std::{arch::x86_64::*, hint::black_box};

super::loops::attention!(#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]);

/// From so many positions on, packing the weights pays.
const PACKED: usize = 16;

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) fn peak(rounds: usize) -> Vec<i32> {
    let (a, b) = (_mm512_set1_epi8(black_box(1)), _mm512_set1_epi8(black_box(1)));
    let mut sums = [_mm512_setzero_si512(); 16];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, a, b);
        }
    }
    sums.iter().map(|sum| _mm512_reduce_add_epi32(*sum)).collect()
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) fn multiply(product: Product<'_>, out: &mut [i32]) {
    if product.positions() < PACKED {
        dots::multiply(product, out);
    } else {
        panels::multiply(product, out);
    }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
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
    if whole < columns {
        super::add_tail(&mut sums, weights, x, whole);
    }
    sums
}

/// Sum of the lanes of each register, in 64 bits.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
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

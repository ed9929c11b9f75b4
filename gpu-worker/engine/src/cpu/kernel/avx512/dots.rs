// SPDX-License-Identifier: Apache-2.0
//! Products with few positions: weights are read once, as they are stored.
//!
//! An input is cut into its byte planes ([`ergon_exact::linear::planes`]), each of which takes one multiply-accumulate of bytes, which
//! wants one side unsigned: 128 is added to the weights and, times the sum of the inputs, taken off the result. A plane sums to at
//! most `65536 * 255 * 128 < 2^31`, so everything up to the join of the planes fits 32 bits.
use super::super::{rescale, Product};
use ergon_exact::linear::planes;
use std::arch::x86_64::*;

/// Columns of a register.
const WIDTH: usize = 64;

/// The planes of one position's input, filled up with zeros to whole registers.
struct Planes {
    high: Vec<i8>,
    low: Vec<i8>,
    /// What adding 128 to every weight adds to the product.
    offset: i64,
}

impl Planes {
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
    fn new(x: &[i16]) -> Self {
        let width = x.len().next_multiple_of(WIDTH);
        let (mut high, mut low) = (vec![0; width], vec![0; width]);
        let mut sum = 0;
        for ((high, low), x) in high.iter_mut().zip(&mut low).zip(x) {
            (*high, *low) = planes(*x);
            sum += i64::from(*x);
        }
        Self {
            high,
            low,
            offset: 128 * sum,
        }
    }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) fn multiply(product: Product<'_>, out: &mut [i32]) {
    let x = product.x.chunks(product.matrix.columns());
    let x: Vec<_> = x.map(|x| Planes::new(x)).collect();
    match &x[..] {
        [x] => tiles::<8, 1>(&product, &[[x]], out),
        _ => {
            // An odd one at the end is computed twice.
            let pairs: Vec<_> = x.chunks(2).map(|pair| [&pair[0], &pair[pair.len() - 1]]).collect();
            tiles::<4, 2>(&product, &pairs, out);
        }
    }
}

/// All tiles of `R` rows and `P` positions, `R * P = 8`.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
fn tiles<const R: usize, const P: usize>(product: &Product<'_>, x: &[[&Planes; P]], out: &mut [i32]) {
    let (columns, shift) = (product.matrix.columns(), product.matrix.s());
    let weights = &product.matrix.weight()[product.rows.start * columns..product.rows.end * columns];
    let scale = &product.matrix.scale()[product.rows.clone()];
    for (i, (weights, scale)) in weights.chunks(R * columns).zip(scale.chunks(R)).enumerate() {
        for (j, x) in x.iter().enumerate() {
            let sums = tile::<R, P>(weights, *x, columns);
            for p in 0..P.min(product.positions() - j * P) {
                let mut outputs = [0; R];
                for (r, (out, scale)) in outputs.iter_mut().zip(scale).enumerate() {
                    let (high, low) = (sums[p * R + r], sums[8 + p * R + r]);
                    *out = rescale(256 * i64::from(high) + i64::from(low) - x[p].offset, *scale, shift);
                }
                out[(j * P + p) * product.stride + i * R..][..scale.len()].copy_from_slice(&outputs[..scale.len()]);
            }
        }
    }
}

/// Products of up to `R` rows with the high planes, position after position, then with the low ones, all with 128 added to each weight.
///
/// Row goes after row, although inputs could stay in registers if rows went side by side: processors fetch ahead of one stream only, and
/// memory is what bounds this.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
#[allow(unsafe_code)]
fn tile<const R: usize, const P: usize>(weights: &[i8], x: [&Planes; P], columns: usize) -> [i32; 16] {
    let width = columns.next_multiple_of(WIDTH);
    assert!(R * P == 8 && weights.len() <= R * columns);
    assert!(x.iter().all(|x| x.high.len() == width && x.low.len() == width));
    let mut sums = [_mm512_setzero_si512(); 16];
    for (r, row) in weights.chunks_exact(columns).enumerate() {
        let (mut high, mut low) = ([_mm512_setzero_si512(); P], [_mm512_setzero_si512(); P]);
        for i in (0..width).step_by(WIDTH) {
            let left = columns - i;
            // SAFETY: the row has 64 columns from `i` on, or the mask leaves out those that it hasn't.
            let weights = unsafe {
                if left >= WIDTH {
                    _mm512_loadu_si512(row.as_ptr().add(i).cast())
                } else {
                    _mm512_maskz_loadu_epi8((1 << left) - 1, row.as_ptr().add(i))
                }
            };
            let weights = _mm512_xor_si512(weights, _mm512_set1_epi8(-128));
            for p in 0..P {
                // SAFETY: `i + 64 <= width`, the length of both planes.
                let (x_high, x_low) = unsafe {
                    (
                        _mm512_loadu_si512(x[p].high.as_ptr().add(i).cast()),
                        _mm512_loadu_si512(x[p].low.as_ptr().add(i).cast()),
                    )
                };
                high[p] = _mm512_dpbusd_epi32(high[p], weights, x_high);
                low[p] = _mm512_dpbusd_epi32(low[p], weights, x_low);
            }
        }
        for p in 0..P {
            sums[p * R + r] = high[p];
            sums[8 + p * R + r] = low[p];
        }
    }
    sum_each(sums)
}

/// Sum of the lanes of each register.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
#[allow(unsafe_code)]
fn sum_each(registers: [__m512i; 16]) -> [i32; 16] {
    let (mut twos, mut fours) = (registers, registers);
    for i in 0..8 {
        let (a, b) = (registers[2 * i], registers[2 * i + 1]);
        twos[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    }
    for i in 0..4 {
        let (a, b) = (twos[2 * i], twos[2 * i + 1]);
        fours[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    }
    // Each quarter of a register now holds one sum a register, over the quarter; quarters remain to be added.
    let sums = add_quarters(add_quarters(fours[0], fours[1]), add_quarters(fours[2], fours[3]));
    let mut lanes = [0; 16];
    // SAFETY: 16 lanes are 64 bytes.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), sums) };
    lanes
}

/// Quarters 0 + 1 and 2 + 3 of `a`, then of `b`.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
fn add_quarters(a: __m512i, b: __m512i) -> __m512i {
    let (even, odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
    _mm512_add_epi32(even, odd)
}

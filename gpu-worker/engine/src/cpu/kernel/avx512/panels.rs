// SPDX-License-Identifier: Apache-2.0
//! Products with many positions: weights are packed once into panels, from which a tile of rows and positions is computed without any sum
//! across lanes.
//!
//! A panel holds 32 rows of up to 512 columns, pair of columns after pair, widened to `i16`: one lane a row. A pair of inputs goes to all
//! lanes. 512 columns sum to at most `512 * 128 * 32639 < 2^31`, so lanes are 32 bits; panels add up in 64.
use super::super::{rescale, Product};
use std::{arch::x86_64::*, array};

/// Rows of a panel.
const ROWS: usize = 32;
/// Most columns of a panel.
const COLUMNS: usize = 512;
/// Positions of a tile.
const POSITIONS: usize = 8;

/// A pair of columns: one pair of `i16` a row, in whole cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Pair([[i32; 16]; 2]);

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) fn multiply(product: Product<'_>, out: &mut [i32]) {
    let columns = product.matrix.columns();
    let mut panel = vec![Pair([[0; 16]; 2]); COLUMNS.min(columns) / 2];
    let mut sums = vec![[0i64; ROWS]; product.positions()];
    for first in product.rows.clone().step_by(ROWS) {
        let count = ROWS.min(product.rows.end - first);
        let weights = &product.matrix.weight()[first * columns..][..count * columns];
        sums.fill([0; ROWS]);
        for start in (0..columns).step_by(COLUMNS) {
            let width = COLUMNS.min(columns - start);
            let panel = &mut panel[..width / 2];
            let mut rows = [&weights[..0]; ROWS];
            for (row, weights) in rows.iter_mut().zip(weights.chunks_exact(columns)) {
                *row = &weights[start..][..width];
            }
            pack(rows, panel);
            for (x, sums) in product.x.chunks(POSITIONS * columns).zip(sums.chunks_mut(POSITIONS)) {
                if let Ok(sums) = <&mut [_; POSITIONS]>::try_from(&mut *sums) {
                    let mut inputs = [&x[..0]; POSITIONS];
                    for (input, x) in inputs.iter_mut().zip(x.chunks_exact(columns)) {
                        *input = &x[start..][..width];
                    }
                    add(panel, inputs, sums);
                } else {
                    for (x, sums) in x.chunks(columns).zip(sums) {
                        add(panel, [&x[start..][..width]], array::from_mut(sums));
                    }
                }
            }
        }
        let scale = &product.matrix.scale()[first..][..count];
        for (p, sums) in sums.iter().enumerate() {
            let out = &mut out[p * product.stride + first - product.rows.start..][..count];
            for ((out, sum), scale) in out.iter_mut().zip(sums).zip(scale) {
                *out = rescale(*sum, *scale, product.matrix.s());
            }
        }
    }
}

/// Adds the products of a panel with a tile of positions.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
#[allow(unsafe_code)]
fn add<const P: usize>(panel: &[Pair], x: [&[i16]; P], sums: &mut [[i64; ROWS]; P]) {
    assert!(x.iter().all(|x| x.len() == 2 * panel.len()));
    let mut lanes = [[_mm512_setzero_si512(); 2]; P];
    for (i, Pair([low, high])) in panel.iter().enumerate() {
        let (low, high) = (load(low), load(high));
        for p in 0..P {
            // SAFETY: `2 * i + 1` is below `2 * panel.len()`, the length of every row of inputs.
            let x = unsafe { x[p].as_ptr().add(2 * i).cast::<i32>().read_unaligned() };
            let x = _mm512_set1_epi32(x);
            lanes[p][0] = _mm512_dpwssd_epi32(lanes[p][0], low, x);
            lanes[p][1] = _mm512_dpwssd_epi32(lanes[p][1], high, x);
        }
    }
    for (sums, lanes) in sums.iter_mut().zip(lanes) {
        for (sums, lanes) in sums.chunks_mut(16).zip(lanes) {
            for (sum, lane) in sums.iter_mut().zip(store(lanes)) {
                *sum += i64::from(lane);
            }
        }
    }
}

/// Packs rows of as many columns as the panel has; a row without columns counts as zeros.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[allow(unsafe_code)]
fn pack(rows: [&[i8]; ROWS], panel: &mut [Pair]) {
    assert!(rows.iter().all(|row| row.is_empty() || row.len() == 2 * panel.len()));
    let whole = panel.len() - panel.len() % 16;
    for (half, rows) in rows.chunks(16).enumerate() {
        for first in (0..whole).step_by(16) {
            let mut widened = [_mm512_setzero_si512(); 16];
            for (widened, row) in widened.iter_mut().zip(rows) {
                if !row.is_empty() {
                    // SAFETY: `first + 16 <= panel.len()`, half of the row's length.
                    let bytes = unsafe { _mm256_loadu_si256(row.as_ptr().add(2 * first).cast()) };
                    *widened = _mm512_cvtepi8_epi16(bytes);
                }
            }
            let columns = transpose(widened);
            for (pair, column) in panel[first..][..16].iter_mut().zip(columns) {
                pair.0[half] = store(column);
            }
        }
        for (i, pair) in panel.iter_mut().enumerate().skip(whole) {
            for (lane, row) in pair.0[half].iter_mut().zip(rows) {
                let both = row.get(2 * i..2 * i + 2).unwrap_or(&[0, 0]);
                *lane = i32::from(both[0]) & 0xffff | i32::from(both[1]) << 16;
            }
        }
    }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
#[allow(unsafe_code)]
fn load(lanes: &[i32; 16]) -> __m512i {
    // SAFETY: 16 lanes are 64 bytes.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
#[allow(unsafe_code)]
fn store(register: __m512i) -> [i32; 16] {
    let mut lanes = [0; 16];
    // SAFETY: 16 lanes are 64 bytes.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), register) };
    lanes
}

/// 16 rows of 16 lanes to 16 columns.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vnni")]
#[inline]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Quarters of a register: of 2, then of 4 rows a quarter, one column each; then quarters are put together.
    let mut pairs = rows;
    for i in (0..16).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    let mut fours = rows;
    for i in (0..16).step_by(4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    let mut columns = rows;
    for i in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(fours[i], fours[4 + i]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(fours[i], fours[4 + i]);
        let even_below = _mm512_shuffle_i32x4::<0x88>(fours[8 + i], fours[12 + i]);
        let odd_below = _mm512_shuffle_i32x4::<0xdd>(fours[8 + i], fours[12 + i]);
        columns[i] = _mm512_shuffle_i32x4::<0x88>(even, even_below);
        columns[4 + i] = _mm512_shuffle_i32x4::<0x88>(odd, odd_below);
        columns[8 + i] = _mm512_shuffle_i32x4::<0xdd>(even, even_below);
        columns[12 + i] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_below);
    }
    columns
}

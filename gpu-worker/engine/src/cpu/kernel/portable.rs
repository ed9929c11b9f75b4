// SPDX-License-Identifier: Apache-2.0
//! Plain Rust.
use std::hint::black_box;

super::loops::multiply!();
super::loops::attention!();

/// A product of 16 bits counts as two of bytes.
pub(super) fn peak(rounds: usize) -> Vec<i32> {
    let (mut a, b) = ([1i16; 64], black_box([2i16; 64]));
    let mut sums = vec![0i32; 32];
    for _ in 0..rounds {
        a = black_box(a);
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += i32::from(a[2 * i]) * i32::from(b[2 * i]) + i32::from(a[2 * i + 1]) * i32::from(b[2 * i + 1]);
        }
    }
    sums
}

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

// SPDX-License-Identifier: Apache-2.0
//! The loops around a tile, compiled once for each instruction set that shares them: `tile` must be inlined into them.

/// `multiply`.
macro_rules! multiply {
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
                        // With one position memory is what bounds it, which likes to be read row after row.
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
    };
}

/// `scores` and `accumulate`.
macro_rules! attention {
    ($(#[$feature:meta])?) => {
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

pub(super) use {attention, multiply};

// SPDX-License-Identifier: Apache-2.0
//! How near the kernels come to what the processor can do, as [`gpu::profile`](crate::gpu::profile) says it for adapters.
//!
//! Bytes a second are measured by reading the model's own weights, products by a loop that multiplies registers only, both on all threads. A
//! matrix is read once a pass; an int16 activation has two bytes, so a weight takes two products a token.
use super::{kernel::Level, CpuBackend};
use crate::{
    gpu::profile::{Bounds, OperatorTime},
    model::{Layer, Linear, Model},
};
use ergon_exact::{attention, gate, norm, pack::pack16};
use rayon::prelude::*;
use std::{hint::black_box, time::Instant};

/// Rounds of the loop that multiplies.
const ROUNDS: usize = 1 << 18;
/// Rows that a thread takes at a time.
const ROWS: usize = 64;

impl CpuBackend {
    /// What this processor can do, the best of several runs, at least one.
    pub fn bounds(&self, runs: usize) -> Bounds {
        let threads = rayon::current_num_threads();
        let bytes: usize = matrices(&self.model).map(|matrix| matrix.weight().len()).sum();
        let read = || {
            for matrix in matrices(&self.model) {
                let words = matrix.weight().par_chunks(1 << 16);
                black_box(words.map(|part| sum(part, self.level)).reduce(|| 0, u64::wrapping_add));
            }
        };
        let products = self.level.peak(1) * ROUNDS as u64 * threads as u64;
        let multiply = || {
            let peaks = (0..threads).into_par_iter().map(|_| self.level.peak(ROUNDS));
            black_box(peaks.sum::<u64>());
        };
        Bounds {
            bytes_a_second: bytes as f64 / least(runs, read),
            products_a_second: products as f64 / least(runs, multiply),
        }
    }

    /// The operators of a pass with `tokens` tokens of as many sequences, each after `position` others; the best of several runs.
    pub fn operators(&self, position: usize, tokens: usize, runs: usize) -> Vec<OperatorTime> {
        vec![
            self.matrices(tokens, runs),
            self.attention(position, tokens, runs),
            self.norms(tokens, runs),
            self.gates(tokens, runs),
        ]
    }

    fn matrices(&self, tokens: usize, runs: usize) -> OperatorTime {
        let widest = matrices(&self.model).map(Linear::columns).max().unwrap_or(0);
        let x: Vec<i16> = (0..tokens * widest).map(|i| (i * 7919 % 32639) as i16).collect();
        let multiply = || {
            for matrix in matrices(&self.model) {
                let x = &x[..tokens * matrix.columns()];
                let parts = (0..matrix.rows()).into_par_iter().step_by(ROWS);
                parts.for_each(|first| {
                    let rows = first..matrix.rows().min(first + ROWS);
                    let mut out = vec![0; tokens * rows.len()];
                    self.level.multiply(matrix, rows.clone(), x, &mut out, rows.len());
                    black_box(out);
                });
            }
        };
        let weights: usize = matrices(&self.model).map(|matrix| matrix.weight().len()).sum();
        OperatorTime {
            operator: "matrices",
            launches: matrices(&self.model).count(),
            tokens,
            seconds: least(runs, multiply),
            bytes: weights as u64,
            products: (2 * weights * tokens) as u64,
        }
    }

    /// Scores, their softmax, and sums of values.
    fn attention(&self, position: usize, tokens: usize, runs: usize) -> OperatorTime {
        let d = self.model.dimensions();
        let [layers, heads, kv, dim] = [d.layers, d.heads, d.kv_heads, d.head_dim].map(|size| size as usize);
        let (positions, stride) = (position + 1, kv * dim);
        let cached: Vec<i8> = (0..layers * tokens * positions * stride)
            .map(|i| (i % 127) as i8)
            .collect();
        let exponents = vec![0; positions];
        let query: Vec<i16> = (0..dim).map(|i| (i * 7919 % 32639) as i16).collect();
        let attend = || {
            let sequences = cached.par_chunks(positions * stride);
            sequences.for_each(|cached| {
                for head in 0..heads {
                    let cached = &cached[head * kv / heads * dim..];
                    let (mut scores, mut out) = (vec![0; positions], vec![0; dim]);
                    self.level.scores(&query, cached, stride, &mut scores);
                    self.level.run(|| {
                        for score in &mut scores {
                            *score = attention::score(*score, 0, self.model.attention_scale);
                        }
                        attention::softmax(&mut scores);
                        attention::align(&mut scores, &exponents)
                    });
                    self.level.accumulate(&scores, cached, stride, &mut out);
                    black_box(out);
                }
            });
        };
        OperatorTime {
            operator: "attention",
            launches: layers,
            tokens,
            seconds: least(runs, attend),
            // Keys and values, though here they are the same.
            bytes: 2 * cached.len() as u64,
            products: (layers * tokens * positions * heads * dim * 3) as u64,
        }
    }

    /// Every norm of the residual rows, and packing what it gives.
    fn norms(&self, tokens: usize, runs: usize) -> OperatorTime {
        let norms = || {
            self.model
                .layers
                .iter()
                .flat_map(|layer| [&layer.attention_norm, &layer.ffn_norm])
        };
        let norms = || norms().chain([&self.model.final_norm]);
        let width = self.model.dimensions().hidden as usize;
        let rows: Vec<i32> = (0..tokens * width)
            .map(|i| (i * 7919 % 65_521) as i32 - 32_760)
            .collect();
        let normalize = || {
            for norm in norms() {
                let normalize = |row: &[i32]| {
                    let (mut normed, mut packed) = (vec![0; width], vec![0; width]);
                    norm::rms_norm(row, norm.gain(), norm.exponent(), &self.model.epsilon, &mut normed);
                    pack16(&normed, &mut packed);
                    black_box(packed);
                };
                rows.par_chunks(width).for_each(|row| self.level.run(|| normalize(row)));
            }
        };
        OperatorTime {
            operator: "norms",
            launches: norms().count(),
            tokens,
            seconds: least(runs, normalize),
            // A residual row and a gain are read, a packed row is written.
            bytes: (norms().count() * width * (tokens * (4 + 2) + 4)) as u64,
            products: 0,
        }
    }

    /// Every gate: packing both of its rows, and what it gives.
    fn gates(&self, tokens: usize, runs: usize) -> OperatorTime {
        let d = self.model.dimensions();
        let (layers, width) = (d.layers as usize, d.feed_forward as usize);
        let rows: Vec<i32> = (0..2 * tokens * width)
            .map(|i| (i * 7919 % 65_521) as i32 - 32_760)
            .collect();
        let gate_row = |rows: &[i32]| {
            let (gate, up) = rows.split_at(width);
            let mut packed = [vec![0; width], vec![0; width]];
            let exponents = [pack16(gate, &mut packed[0]), pack16(up, &mut packed[1])];
            let mut gated = vec![0; width];
            gate::gate(&packed[0], exponents[0], &packed[1], exponents[1], &mut gated);
            pack16(&gated, &mut packed[0]);
            black_box(packed);
        };
        let gate_all = || {
            for _ in 0..layers {
                rows.par_chunks(2 * width)
                    .for_each(|rows| self.level.run(|| gate_row(rows)));
            }
        };
        OperatorTime {
            operator: "gates",
            launches: layers,
            tokens,
            seconds: least(runs, gate_all),
            bytes: (layers * tokens * width * (2 * 4 + 2)) as u64,
            products: 0,
        }
    }
}

/// Every matrix that a token goes through.
fn matrices(model: &Model) -> impl Iterator<Item = &Linear> {
    let of_layers = model.layers.iter().flat_map(Layer::matrices);
    of_layers.chain([model.output()])
}

fn sum(bytes: &[i8], level: Level) -> u64 {
    let (words, _) = bytemuck::cast_slice::<i8, u8>(bytes).as_chunks::<8>();
    level.run(|| {
        words
            .iter()
            .fold(0, |sum: u64, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
    })
}

/// Seconds of the fastest of several runs.
fn least(runs: usize, mut run: impl FnMut()) -> f64 {
    let times = (0..runs.max(1)).map(|_| {
        let from = Instant::now();
        run();
        from.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::sync::Arc;

    #[test]
    fn a_profile_counts_every_weight_once_for_bytes_and_twice_a_token_for_products() {
        let backend = CpuBackend::new(Arc::new(testing::model(testing::DIMENSIONS, true, 1)));
        let d = testing::DIMENSIONS;
        let (hidden, kv) = (d.hidden, d.kv_heads * d.head_dim);
        let layer = hidden * (2 * d.heads * d.head_dim + 2 * kv + 3 * d.feed_forward);
        let weights = u64::from(d.layers * layer + d.vocabulary * hidden);
        let operators = backend.operators(4, 3, 1);
        assert_eq!((operators[0].bytes, operators[0].products), (weights, 6 * weights));
        assert!(operators.iter().all(|operator| operator.seconds > 0.0));
        let rows = |name| operators.iter().find(|operator| operator.operator == name).unwrap();
        let gains = u64::from((2 * d.layers + 1) * hidden);
        assert_eq!((rows("norms").bytes, rows("norms").products), (gains * (3 * 6 + 4), 0));
        assert_eq!(rows("gates").bytes, u64::from(d.layers * d.feed_forward * 3 * 10));
        let bounds = backend.bounds(1);
        assert!(bounds.bytes_a_second > 0.0 && bounds.products_a_second > 0.0);
    }
}

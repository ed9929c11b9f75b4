// SPDX-License-Identifier: Apache-2.0
//! Heads: biases, norms, rotation, and where keys and values go.
use super::{devices, exponents, extreme_rows, on_every_adapter, pack16, Paged, Rig, SCALE, SHAPES};
use crate::{
    gpu::{kernels::Kernels, weights::Heads},
    model::{Bias, HeadEpsilon, Norm, Parts},
    testing::Random,
};
use ergon_exact::{bias, norm, pack, rope};

/// What the matrices of queries, keys and values add to the exponent.
const OUTPUTS: [i32; 3] = [-3, 5, 11];

/// Biases of queries, keys and values, norms of queries and keys.
struct Parameters {
    biases: [Option<Bias>; 3],
    norms: [Option<Norm>; 2],
    epsilon: Option<HeadEpsilon>,
}

impl Parameters {
    fn random(rig: &Rig, parts: Parts, epsilon: HeadEpsilon, random: &mut Random) -> Self {
        let bias = |heads: u32, f, random: &mut Random| {
            let values = (0..heads * rig.d.head_dim).map(|i| match i % 3 {
                0 => [bias::BOUND - 1, 1 - bias::BOUND, 0][i as usize / 3 % 3],
                _ => random.next() as i32 >> 3,
            });
            parts.biases.then(|| Bias::new("test", values.collect(), f).unwrap())
        };
        let norm = |exponent, random: &mut Random| {
            let gain = (0..rig.d.head_dim).map(|_| random.next() as i32 >> 9).collect();
            parts.head_norms.then(|| Norm::new("test", gain, exponent).unwrap())
        };
        Self {
            biases: [
                bias(rig.d.heads, -20, random),
                bias(rig.d.kv_heads, 64, random),
                bias(rig.d.kv_heads, 3, random),
            ],
            norms: [norm(-17, random), norm(21, random)],
            epsilon: parts.head_norms.then_some(epsilon),
        }
    }

    fn upload(&self, rig: &Rig) -> Heads {
        let [q, k, v] = &self.biases;
        let biases = [q.as_ref(), k.as_ref(), v.as_ref()];
        let norms = [self.norms[0].as_ref(), self.norms[1].as_ref()];
        Heads::upload(&rig.device, OUTPUTS, biases, norms, self.epsilon).unwrap()
    }

    /// A head, number `index` among its kind, with bias and norm: the row and its exponent.
    fn apply(&self, kind: usize, index: usize, row: &[i32], x_exponent: i32) -> (Vec<i32>, i32) {
        let (mut row, mut exponent) = (row.to_vec(), x_exponent + OUTPUTS[kind]);
        if let Some(bias) = &self.biases[kind] {
            let own = &bias.values()[index * row.len()..][..row.len()];
            exponent = bias::add(&mut row, exponent, own, bias.f());
        }
        if let Some(gain) = self.norms.get(kind).and_then(Option::as_ref) {
            let mut out = vec![0; row.len()];
            let epsilon = self.epsilon.unwrap();
            exponent = norm::head_norm(&row, exponent, gain.gain(), gain.exponent(), epsilon, &mut out);
            row = out;
        }
        (row, exponent)
    }
}

/// A query or a key before its last packing.
fn rotated(head: &[i32], exponent: i32, turns: &[[i16; 2]]) -> (Vec<i32>, i32) {
    let (packed, shift) = pack16(head);
    let (cos, sin): (Vec<i16>, Vec<i16>) = turns.iter().map(|turn| (turn[0], turn[1])).unzip();
    let mut out = vec![0; head.len()];
    rope::rotate(&packed, &cos, &sin, &mut out);
    (out, exponent + shift + rope::ROTATE_EXPONENT)
}

fn pack8(row: &[i32]) -> (Vec<i8>, i32) {
    let mut out = vec![0; row.len()];
    let shift = pack::pack8(row, &mut out);
    (out, shift)
}

/// Rows that a matrix may give: with a bias at most 2^30 + 1 in size, otherwise any.
fn outputs(random: &mut Random, width: usize, biased: bool) -> Vec<Vec<i32>> {
    let most = if biased { (1 << 30) + 1 } else { i32::MAX };
    let mut rows = extreme_rows(random, width);
    if biased {
        rows.iter_mut()
            .flatten()
            .for_each(|value| *value = (*value).clamp(-most, most));
    }
    rows
}

fn check(rig: &Rig, parts: Parts, epsilon: HeadEpsilon) {
    let random = &mut Random::new(5);
    let [heads, kv, dim] = [rig.d.heads, rig.d.kv_heads, rig.d.head_dim].map(|size| size as usize);
    let all = heads + 2 * kv;
    // Every head of every token has another kind of row.
    let kinds = outputs(random, dim, parts.biases);
    let tokens = 2 * kinds.len();
    let (position, capacity) = (3, tokens + 5);
    let y: Vec<&Vec<i32>> = (0..tokens * all)
        .map(|i| &kinds[(i * 7 + i / all) % kinds.len()])
        .collect();
    let x_exponents = exponents(random, tokens, 50);
    let turns: Vec<[i16; 2]> = (0..capacity * dim / 2)
        .map(|i| match i % 5 {
            0 => [1 << 14, 1 << 14],
            1 => [-1 << 14, 1 << 14],
            _ => [random.next() as i16 / 2, random.next() as i16 / 2],
        })
        .collect();
    let parameters = Parameters::random(rig, parts, epsilon, random);
    let uploaded = parameters.upload(rig);
    let padded = dim.next_multiple_of(16);
    let queries = (rig.room(tokens * heads * padded / 2), rig.room(tokens * heads));
    let paged = Paged::new(rig.d, capacity);
    let cache = rig.room(paged.words());
    let buffers = [
        &rig.upload(&y.iter().flat_map(|row| row.iter().copied()).collect::<Vec<_>>()),
        &rig.upload(&x_exponents),
        &rig.upload(&turns),
        &queries.0,
        &queries.1,
        &cache,
        &rig.upload(&paged.table(position..position + tokens)),
        &uploaded.parameters,
        &uploaded.projections,
    ];
    rig.run(&rig.kernels.heads, &buffers, (all as u32, tokens as u32));

    let found_queries = rig.read_rows(&queries.0, dim);
    let query_exponents = rig.read_i32(&queries.1);
    let cache = rig.read_i32(&cache);
    let name = &rig.device.name;
    for token in 0..tokens {
        let turns = &turns[(position + token) * dim / 2..][..dim / 2];
        for head in 0..all {
            let (kind, index) = match head {
                _ if head < heads => (0, head),
                _ if head < heads + kv => (1, head - heads),
                _ => (2, head - heads - kv),
            };
            let (row, exponent) = parameters.apply(kind, index, y[token * all + head], x_exponents[token]);
            if kind == 0 {
                let (row, exponent) = rotated(&row, exponent, turns);
                let (expected, shift) = pack16(&row);
                let at = token * heads + head;
                assert_eq!(found_queries[at], expected, "{name}: query {token} {head}");
                assert_eq!(query_exponents[at], exponent + shift, "{name}: query {token} {head}");
                continue;
            }
            let (row, exponent) = match kind {
                1 => rotated(&row, exponent, turns),
                _ => (row, exponent),
            };
            let (expected, shift) = pack8(&row);
            let (at, at_exponent) = paged.at(kind == 2, index, position + token);
            let found: &[i8] = bytemuck::cast_slice(&cache[at..at + dim / 4]);
            assert_eq!(found, expected, "{name}: token {token}, head {head}");
            assert_eq!(
                cache[at_exponent],
                exponent + shift,
                "{name}: token {token}, head {head}"
            );
        }
    }
}

#[test]
fn heads_equal_exact() {
    let none = Parts {
        biases: false,
        head_norms: false,
    };
    let unused = HeadEpsilon { mantissa: 0, shift: 0 };
    on_every_adapter(|rig| check(rig, none, unused));
}

#[test]
fn heads_with_biases_and_norms_equal_exact() {
    for d in SHAPES {
        for (biases, head_norms) in [(true, false), (false, true), (true, true)] {
            for device in devices() {
                let parts = Parts { biases, head_norms };
                let kernels = Kernels::new(&device, &d, parts, SCALE).unwrap();
                let rig = Rig { device, kernels, d };
                // Usual ones, none, and the extremes that a model may have.
                for (mantissa, shift) in [(600_000_000, 43), (0, 0), ((1 << 30) - 1, -64), ((1 << 30) - 1, 126)] {
                    check(&rig, parts, HeadEpsilon { mantissa, shift });
                }
            }
        }
    }
}

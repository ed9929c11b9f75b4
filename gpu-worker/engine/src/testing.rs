// SPDX-License-Identifier: Apache-2.0
//! Small random models, for tests and selftests of backends that must agree, and a whole-model reference made of `ergon_exact` alone.
use crate::{
    backend::{Logits, PackedRow, Position},
    model::{AttentionScale, Bias, HeadEpsilon, Layer, Linear, Model, Norm, Parts, RopeTable, TokenTable},
};
use ergon_exact::{attention, bias, embed, gate, linear, norm, pack, residual, rope, sampling};
use ergon_primitives::manifest::{Architecture, Dimensions, Manifest, ARITHMETIC_VERSION};
use ergon_primitives::H256;
use std::{ffi::OsStr, io::Write};

pub mod encoder;
mod folder;

pub use folder::write_sparse_folder;

/// Skips the test that calls it for want of something, and says so on stderr even where the test harness captures output.
///
/// # Panics
/// In CI, where nothing may be skipped.
pub fn skip(reason: &str) {
    assert!(!is_ci(std::env::var_os("CI").as_deref()), "{reason}");
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "skipped: {reason}");
}

/// Whether this value of the environment variable `CI` means so: any but the empty one does.
fn is_ci(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

/// SplitMix64 (Steele, Lea, Flood, 2014): numbers from a seed.
pub struct Random(u64);

impl Random {
    /// Generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Token ids below `vocabulary`.
    pub fn tokens(&mut self, count: usize, vocabulary: u32) -> Vec<u32> {
        (0..count)
            .map(|_| (self.next() % u64::from(vocabulary)) as u32)
            .collect()
    }
}

/// Shape of a model that is quick to run: grouped heads, 3 layers.
pub const DIMENSIONS: Dimensions = Dimensions {
    layers: 3,
    hidden: 64,
    feed_forward: 128,
    heads: 4,
    kv_heads: 2,
    head_dim: 16,
    vocabulary: 256,
    context: 256,
};

/// Matrix of random weights whose outputs have about the size of its inputs.
fn matrix(random: &mut Random, rows: u32, columns: u32, size: f64) -> Linear {
    let weight: Vec<i8> = (0..rows * columns)
        .map(|_| (random.next() % 255) as i8)
        .map(|w| w.max(-127))
        .collect();
    // Uniform weights have a standard deviation of 73.6.
    let scale = size / 73.6;
    let f = 23 - libm::floor(libm::log2(scale)) as i32;
    let mantissa = libm::ldexp(scale, f) as u64;
    let scale: Vec<i32> = (0..rows)
        .map(|_| (mantissa / 2 + random.next() % (mantissa / 2)) as i32)
        .collect();
    let shift = Linear::output_shift(columns as usize, &weight, &scale);
    Linear::new("random", columns as usize, weight.into(), scale, f, shift).expect("in range by construction")
}

fn projection(random: &mut Random, rows: u32, columns: u32) -> Linear {
    matrix(random, rows, columns, 1.0 / libm::sqrt(f64::from(columns)))
}

fn random_norm(random: &mut Random, hidden: u32) -> Norm {
    let exponent = 22 - libm::floor(libm::log2(libm::sqrt(f64::from(hidden)))) as i32 - 1;
    let gain = (0..hidden)
        .map(|_| (1 << 21) + (random.next() % (3 << 20)) as i32)
        .collect();
    Norm::new("random", gain, exponent).expect("in range by construction")
}

/// Matrix with a random bias, of about the size of its outputs up to a power of two, so that either's exponent may be the larger one.
fn biased(random: &mut Random, matrix: Linear) -> Linear {
    let f = 22 + (random.next() % 12) as i32;
    let values = (0..matrix.rows()).map(|_| random.next() as i32 >> 3).collect();
    let bias = Bias::new("random", values, f).expect("in range by construction");
    matrix.with_bias("random", Some(bias)).expect("a value for each row")
}

/// Random Llama of this shape; see [`model_of`].
pub fn model(dimensions: Dimensions, tied: bool, seed: u64) -> Model {
    model_of(Architecture::Llama, dimensions, tied, seed)
}

/// Random decoder of this architecture and shape; an output head of its own unless `tied`. Token `id` stands for the byte `id % 256`; token 2
/// ends an answer.
pub fn model_of(architecture: Architecture, dimensions: Dimensions, tied: bool, seed: u64) -> Model {
    let random = &mut Random::new(seed);
    let d = dimensions;
    let parts = Parts::of(architecture);
    let input = |random: &mut Random, heads: u32| {
        let matrix = projection(random, heads * d.head_dim, d.hidden);
        if parts.biases {
            biased(random, matrix)
        } else {
            matrix
        }
    };
    let head_norm = |random: &mut Random| parts.head_norms.then(|| random_norm(random, d.head_dim));
    let layer = |random: &mut Random| Layer {
        attention_norm: random_norm(random, d.hidden),
        q: input(random, d.heads),
        k: input(random, d.kv_heads),
        v: input(random, d.kv_heads),
        q_norm: head_norm(random),
        k_norm: head_norm(random),
        o: projection(random, d.hidden, d.heads * d.head_dim),
        ffn_norm: random_norm(random, d.hidden),
        gate: projection(random, d.feed_forward, d.hidden),
        up: projection(random, d.feed_forward, d.hidden),
        down: projection(random, d.hidden, d.feed_forward),
    };
    let scale = std::f64::consts::LOG2_E / libm::sqrt(f64::from(d.head_dim));
    let shift = 29 - libm::floor(libm::log2(scale)) as i32;
    let model = Model {
        manifest: Manifest {
            name: b"random".to_vec().try_into().expect("shorter than 64 bytes"),
            architecture,
            dimensions,
            arithmetic_version: ARITHMETIC_VERSION,
            weights_root: H256::zero(),
            tokens_root: H256::zero(),
            tokenizer: H256::zero(),
            chat_template: H256::zero(),
            end_of_sequence: vec![2].try_into().expect("at most 8"),
        },
        embed: matrix(random, d.vocabulary, d.hidden, 1.0),
        layers: (0..d.layers).map(|_| layer(random)).collect(),
        final_norm: random_norm(random, d.hidden),
        head: (!tied).then(|| projection(random, d.vocabulary, d.hidden)),
        epsilon: std::array::from_fn(|t| {
            (((f64::from(d.hidden) * 1e-5 * f64::from(1 << 24)) as u64) >> (2 * t)).max(1)
        }),
        head_epsilon: parts.head_norms.then_some(HeadEpsilon {
            mantissa: 600_000_000,
            shift: 46,
        }),
        rope: rope_table(&d),
        attention_scale: AttentionScale {
            mantissa: libm::ldexp(scale, shift) as i32,
            shift,
        },
        tokens: TokenTable::new(
            (0..d.vocabulary).map(|id| id as u8).collect(),
            (0..=d.vocabulary).collect(),
        )
        .expect("one byte a token"),
        tokenizer: Vec::<u8>::new().into(),
        chat_template: None,
        begin_of_sequence: None,
    };
    model.check().expect("in range by construction");
    model
}

fn rope_table(d: &Dimensions) -> RopeTable {
    let half = d.head_dim / 2;
    let angles = (0..d.context).flat_map(|position| {
        (0..half).map(move |i| f64::from(position) * libm::pow(10000.0, -f64::from(i) / f64::from(half)))
    });
    let (cos, sin) = angles
        .map(|angle| {
            (
                libm::round(libm::cos(angle) * 16384.0) as i16,
                libm::round(libm::sin(angle) * 16384.0) as i16,
            )
        })
        .unzip();
    RopeTable { cos, sin }
}

/// Keys and values of one (layer, head): mantissas and exponents, position after position.
#[derive(Clone, Default)]
struct HeadCache {
    keys: (Vec<i8>, Vec<i32>),
    values: (Vec<i8>, Vec<i32>),
}

/// The model as `ergon_exact` says it, one position after the other: what every backend must equal.
pub fn reference(model: &Model, tokens: &[u32]) -> Vec<Position> {
    let d = model.dimensions();
    let mut caches = vec![vec![HeadCache::default(); d.kv_heads as usize]; d.layers as usize];
    let positions = tokens.iter().enumerate();
    positions
        .map(|(position, token)| reference_position(model, &mut caches, position, *token))
        .collect()
}

fn reference_position(model: &Model, caches: &mut [Vec<HeadCache>], position: usize, token: u32) -> Position {
    let mut h = vec![0; model.embed.columns()];
    embed::embed(
        model.embed.row(token as usize),
        model.embed.scale()[token as usize],
        model.embed.f(),
        &mut h,
    );
    for (layer, caches) in model.layers.iter().zip(caches) {
        let x = normalize(model, &layer.attention_norm, &h);
        let attended = reference_attention(model, layer, caches, position, &x);
        let (y, exponent) = multiply(&layer.o, &attended);
        residual::add(&mut h, &y, exponent);
        let x = normalize(model, &layer.ffn_norm, &h);
        let (a, b) = (packed(multiply(&layer.gate, &x)), packed(multiply(&layer.up, &x)));
        let mut gated = vec![0; a.mantissas.len()];
        let exponent = gate::gate(&a.mantissas, a.exponent, &b.mantissas, b.exponent, &mut gated);
        let (y, exponent) = multiply(&layer.down, &packed((gated, exponent)));
        residual::add(&mut h, &y, exponent);
    }
    let hidden = normalize(model, &model.final_norm, &h);
    let (mantissas, exponent) = multiply(model.output(), &hidden);
    Position {
        hidden,
        likeliest: sampling::greedy(&mantissas),
        logits: Some(Logits { mantissas, exponent }),
    }
}

fn reference_attention(
    model: &Model,
    layer: &Layer,
    caches: &mut [HeadCache],
    position: usize,
    x: &PackedRow,
) -> PackedRow {
    let dim = model.dimensions().head_dim as usize;
    let (q, q_exponent) = multiply(&layer.q, x);
    let (k, k_exponent) = multiply(&layer.k, x);
    let (v, v_exponent) = multiply(&layer.v, x);
    for (cache, (k, v)) in caches.iter_mut().zip(k.chunks(dim).zip(v.chunks(dim))) {
        let (k, exponent) = normalize_head(model, layer.k_norm.as_ref(), k, k_exponent);
        let (rotated, exponent) = rotate(model, position, &k, exponent);
        append(&mut cache.keys, &rotated, exponent);
        append(&mut cache.values, v, v_exponent);
    }
    let group = q.len() / dim / caches.len();
    let mut out = vec![0; q.len()];
    let mut exponents = Vec::new();
    for (head, (q, out)) in q.chunks(dim).zip(out.chunks_mut(dim)).enumerate() {
        let (q, exponent) = normalize_head(model, layer.q_norm.as_ref(), q, q_exponent);
        let query = packed(rotate(model, position, &q, exponent));
        let HeadCache { keys, values } = &caches[head / group];
        let keys = attention::Cached {
            mantissas: &keys.0,
            exponents: &keys.1,
        };
        let values = attention::Cached {
            mantissas: &values.0,
            exponents: &values.1,
        };
        let mut weights = vec![0; position + 1];
        let scale = model.attention_scale;
        exponents.push(attention::attend(
            &query.mantissas,
            query.exponent,
            keys,
            values,
            scale,
            &mut weights,
            out,
        ));
    }
    let exponent = attention::join_heads(&mut out, &exponents);
    packed((out, exponent))
}

fn append(plane: &mut (Vec<i8>, Vec<i32>), row: &[i32], exponent: i32) {
    let start = plane.0.len();
    plane.0.resize(start + row.len(), 0);
    plane.1.push(exponent + pack::pack8(row, &mut plane.0[start..]));
}

fn rotate(model: &Model, position: usize, head: &[i32], exponent: i32) -> (Vec<i32>, i32) {
    let half = head.len() / 2;
    let x = packed((head.to_vec(), exponent));
    let mut out = vec![0; head.len()];
    let (cos, sin) = (&model.rope.cos[position * half..], &model.rope.sin[position * half..]);
    rope::rotate(&x.mantissas, &cos[..half], &sin[..half], &mut out);
    (out, x.exponent + rope::ROTATE_EXPONENT)
}

fn normalize(model: &Model, norm: &Norm, h: &[i32]) -> PackedRow {
    let mut row = vec![0; h.len()];
    let exponent = norm::rms_norm(h, norm.gain(), norm.exponent(), &model.epsilon, &mut row);
    packed((row, exponent))
}

fn normalize_head(model: &Model, norm: Option<&Norm>, head: &[i32], exponent: i32) -> (Vec<i32>, i32) {
    let Some(norm) = norm else {
        return (head.to_vec(), exponent);
    };
    let epsilon = model.head_epsilon.expect("checked with the norms of heads");
    let mut out = vec![0; head.len()];
    let exponent = norm::head_norm(head, exponent, norm.gain(), norm.exponent(), epsilon, &mut out);
    (out, exponent)
}

fn packed((row, exponent): (Vec<i32>, i32)) -> PackedRow {
    let mut mantissas = vec![0; row.len()];
    let shift = pack::pack16(&row, &mut mantissas);
    PackedRow {
        mantissas,
        exponent: exponent + shift,
    }
}

fn multiply(matrix: &Linear, x: &PackedRow) -> (Vec<i32>, i32) {
    let mut y = vec![0; matrix.rows()];
    linear::linear(matrix.weight(), matrix.scale(), matrix.s(), &x.mantissas, &mut y);
    let exponent = linear::output_exponent(x.exponent, matrix.f(), matrix.s());
    let biased = matrix
        .bias()
        .map(|constants| bias::add(&mut y, exponent, constants.values(), constants.f()));
    (y, biased.unwrap_or(exponent))
}

#[cfg(test)]
mod tests {
    use super::is_ci;
    use std::ffi::OsStr;

    #[test]
    fn any_value_of_the_variable_ci_but_the_empty_one_forbids_skipping() {
        for value in ["true", "1", "woodpecker"] {
            assert!(is_ci(Some(OsStr::new(value))), "{value}");
        }
        assert!(!is_ci(Some(OsStr::new(""))));
        assert!(!is_ci(None));
    }
}

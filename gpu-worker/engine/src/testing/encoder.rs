// SPDX-License-Identifier: Apache-2.0
//! Small random encoders, and the whole-model reference made of `ergon_exact` alone.
use super::{biased, matrix, multiply, packed, projection, random_norm, Random};
use crate::{
    backend::PackedRow,
    encoder::{Embedding, EncoderLayer, EncoderModel},
    model::{AttentionScale, Bias, Norm},
};
use ergon_exact::{attention, bias, embed, gelu, norm, pack, pool, residual, RESIDUAL_EXPONENT};
use ergon_primitives::{
    manifest::{Architecture, Dimensions, Manifest, ARITHMETIC_VERSION},
    H256,
};

/// Shape of an encoder that is quick to run.
pub const DIMENSIONS: Dimensions = Dimensions {
    layers: 3,
    hidden: 48,
    feed_forward: 100,
    heads: 4,
    kv_heads: 4,
    head_dim: 12,
    vocabulary: 100,
    context: 64,
};

fn bias_of(random: &mut Random, length: u32) -> Bias {
    let values = (0..length).map(|_| random.next() as i32 >> 3).collect();
    Bias::new("random", values, 26 + (random.next() % 6) as i32).expect("in range by construction")
}

fn norm_of(random: &mut Random, hidden: u32) -> Norm {
    let norm = random_norm(random, hidden);
    let bias = bias_of(random, hidden);
    norm.with_bias("random", Some(bias)).expect("a value for each element")
}

/// Random encoder of this shape.
pub fn model(dimensions: Dimensions, seed: u64) -> EncoderModel {
    let random = &mut Random::new(seed);
    let d = dimensions;
    let joined = d.heads * d.head_dim;
    let linear = |random: &mut Random, rows, columns| {
        let matrix = projection(random, rows, columns);
        biased(random, matrix)
    };
    let layer = |random: &mut Random| EncoderLayer {
        q: linear(random, joined, d.hidden),
        k: linear(random, joined, d.hidden),
        v: linear(random, joined, d.hidden),
        o: linear(random, d.hidden, joined),
        attention_norm: norm_of(random, d.hidden),
        up: linear(random, d.feed_forward, d.hidden),
        down: linear(random, d.hidden, d.feed_forward),
        ffn_norm: norm_of(random, d.hidden),
    };
    let scale = std::f64::consts::LOG2_E / libm::sqrt(f64::from(d.head_dim));
    let shift = 29 - libm::floor(libm::log2(scale)) as i32;
    let cube = u64::from(d.hidden).pow(3);
    let model = EncoderModel {
        manifest: Manifest {
            name: b"random".to_vec().try_into().expect("shorter than 64 bytes"),
            architecture: Architecture::Bert,
            dimensions,
            arithmetic_version: ARITHMETIC_VERSION,
            weights_root: H256::zero(),
            tokens_root: H256::zero(),
            tokenizer: H256::zero(),
            chat_template: H256::zero(),
            end_of_sequence: Default::default(),
        },
        embed: matrix(random, d.vocabulary, d.hidden, 1.0),
        positions: matrix(random, d.context.next_multiple_of(4), d.hidden, 0.5),
        token_type: bias_of(random, d.hidden),
        embed_norm: norm_of(random, d.hidden),
        layers: (0..d.layers).map(|_| layer(random)).collect(),
        epsilon: std::array::from_fn(|t| ((cube << 4) >> (2 * t)).max(1)),
        attention_scale: AttentionScale {
            mantissa: libm::ldexp(scale, shift) as i32,
            shift,
        },
        tokenizer: Vec::<u8>::new().into(),
    };
    model.check().expect("in range by construction");
    model
}

/// The embedding as `ergon_exact` says it: what every backend must equal.
pub fn reference(model: &EncoderModel, tokens: &[u32]) -> Embedding {
    let hidden = model.embed.columns();
    let rows = tokens.iter().enumerate().map(|(position, token)| {
        let mut h = vec![0; hidden];
        for (matrix, row) in [(&model.embed, *token as usize), (&model.positions, position)] {
            embed::add(matrix.row(row), matrix.scale()[row], matrix.f(), &mut h);
        }
        residual::add(&mut h, model.token_type.values(), -model.token_type.f());
        normalize(model, &model.embed_norm, &mut h);
        h
    });
    let mut rows: Vec<Vec<i32>> = rows.collect();
    for layer in &model.layers {
        let attended = attention(model, layer, &rows);
        for (h, attended) in rows.iter_mut().zip(attended) {
            let (y, exponent) = multiply(&layer.o, &attended);
            residual::add(h, &y, exponent);
            normalize(model, &layer.attention_norm, h);
            let up = packed(multiply(&layer.up, &input(h)));
            let mut activated = vec![0; up.mantissas.len()];
            let exponent = gelu::gelu(&up.mantissas, up.exponent, &mut activated);
            let (y, exponent) = multiply(&layer.down, &packed((activated, exponent)));
            residual::add(h, &y, exponent);
            normalize(model, &layer.ffn_norm, h);
        }
    }
    let mut sum = vec![0; hidden];
    rows.iter().for_each(|h| pool::add(&mut sum, h));
    let mut mantissas = vec![0; hidden];
    pool::unit(&sum, &mut mantissas);
    Embedding { mantissas }
}

fn input(h: &[i32]) -> PackedRow {
    packed((h.to_vec(), RESIDUAL_EXPONENT))
}

fn normalize(model: &EncoderModel, norm: &Norm, h: &mut [i32]) {
    let mut out = vec![0; h.len()];
    let exponent = norm::layer_norm(h, norm.gain(), norm.exponent(), &model.epsilon, &mut out);
    let constants = norm.bias().expect("checked with the model");
    let exponent = bias::add(&mut out, exponent, constants.values(), constants.f());
    residual::replace(h, &out, exponent);
}

/// Keys, or values, of a head: mantissas and exponents, token after token.
type Plane = (Vec<i8>, Vec<i32>);

fn cached(plane: &Plane) -> attention::Cached<'_> {
    attention::Cached {
        mantissas: &plane.0,
        exponents: &plane.1,
    }
}

fn attention(model: &EncoderModel, layer: &EncoderLayer, rows: &[Vec<i32>]) -> Vec<PackedRow> {
    let (heads, dim) = (model.dimensions().heads as usize, model.dimensions().head_dim as usize);
    let inputs: Vec<PackedRow> = rows.iter().map(|h| input(h)).collect();
    let plane = |matrix, head: usize, pack: fn(&[i32], &mut [i8]) -> i32| {
        let mut plane = Plane::default();
        for x in &inputs {
            let (y, exponent) = multiply(matrix, x);
            let mut mantissas = vec![0; dim];
            let shift = pack(&y[head * dim..][..dim], &mut mantissas);
            plane.1.push(exponent + shift);
            plane.0.extend(mantissas);
        }
        plane
    };
    let planes: Vec<(Plane, Plane)> = (0..heads)
        .map(|head| {
            let keys = plane(&layer.k, head, pack::pack_key);
            (keys, plane(&layer.v, head, pack::pack8))
        })
        .collect();
    let attend = |x: &PackedRow| {
        let (q, q_exponent) = multiply(&layer.q, x);
        let mut out = vec![0; q.len()];
        let mut exponents = Vec::new();
        for ((q, out), (keys, values)) in q.chunks(dim).zip(out.chunks_mut(dim)).zip(&planes) {
            let query = packed((q.to_vec(), q_exponent));
            exponents.push(attention::attend(
                &query.mantissas,
                query.exponent,
                cached(keys),
                cached(values),
                model.attention_scale,
                &mut vec![0; inputs.len()],
                out,
            ));
        }
        let exponent = attention::join_heads(&mut out, &exponents);
        packed((out, exponent))
    };
    inputs.iter().map(attend).collect()
}

// SPDX-License-Identifier: Apache-2.0
//! What a tiny decoder computes in double precision, written from the papers: the measure of what integers cost.
use super::tiny::{Tensor, Tiny, HEADS, HIDDEN, KV_HEADS, LAYERS};
use std::collections::BTreeMap;

const EPSILON: f64 = 1e-5;
const THETA: f64 = 10_000.0;

type Tensors = BTreeMap<String, Tensor>;
/// Keys and values of a layer, position after position.
type Cache = Vec<(Vec<f64>, Vec<f64>)>;

fn matrix(tensors: &Tensors, name: &str, x: &[f64]) -> Vec<f64> {
    let rows = tensors[name].values.chunks(x.len());
    let mut y: Vec<f64> = rows
        .map(|row| row.iter().zip(x).map(|(weight, x)| f64::from(*weight) * x).sum())
        .collect();
    if let Some(bias) = tensors.get(&format!("{name}.bias")) {
        y.iter_mut()
            .zip(&bias.values)
            .for_each(|(y, bias)| *y += f64::from(*bias));
    }
    y
}

fn rms_norm(tensors: &Tensors, name: &str, x: &[f64]) -> Vec<f64> {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let root = (mean + EPSILON).sqrt();
    x.iter()
        .zip(&tensors[name].values)
        .map(|(x, gain)| x / root * f64::from(*gain))
        .collect()
}

/// A head after its norm, if there is one, and rotation.
fn head(tensors: &Tensors, norm: &str, x: &[f64], position: usize) -> Vec<f64> {
    let x = if tensors.contains_key(norm) {
        rms_norm(tensors, norm, x)
    } else {
        x.to_vec()
    };
    let half = x.len() / 2;
    let mut out = x.clone();
    for i in 0..half {
        let (sin, cos) = (position as f64 * THETA.powf(-(i as f64) / half as f64)).sin_cos();
        out[i] = x[i] * cos - x[i + half] * sin;
        out[i + half] = x[i + half] * cos + x[i] * sin;
    }
    out
}

fn attention(tensors: &Tensors, layer: &str, dim: usize, x: &[f64], cache: &mut Cache) -> Vec<f64> {
    let position = cache.len();
    let heads = |part: &str| {
        let y = matrix(tensors, &format!("{layer}.{part}"), x);
        let norm = format!("{layer}.{part}_norm");
        y.chunks(dim)
            .flat_map(|y| head(tensors, &norm, y, position))
            .collect::<Vec<_>>()
    };
    let queries = heads("q");
    cache.push((heads("k"), matrix(tensors, &format!("{layer}.v"), x)));
    let mut out = Vec::new();
    for (i, query) in queries.chunks(dim).enumerate() {
        let range = i / (HEADS / KV_HEADS) * dim..(i / (HEADS / KV_HEADS) + 1) * dim;
        let dots = cache
            .iter()
            .map(|(key, _)| query.iter().zip(&key[range.clone()]).map(|(q, k)| q * k).sum::<f64>());
        let scores: Vec<f64> = dots.map(|dot| dot / (dim as f64).sqrt()).collect();
        let most = scores.iter().copied().fold(f64::MIN, f64::max);
        let total: f64 = scores.iter().map(|score| (score - most).exp()).sum();
        let mut sum = vec![0.0; dim];
        for (score, (_, value)) in scores.iter().zip(&*cache) {
            let weight = (score - most).exp() / total;
            sum.iter_mut()
                .zip(&value[range.clone()])
                .for_each(|(sum, value)| *sum += weight * value);
        }
        out.extend(sum);
    }
    matrix(tensors, &format!("{layer}.o"), &out)
}

fn feed_forward(tensors: &Tensors, layer: &str, x: &[f64]) -> Vec<f64> {
    let gate = matrix(tensors, &format!("{layer}.gate"), x);
    let up = matrix(tensors, &format!("{layer}.up"), x);
    let gated: Vec<f64> = gate
        .iter()
        .zip(up)
        .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
        .collect();
    matrix(tensors, &format!("{layer}.down"), &gated)
}

fn add(h: &mut [f64], y: &[f64]) {
    h.iter_mut().zip(y).for_each(|(h, y)| *h += y);
}

/// Logits after each of `tokens`; of `tensors` those of the model that should count.
pub fn logits(tiny: &Tiny, tensors: &Tensors, tokens: &[u32]) -> Vec<Vec<f64>> {
    let mut caches: Vec<Cache> = (0..LAYERS).map(|_| Cache::new()).collect();
    let position = |token: &u32| {
        let row = &tensors["embed"].values[*token as usize * HIDDEN..][..HIDDEN];
        let mut h: Vec<f64> = row.iter().copied().map(f64::from).collect();
        for (i, cache) in caches.iter_mut().enumerate() {
            let layer = format!("layers.{i}");
            let x = rms_norm(tensors, &format!("{layer}.attention_norm"), &h);
            add(&mut h, &attention(tensors, &layer, tiny.head_dim(), &x, cache));
            let x = rms_norm(tensors, &format!("{layer}.ffn_norm"), &h);
            add(&mut h, &feed_forward(tensors, &layer, &x));
        }
        let head = if tensors.contains_key("head") { "head" } else { "embed" };
        matrix(tensors, head, &rms_norm(tensors, "final_norm", &h))
    };
    tokens.iter().map(position).collect()
}

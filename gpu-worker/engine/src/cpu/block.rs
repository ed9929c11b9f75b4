// SPDX-License-Identifier: Apache-2.0
//! A block of tokens, of one sequence or several, on its way through the layers.
use super::{
    cache::{parts, slot, LayerCache, Plane},
    kernel::Level,
};
use crate::{
    backend::{Logits, PackedRow, Position, Row},
    model::{Layer, Linear, Model, Norm},
};
use ergon_exact::{attention, bias, embed, gate, linear, norm, pack, residual, rope};
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows of mantissas, `[positions, width]`, with one exponent each.
struct Rows<T> {
    mantissas: Vec<T>,
    exponents: Vec<i32>,
}

impl<T: Copy + Default> Rows<T> {
    fn new(positions: usize, width: usize) -> Self {
        Self {
            mantissas: vec![T::default(); positions * width],
            exponents: vec![0; positions],
        }
    }

    fn width(&self) -> usize {
        self.mantissas.len() / self.exponents.len()
    }

    fn row(&self, i: usize) -> &[T] {
        &self.mantissas[i * self.width()..][..self.width()]
    }
}

impl Rows<i32> {
    fn pack(&self) -> Rows<i16> {
        let mut packed = Rows::new(self.exponents.len(), self.width());
        for (i, out) in packed.mantissas.chunks_mut(self.width()).enumerate() {
            packed.exponents[i] = self.exponents[i] + pack::pack16(self.row(i), out);
        }
        packed
    }

    /// (position, mantissas, exponent) of every head.
    fn heads(&self, dim: usize) -> impl Iterator<Item = (usize, &[i32], i32)> {
        let heads = self.width() / dim;
        self.mantissas
            .chunks(dim)
            .enumerate()
            .map(move |(i, head)| (i / heads, head, self.exponents[i / heads]))
    }
}

/// How to compute.
#[derive(Clone, Copy)]
pub(super) struct Engine<'m> {
    pub model: &'m Model,
    pub level: Level,
    /// Whether a single block uses all threads, which then share the rows of each matrix; otherwise blocks are shared out.
    pub wide: bool,
}

/// Tokens and their residual rows.
pub(super) struct Block<'m> {
    engine: Engine<'m>,
    rows: &'m [Row<'m>],
    h: Vec<i32>,
    /// `[positions * heads, head_dim]`.
    queries: Rows<i16>,
    /// `[positions * kv_heads, head_dim]`.
    keys: Rows<i8>,
    /// `[positions * kv_heads, head_dim]`.
    values: Rows<i8>,
}

impl<'m> Block<'m> {
    /// Block of these tokens.
    pub fn new(engine: Engine<'m>, rows: &'m [Row<'m>]) -> Self {
        let (matrix, hidden) = (&engine.model.embed, engine.model.embed.columns());
        let mut h = vec![0; rows.len() * hidden];
        for (h, row) in h.chunks_mut(hidden).zip(rows) {
            let token = row.token as usize;
            embed::embed(matrix.row(token), matrix.scale()[token], matrix.f(), h);
        }
        let d = engine.model.dimensions();
        let heads = |heads: u32| rows.len() * heads as usize;
        Self {
            engine,
            rows,
            h,
            queries: Rows::new(heads(d.heads), d.head_dim as usize),
            keys: Rows::new(heads(d.kv_heads), d.head_dim as usize),
            values: Rows::new(heads(d.kv_heads), d.head_dim as usize),
        }
    }

    /// First half of a layer: queries, keys and values.
    pub fn project(&mut self, layer: &Layer) {
        let x = self.normalize(&layer.attention_norm, &self.h);
        let (q, (k, v)) = self.both(
            || self.linear(&layer.q, &x),
            || self.both(|| self.linear(&layer.k, &x), || self.linear(&layer.v, &x)),
        );
        let dim = self.head_dim();
        for (i, (row, head, exponent)) in q.heads(dim).enumerate() {
            let (head, exponent) = self.normalize_head(layer.q_norm.as_ref(), head, exponent);
            let (rotated, exponent) = self.rotate(row, &head, exponent);
            let shift = pack::pack16(&rotated, &mut self.queries.mantissas[i * dim..][..dim]);
            self.queries.exponents[i] = exponent + shift;
        }
        for (i, (row, head, exponent)) in k.heads(dim).enumerate() {
            let (head, exponent) = self.normalize_head(layer.k_norm.as_ref(), head, exponent);
            let (rotated, exponent) = self.rotate(row, &head, exponent);
            let shift = pack::pack8(&rotated, &mut self.keys.mantissas[i * dim..][..dim]);
            self.keys.exponents[i] = exponent + shift;
        }
        for (i, (_, head, exponent)) in v.heads(dim).enumerate() {
            let shift = pack::pack8(head, &mut self.values.mantissas[i * dim..][..dim]);
            self.values.exponents[i] = exponent + shift;
        }
    }

    /// Keeps keys and values in the cache.
    pub fn store(&self, cache: &mut LayerCache) {
        let heads = self.engine.model.dimensions().kv_heads as usize;
        let width = heads * self.head_dim();
        for (plane, rows) in [(&mut cache.keys, &self.keys), (&mut cache.values, &self.values)] {
            let heads = rows.mantissas.chunks(width).zip(rows.exponents.chunks(heads));
            for (row, (mantissas, exponents)) in self.rows.iter().zip(heads) {
                plane.store(slot(row.pages, row.position), mantissas, exponents);
            }
        }
    }

    /// Second half of a layer, once the keys and values of all positions up to this block's are in the cache.
    pub fn transform(&mut self, layer: &Layer, cache: &LayerCache) {
        let attended = self.attend(cache).pack();
        self.add(&self.linear(&layer.o, &attended));
        let x = self.normalize(&layer.ffn_norm, &self.h);
        let (a, b) = self.both(
            || self.linear(&layer.gate, &x).pack(),
            || self.linear(&layer.up, &x).pack(),
        );
        let mut gated = Rows::new(self.rows.len(), a.width());
        for (i, out) in gated.mantissas.chunks_mut(a.width()).enumerate() {
            gated.exponents[i] = gate::gate(a.row(i), a.exponents[i], b.row(i), b.exponents[i], out);
        }
        self.add(&self.linear(&layer.down, &gated.pack()));
    }

    /// The wanted outputs.
    pub fn outputs(&self) -> Vec<Position> {
        let model = self.engine.model;
        let rows = self.rows.iter().zip(self.h.chunks(model.embed.columns()));
        let wanted: Vec<&[i32]> = rows.filter(|(row, _)| row.wanted).map(|(_, h)| h).collect();
        let hidden = self.normalize(&model.final_norm, &wanted.concat());
        let logits = self.linear(model.output(), &hidden);
        let position = |i| Position {
            hidden: PackedRow {
                mantissas: hidden.row(i).to_vec(),
                exponent: hidden.exponents[i],
            },
            logits: Logits {
                mantissas: logits.row(i).to_vec(),
                exponent: logits.exponents[i],
            },
        };
        (0..hidden.exponents.len()).map(position).collect()
    }

    fn head_dim(&self) -> usize {
        self.engine.model.dimensions().head_dim as usize
    }

    fn both<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        if self.engine.wide {
            rayon::join(a, b)
        } else {
            (a(), b())
        }
    }

    /// Norm of residual rows.
    fn normalize(&self, norm: &Norm, rows: &[i32]) -> Rows<i16> {
        let hidden = norm.gain().len();
        let mut row = vec![0; hidden];
        let mut out = Rows::new(rows.len() / hidden, hidden);
        for (i, h) in rows.chunks(hidden).enumerate() {
            let exponent = norm::rms_norm(h, norm.gain(), norm.exponent(), &self.engine.model.epsilon, &mut row);
            out.exponents[i] = exponent + pack::pack16(&row, &mut out.mantissas[i * hidden..][..hidden]);
        }
        out
    }

    fn linear(&self, matrix: &Linear, x: &Rows<i16>) -> Rows<i32> {
        let (rows, level) = (matrix.rows(), self.engine.level);
        let mut y = Rows::new(x.exponents.len(), rows);
        if self.engine.wide {
            // More parts than threads, since a thread may be late; parts of whole quads of rows. Each part is read once for all positions.
            let part = rows.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(4);
            let parts = (0..rows).into_par_iter().step_by(part).map(|from| {
                let part = from..rows.min(from + part);
                let mut out = vec![0; part.len() * x.exponents.len()];
                level.multiply(matrix, part.clone(), &x.mantissas, &mut out, part.len());
                (part, out)
            });
            for (part, out) in parts.collect::<Vec<_>>() {
                for (y, out) in y.mantissas.chunks_mut(rows).zip(out.chunks(part.len())) {
                    y[part.clone()].copy_from_slice(out);
                }
            }
        } else {
            level.multiply(matrix, 0..rows, &x.mantissas, &mut y.mantissas, rows);
        }
        for (y, x) in y.exponents.iter_mut().zip(&x.exponents) {
            *y = linear::output_exponent(*x, matrix.f(), matrix.s());
        }
        if let Some(constants) = matrix.bias() {
            for (y, exponent) in y.mantissas.chunks_mut(rows).zip(&mut y.exponents) {
                *exponent = bias::add(y, *exponent, constants.values(), constants.f());
            }
        }
        y
    }

    fn add(&mut self, y: &Rows<i32>) {
        for (i, h) in self.h.chunks_mut(y.width()).enumerate() {
            residual::add(h, y.row(i), y.exponents[i]);
        }
    }

    /// A head after its norm, if there is one, with its exponent.
    fn normalize_head<'h>(&self, norm: Option<&Norm>, head: &'h [i32], exponent: i32) -> (Cow<'h, [i32]>, i32) {
        let (Some(norm), Some(epsilon)) = (norm, self.engine.model.head_epsilon) else {
            return (head.into(), exponent);
        };
        let mut out = vec![0; head.len()];
        let exponent = norm::head_norm(head, exponent, norm.gain(), norm.exponent(), epsilon, &mut out);
        (out.into(), exponent)
    }

    /// A head of a row of the block after rotation, with its exponent.
    fn rotate(&self, row: usize, head: &[i32], exponent: i32) -> (Vec<i32>, i32) {
        let (table, half) = (&self.engine.model.rope, head.len() / 2);
        let at = self.rows[row].position * half;
        let mut packed = vec![0; head.len()];
        let mut rotated = vec![0; head.len()];
        let shift = pack::pack16(head, &mut packed);
        rope::rotate(
            &packed,
            &table.cos[at..][..half],
            &table.sin[at..][..half],
            &mut rotated,
        );
        (rotated, exponent + shift + rope::ROTATE_EXPONENT)
    }

    /// Attention of all heads, joined: `[positions, heads * head_dim]`.
    fn attend(&self, cache: &LayerCache) -> Rows<i32> {
        let (heads, dim) = (self.engine.model.dimensions().heads as usize, self.head_dim());
        let mut out = Rows::new(self.rows.len(), heads * dim);
        let mut exponents = vec![0; self.rows.len() * heads];
        if self.engine.wide {
            let parts = out.mantissas.par_chunks_mut(dim).zip(&mut exponents).enumerate();
            parts.for_each(|(i, (out, exponent))| *exponent = self.attend_head(cache, i, out));
        } else {
            let parts = out.mantissas.chunks_mut(dim).zip(&mut exponents).enumerate();
            parts.for_each(|(i, (out, exponent))| *exponent = self.attend_head(cache, i, out));
        }
        for (i, row) in out.mantissas.chunks_mut(heads * dim).enumerate() {
            out.exponents[i] = attention::join_heads(row, &exponents[i * heads..][..heads]);
        }
        out
    }

    /// As [`attention::attend`] over the cache's pages, for head `i % heads` of row `i / heads` of the block.
    fn attend_head(&self, cache: &LayerCache, i: usize, out: &mut [i32]) -> i32 {
        let d = self.engine.model.dimensions();
        let (heads, kv_heads, dim) = (d.heads as usize, d.kv_heads as usize, self.head_dim());
        let (row, head) = (&self.rows[i / heads], i % heads / (heads / kv_heads));
        let positions = row.position + 1;
        let parts = || parts(row.pages, positions);
        let at = |slot| (slot * kv_heads + head) * dim;
        let exponents = |plane: &'_ Plane| {
            let mut exponents = Vec::with_capacity(positions);
            for (part, slot) in parts() {
                let page = plane.exponents[slot * kv_heads + head..].iter().step_by(kv_heads);
                exponents.extend(page.take(part.len()));
            }
            exponents
        };
        let mut weights = vec![0; positions];
        for (part, slot) in parts() {
            let keys = &cache.keys.mantissas[at(slot)..];
            let scores = &mut weights[part];
            self.engine
                .level
                .scores(self.queries.row(i), keys, kv_heads * dim, scores);
        }
        let key_exponents: Vec<i32> = exponents(&cache.keys);
        for (weight, exponent) in weights.iter_mut().zip(key_exponents) {
            *weight = attention::score(
                *weight,
                self.queries.exponents[i] + exponent,
                self.engine.model.attention_scale,
            );
        }
        attention::softmax(&mut weights);
        let largest = attention::align(&mut weights, &exponents(&cache.values));
        for (part, slot) in parts() {
            let values = &cache.values.mantissas[at(slot)..];
            self.engine
                .level
                .accumulate(&weights[part], values, kv_heads * dim, out);
        }
        largest + attention::WEIGHT_EXPONENT
    }
}

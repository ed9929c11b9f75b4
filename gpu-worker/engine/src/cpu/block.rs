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
use ergon_exact::{attention, bias, embed, gate, linear, norm, pack, residual, rope, sampling};
use rayon::prelude::*;
use std::{borrow::Cow, ops::Range};

/// Least multiply-accumulates that are worth handing over to another thread.
const PART: usize = 1 << 16;

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
        let attended = self.pack(&self.attend(cache));
        self.add(&self.linear(&layer.o, &attended));
        let x = self.normalize(&layer.ffn_norm, &self.h);
        let (a, b) = self.both(
            || self.pack(&self.linear(&layer.gate, &x)),
            || self.pack(&self.linear(&layer.up, &x)),
        );
        let gated = self.each_row(self.rows.len(), a.width(), |i, out| {
            let mut row = vec![0; out.len()];
            let exponent = gate::gate(a.row(i), a.exponents[i], b.row(i), b.exponents[i], &mut row);
            exponent + pack::pack16(&row, out)
        });
        self.add(&self.linear(&layer.down, &gated));
    }

    /// The wanted outputs.
    pub fn outputs(&self) -> Vec<Position> {
        let model = self.engine.model;
        let rows = self.rows.iter().zip(self.h.chunks(model.embed.columns()));
        let (wanted, h): (Vec<&Row<'_>>, Vec<&[i32]>) = rows.filter(|(row, _)| row.wanted).unzip();
        let hidden = self.normalize(&model.final_norm, &h.concat());
        let logits = self.linear(model.output(), &hidden);
        let position = |(i, row): (usize, &&Row<'_>)| Position {
            hidden: PackedRow {
                mantissas: hidden.row(i).to_vec(),
                exponent: hidden.exponents[i],
            },
            likeliest: sampling::greedy(logits.row(i)),
            logits: row.logits.then(|| Logits {
                mantissas: logits.row(i).to_vec(),
                exponent: logits.exponents[i],
            }),
        };
        wanted.iter().enumerate().map(position).collect()
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

    /// Rows made one by one: `make` fills a row and gives its exponent, compiled for the instruction set at hand.
    fn each_row(&self, rows: usize, width: usize, make: impl Fn(usize, &mut [i16]) -> i32 + Sync) -> Rows<i16> {
        let mut out = Rows::new(rows, width);
        let make = |(i, (row, exponent)): (usize, (&mut [i16], &mut i32))| {
            *exponent = self.engine.level.run(|| make(i, row));
        };
        if self.engine.wide && rows > 1 {
            let rows = out.mantissas.par_chunks_mut(width).zip(&mut out.exponents);
            rows.enumerate().for_each(make);
        } else {
            let rows = out.mantissas.chunks_mut(width).zip(&mut out.exponents);
            rows.enumerate().for_each(make);
        }
        out
    }

    fn pack(&self, rows: &Rows<i32>) -> Rows<i16> {
        self.each_row(rows.exponents.len(), rows.width(), |i, out| {
            rows.exponents[i] + pack::pack16(rows.row(i), out)
        })
    }

    /// Norm of residual rows.
    fn normalize(&self, norm: &Norm, rows: &[i32]) -> Rows<i16> {
        let hidden = norm.gain().len();
        self.each_row(rows.len() / hidden, hidden, |i, out| {
            let (h, mut row) = (&rows[i * hidden..][..hidden], vec![0; hidden]);
            let exponent = norm::rms_norm(h, norm.gain(), norm.exponent(), &self.engine.model.epsilon, &mut row);
            exponent + pack::pack16(&row, out)
        })
    }

    fn linear(&self, matrix: &Linear, x: &Rows<i16>) -> Rows<i32> {
        let (rows, level) = (matrix.rows(), self.engine.level);
        let mut y = Rows::new(x.exponents.len(), rows);
        if self.engine.wide {
            self.multiply_in_parts(matrix, x, &mut y.mantissas);
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

    /// The threads share the rows of the matrix.
    fn multiply_in_parts(&self, matrix: &Linear, x: &Rows<i16>, out: &mut [i32]) {
        let (rows, positions) = (matrix.rows(), x.exponents.len());
        // More parts than threads, since a thread may be late, but none so small that handing it over costs more than computing it.
        let share = rows.div_ceil(4 * rayon::current_num_threads());
        let part = share
            .max(PART / (matrix.columns() * positions.max(1)))
            .next_multiple_of(8);
        let ranges = (0..rows).into_par_iter().step_by(part);
        let ranges = ranges.map(|first| first..rows.min(first + part));
        let multiply = |range: Range<usize>| {
            let mut out = vec![0; positions * range.len()];
            self.engine
                .level
                .multiply(matrix, range.clone(), &x.mantissas, &mut out, range.len());
            (range, out)
        };
        for (range, part) in ranges.map(multiply).collect::<Vec<_>>() {
            for (out, part) in out.chunks_mut(rows).zip(part.chunks(range.len())) {
                out[range.clone()].copy_from_slice(part);
            }
        }
    }

    fn add(&mut self, y: &Rows<i32>) {
        let level = self.engine.level;
        for (i, h) in self.h.chunks_mut(y.width()).enumerate() {
            level.run(|| residual::add(h, y.row(i), y.exponents[i]));
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
        let (query_exponent, scale) = (self.queries.exponents[i], self.engine.model.attention_scale);
        let (key_exponents, value_exponents) = (exponents(&cache.keys), exponents(&cache.values));
        let largest = self.engine.level.run(|| {
            for (weight, exponent) in weights.iter_mut().zip(&key_exponents) {
                *weight = attention::score(*weight, query_exponent + exponent, scale);
            }
            attention::softmax(&mut weights);
            attention::align(&mut weights, &value_exponents)
        });
        for (part, slot) in parts() {
            let values = &cache.values.mantissas[at(slot)..];
            self.engine
                .level
                .accumulate(&weights[part], values, kv_heads * dim, out);
        }
        largest + attention::WEIGHT_EXPONENT
    }
}

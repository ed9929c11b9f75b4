// SPDX-License-Identifier: Apache-2.0
//! A block of consecutive positions on its way through the layers.
use super::{
    cache::{LayerCache, Plane},
    kernel::Level,
};
use crate::{
    backend::{Logits, PackedRow, Position},
    model::{Layer, Linear, Model, Norm},
};
use ergon_exact::{attention, embed, gate, linear, norm, pack, residual, rope};
use rayon::prelude::*;

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

/// Where the keys or values of a block go.
pub(super) struct Slot<'a> {
    mantissas: &'a mut [i8],
    exponents: &'a mut [i32],
}

impl Plane {
    /// Room for blocks of `block` positions, from position `first` on.
    pub(super) fn slots(
        &mut self,
        first: usize,
        block: usize,
        heads: usize,
        dim: usize,
    ) -> impl Iterator<Item = Slot<'_>> {
        let mantissas = self.mantissas[first * heads * dim..].chunks_mut(block * heads * dim);
        let exponents = self.exponents[first * heads..].chunks_mut(block * heads);
        mantissas
            .zip(exponents)
            .map(|(mantissas, exponents)| Slot { mantissas, exponents })
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

/// Positions `first..first + n` and their residual rows.
pub(super) struct Block<'m> {
    engine: Engine<'m>,
    first: usize,
    h: Vec<i32>,
    /// `[positions * heads, head_dim]`.
    queries: Rows<i16>,
}

impl<'m> Block<'m> {
    /// Block of these tokens, the first of which stands at position `first`.
    pub fn new(engine: Engine<'m>, first: usize, tokens: &[u32]) -> Self {
        let (matrix, hidden) = (&engine.model.embed, engine.model.embed.columns());
        let mut h = vec![0; tokens.len() * hidden];
        for (h, token) in h.chunks_mut(hidden).zip(tokens) {
            let token = *token as usize;
            embed::embed(matrix.row(token), matrix.scale()[token], matrix.f(), h);
        }
        Self {
            engine,
            first,
            h,
            queries: Rows::new(0, 0),
        }
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.h.len() / self.engine.model.embed.columns()
    }

    /// First half of a layer: queries stay in the block, keys and values go to the cache.
    pub fn project(&mut self, layer: &Layer, keys: Slot<'_>, values: Slot<'_>) {
        let x = self.normalize(&layer.attention_norm, 0);
        let (q, (k, v)) = self.both(
            || self.linear(&layer.q, &x),
            || self.both(|| self.linear(&layer.k, &x), || self.linear(&layer.v, &x)),
        );
        let dim = self.head_dim();
        let mut queries = Rows::new(q.mantissas.len() / dim, dim);
        for (i, (position, head, exponent)) in q.heads(dim).enumerate() {
            let (rotated, exponent) = self.rotate(position, head, exponent);
            queries.exponents[i] = exponent + pack::pack16(&rotated, &mut queries.mantissas[i * dim..][..dim]);
        }
        self.queries = queries;
        for (i, (position, head, exponent)) in k.heads(dim).enumerate() {
            let (rotated, exponent) = self.rotate(position, head, exponent);
            keys.exponents[i] = exponent + pack::pack8(&rotated, &mut keys.mantissas[i * dim..][..dim]);
        }
        for (i, (_, head, exponent)) in v.heads(dim).enumerate() {
            values.exponents[i] = exponent + pack::pack8(head, &mut values.mantissas[i * dim..][..dim]);
        }
    }

    /// Second half of a layer, once the keys and values of all positions up to this block's last are in the cache.
    pub fn transform(&mut self, layer: &Layer, cache: &LayerCache) {
        let attended = self.attend(cache).pack();
        self.add(&self.linear(&layer.o, &attended));
        let x = self.normalize(&layer.ffn_norm, 0);
        let (a, b) = self.both(
            || self.linear(&layer.gate, &x).pack(),
            || self.linear(&layer.up, &x).pack(),
        );
        let mut gated = Rows::new(self.positions(), a.width());
        for (i, out) in gated.mantissas.chunks_mut(a.width()).enumerate() {
            gated.exponents[i] = gate::gate(a.row(i), a.exponents[i], b.row(i), b.exponents[i], out);
        }
        self.add(&self.linear(&layer.down, &gated.pack()));
    }

    /// Outputs of the last `wanted` positions of the block.
    pub fn outputs(&self, wanted: usize) -> Vec<Position> {
        let model = self.engine.model;
        let hidden = self.normalize(&model.final_norm, self.positions() - wanted);
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
        (0..wanted).map(position).collect()
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

    /// Norm of the residual rows from position `from` of the block on.
    fn normalize(&self, norm: &Norm, from: usize) -> Rows<i16> {
        let hidden = norm.gain().len();
        let mut row = vec![0; hidden];
        let mut out = Rows::new(self.positions() - from, hidden);
        for (i, h) in self.h[from * hidden..].chunks(hidden).enumerate() {
            let exponent = norm::rms_norm(h, norm.gain(), norm.exponent(), &self.engine.model.epsilon, &mut row);
            out.exponents[i] = exponent + pack::pack16(&row, &mut out.mantissas[i * hidden..][..hidden]);
        }
        out
    }

    fn linear(&self, matrix: &Linear, x: &Rows<i16>) -> Rows<i32> {
        let (rows, level) = (matrix.rows(), self.engine.level);
        let mut y = Rows::new(x.exponents.len(), rows);
        if self.engine.wide {
            // More parts than threads, since a thread may be late; parts of whole quads of rows.
            let part = rows.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(4);
            for (i, out) in y.mantissas.chunks_mut(rows).enumerate() {
                out.par_chunks_mut(part).enumerate().for_each(|(j, out)| {
                    level.multiply(matrix, j * part..j * part + out.len(), x.row(i), out, out.len());
                });
            }
        } else {
            level.multiply(matrix, 0..rows, &x.mantissas, &mut y.mantissas, rows);
        }
        for (y, x) in y.exponents.iter_mut().zip(&x.exponents) {
            *y = linear::output_exponent(*x, matrix.f(), matrix.s());
        }
        y
    }

    fn add(&mut self, y: &Rows<i32>) {
        for (i, h) in self.h.chunks_mut(y.width()).enumerate() {
            residual::add(h, y.row(i), y.exponents[i]);
        }
    }

    /// A head after rotation, with its exponent; `position` counts in the block.
    fn rotate(&self, position: usize, head: &[i32], exponent: i32) -> (Vec<i32>, i32) {
        let (table, half) = (&self.engine.model.rope, head.len() / 2);
        let at = (self.first + position) * half;
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
        let mut out = Rows::new(self.positions(), heads * dim);
        let mut exponents = vec![0; self.positions() * heads];
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

    /// As [`attention::attend`] over the cache's layout, for head `i % heads` of position `i / heads` of the block.
    fn attend_head(&self, cache: &LayerCache, i: usize, out: &mut [i32]) -> i32 {
        let d = self.engine.model.dimensions();
        let (heads, kv_heads, dim) = (d.heads as usize, d.kv_heads as usize, self.head_dim());
        let (positions, head) = (self.first + i / heads + 1, i % heads / (heads / kv_heads));
        let exponents = |plane: &'_ Plane| {
            plane.exponents[head..]
                .iter()
                .step_by(kv_heads)
                .take(positions)
                .copied()
                .collect()
        };
        let mut weights = vec![0; positions];
        self.engine.level.scores(
            self.queries.row(i),
            &cache.keys.mantissas[head * dim..],
            kv_heads * dim,
            &mut weights,
        );
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
        self.engine
            .level
            .accumulate(&weights, &cache.values.mantissas[head * dim..], kv_heads * dim, out);
        largest + attention::WEIGHT_EXPONENT
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Encoders on the CPU: all tokens of a text go through the layers together, the threads share the rows of each matrix and the heads.
use super::kernel::Level;
use crate::{
    encoder::{Embedding, Encoder, EncoderError, EncoderLayer, EncoderModel},
    model::{Linear, Norm},
};
use ergon_exact::{attention, bias, gelu, linear, pack, residual, RESIDUAL_EXPONENT};
use rayon::prelude::*;
use std::sync::Arc;

/// An encoder on the CPU.
pub struct CpuEncoder {
    model: Arc<EncoderModel>,
    level: Level,
}

impl CpuEncoder {
    /// Encoder with the best instruction set of this processor.
    pub fn new(model: Arc<EncoderModel>) -> Self {
        let level = Level::available()[0];
        Self { model, level }
    }
}

impl Encoder for CpuEncoder {
    fn name(&self) -> String {
        format!("cpu ({:?})", self.level).to_lowercase()
    }

    fn model(&self) -> &Arc<EncoderModel> {
        &self.model
    }

    fn encode(&self, tokens: &[u32]) -> Result<Embedding, EncoderError> {
        self.model.check_tokens(tokens)?;
        let mut text = Text::new(self, tokens);
        for layer in &self.model.layers {
            text.attend(layer);
            text.feed_forward(layer);
        }
        Ok(self.model.pooled(&text.h))
    }
}

/// Rows of mantissas, one after the other, with one exponent each.
struct Rows<T> {
    mantissas: Vec<T>,
    exponents: Vec<i32>,
}

impl<T> Rows<T> {
    fn rows(&self) -> impl IndexedParallelIterator<Item = (&[T], i32)>
    where
        T: Sync,
    {
        let width = self.mantissas.len() / self.exponents.len();
        self.mantissas.par_chunks(width).zip(self.exponents.par_iter().copied())
    }
}

/// Packs rows of `width` with `pack`; `exponents` are those of the rows.
fn packed<T: Copy + Default + Send>(
    rows: &[i32],
    width: usize,
    exponents: impl Fn(usize) -> i32 + Sync,
    pack: fn(&[i32], &mut [T]) -> i32,
) -> Rows<T> {
    let mut mantissas = vec![T::default(); rows.len()];
    let pairs = mantissas.par_chunks_mut(width).zip(rows.par_chunks(width)).enumerate();
    let exponents = pairs.map(|(i, (out, row))| exponents(i) + pack(row, out)).collect();
    Rows { mantissas, exponents }
}

/// A text on its way through the layers.
struct Text<'e> {
    encoder: &'e CpuEncoder,
    /// The residual stream, `[tokens, hidden]`.
    h: Vec<i32>,
}

impl<'e> Text<'e> {
    fn new(encoder: &'e CpuEncoder, tokens: &[u32]) -> Self {
        let h = encoder.model.embedded(tokens);
        Self { encoder, h }
    }

    fn hidden(&self) -> usize {
        self.encoder.model.embed.columns()
    }

    fn normalize(&mut self, norm: &Norm) {
        let (hidden, model) = (self.hidden(), &self.encoder.model);
        self.h.par_chunks_mut(hidden).for_each(|h| model.normalize(norm, h));
    }

    fn packed(&self) -> Rows<i16> {
        packed(&self.h, self.hidden(), |_| RESIDUAL_EXPONENT, pack::pack16)
    }

    fn linear(&self, matrix: &Linear, x: &Rows<i16>) -> Rows<i32> {
        let (rows, tokens) = (matrix.rows(), x.exponents.len());
        // More parts than threads, since a thread may be late; parts of whole quads of rows.
        let part = rows.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(4);
        let parts: Vec<Vec<i32>> = (0..rows)
            .into_par_iter()
            .step_by(part)
            .map(|first| {
                let range = first..rows.min(first + part);
                let mut out = vec![0; tokens * range.len()];
                let stride = range.len();
                self.encoder
                    .level
                    .multiply(matrix, range, &x.mantissas, &mut out, stride);
                out
            })
            .collect();
        let mut mantissas = vec![0; tokens * rows];
        let outputs = mantissas.par_chunks_mut(rows).zip(&x.exponents).enumerate();
        let exponents = outputs.map(|(i, (y, exponent))| {
            for (y, part) in y.chunks_mut(part).zip(&parts) {
                y.copy_from_slice(&part[i * y.len()..][..y.len()]);
            }
            let exponent = linear::output_exponent(*exponent, matrix.f(), matrix.s());
            let biased = matrix
                .bias()
                .map(|constants| bias::add(y, exponent, constants.values(), constants.f()));
            biased.unwrap_or(exponent)
        });
        let exponents = exponents.collect();
        Rows { mantissas, exponents }
    }

    fn add(&mut self, y: &Rows<i32>) {
        let hidden = self.hidden();
        let rows = self.h.par_chunks_mut(hidden).zip(y.rows());
        rows.for_each(|(h, (y, exponent))| residual::add(h, y, exponent));
    }

    fn attend(&mut self, layer: &EncoderLayer) {
        let d = self.encoder.model.dimensions();
        let (heads, dim) = (d.heads as usize, d.head_dim as usize);
        let x = self.packed();
        let [q, k, v] = [&layer.q, &layer.k, &layer.v].map(|matrix| self.linear(matrix, &x));
        let queries = packed(&q.mantissas, dim, |i| q.exponents[i / heads], pack::pack16);
        let keys = packed(&k.mantissas, dim, |i| k.exponents[i / heads], pack::pack_key);
        let values = packed(&v.mantissas, dim, |i| v.exponents[i / heads], pack::pack8);
        let mut out = vec![0; queries.mantissas.len()];
        let places = out.par_chunks_mut(dim).zip(queries.rows()).enumerate();
        let exponents: Vec<i32> = places
            .map(|(i, (out, (query, exponent)))| self.attend_head(i % heads, query, exponent, &keys, &values, out))
            .collect();
        let joined = out.par_chunks_mut(heads * dim).zip(exponents.par_chunks(heads));
        let exponents: Vec<i32> = joined
            .map(|(row, exponents)| attention::join_heads(row, exponents))
            .collect();
        let attended = packed(&out, heads * dim, |i| exponents[i], pack::pack16);
        self.add(&self.linear(&layer.o, &attended));
        self.normalize(&layer.attention_norm);
    }

    /// As [`attention::attend`] over all tokens, whose heads alternate in `keys` and `values`.
    fn attend_head(
        &self,
        head: usize,
        query: &[i16],
        exponent: i32,
        keys: &Rows<i8>,
        values: &Rows<i8>,
        out: &mut [i32],
    ) -> i32 {
        let (dim, scale) = (query.len(), self.encoder.model.attention_scale);
        let heads = self.encoder.model.dimensions().heads as usize;
        let exponents = |rows: &Rows<i8>| {
            rows.exponents[head..]
                .iter()
                .step_by(heads)
                .copied()
                .collect::<Vec<_>>()
        };
        let mut weights = vec![0; keys.exponents.len() / heads];
        let level = self.encoder.level;
        level.scores(query, &keys.mantissas[head * dim..], heads * dim, &mut weights);
        for (weight, key_exponent) in weights.iter_mut().zip(exponents(keys)) {
            *weight = attention::score(*weight, exponent + key_exponent, scale);
        }
        attention::softmax(&mut weights);
        let largest = attention::align(&mut weights, &exponents(values));
        level.accumulate(&weights, &values.mantissas[head * dim..], heads * dim, out);
        largest + attention::WEIGHT_EXPONENT
    }

    fn feed_forward(&mut self, layer: &EncoderLayer) {
        let up = self.linear(&layer.up, &self.packed());
        let width = layer.up.rows();
        let up = packed(&up.mantissas, width, |i| up.exponents[i], pack::pack16);
        let mut out = vec![0; up.mantissas.len()];
        let rows = out.par_chunks_mut(width).zip(up.rows());
        let exponents: Vec<i32> = rows
            .map(|(out, (row, exponent))| gelu::gelu(row, exponent, out))
            .collect();
        let activated = packed(&out, width, |i| exponents[i], pack::pack16);
        self.add(&self.linear(&layer.down, &activated));
        self.normalize(&layer.ffn_norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        encoder::{model, reference, DIMENSIONS},
        Random,
    };

    #[test]
    fn every_instruction_set_equals_the_specification_for_texts_of_any_length() {
        let model = Arc::new(model(DIMENSIONS, 1));
        for length in [1, 2, 5, 33, 64] {
            let tokens = Random::new(length as u64).tokens(length, DIMENSIONS.vocabulary);
            let expected = reference(&model, &tokens);
            for level in Level::available() {
                let model = model.clone();
                let encoder = CpuEncoder { model, level };
                assert!(
                    encoder.encode(&tokens).unwrap() == expected,
                    "{length} tokens, {level:?}"
                );
            }
        }
    }

    #[test]
    fn a_text_that_the_model_has_no_room_or_token_for_is_refused() {
        let encoder = CpuEncoder::new(Arc::new(model(DIMENSIONS, 1)));
        let length = |tokens| EncoderError::Length { tokens, context: 64 };
        assert_eq!(encoder.encode(&[]), Err(length(0)));
        assert_eq!(encoder.encode(&[1; 65]), Err(length(65)));
        let unknown = EncoderError::UnknownToken {
            token: 100,
            vocabulary: 100,
        };
        assert_eq!(encoder.encode(&[1, 100]), Err(unknown));
    }
}

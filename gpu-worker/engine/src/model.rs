// SPDX-License-Identifier: Apache-2.0
//! A loaded model: what an artifact file says, ready for a backend.
//!
//! Only integers are left. The value of a weight is `weight[r][c] * scale[r] * 2^-f`; the other exponents are documented where they
//! stand. [`Linear::new`], [`Norm::new`] and [`Model::check`] refuse everything that the proofs of `ergon_exact` don't cover, so a
//! backend may rely on shapes and bounds.
pub use ergon_exact::attention::Scale as AttentionScale;
use ergon_primitives::manifest::{self, Dimensions, Manifest, ManifestError};
use std::{fmt, ops::Range, sync::Arc};

// What the chain registers is what the arithmetic is proven for.
const _: () = assert!(
    manifest::MAX_WIDTH as usize == ergon_exact::MAX_COLUMNS
        && manifest::MAX_HEAD_DIM as usize == ergon_exact::MAX_HEAD_DIM
        && manifest::MAX_CONTEXT as usize == ergon_exact::MAX_CONTEXT
);

/// Why tensors don't make a model.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A tensor has another size than the dimensions demand.
    #[error("{tensor} has {found} elements, the dimensions demand {expected}")]
    Size {
        /// Name of the tensor.
        tensor: String,
        /// Elements in it.
        found: usize,
        /// Elements that the dimensions demand.
        expected: usize,
    },
    /// A value is outside of the range that the exact arithmetic is proven for.
    #[error("{tensor}: {problem}")]
    Range {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The manifest contradicts itself.
    #[error("the manifest is refused: {0:?}")]
    Manifest(ManifestError),
}

impl ModelError {
    fn range(tensor: &str, problem: &'static str) -> Self {
        Self::Range {
            tensor: tensor.into(),
            problem,
        }
    }
}

fn expect(tensor: &str, found: usize, expected: usize) -> Result<(), ModelError> {
    if found == expected {
        return Ok(());
    }
    Err(ModelError::Size {
        tensor: tensor.into(),
        found,
        expected,
    })
}

/// Bytes of a tensor: a view into memory that tensors share, as a mapped file.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// View of `range` in `owner`; `None` if the owner is shorter.
    pub fn view(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Option<Self> {
        (*owner).as_ref().get(range.clone())?;
        Some(Self { owner, range })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }

    /// The bytes as signed integers.
    pub fn as_i8(&self) -> &[i8] {
        bytemuck::cast_slice(self.as_bytes())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            range: 0..bytes.len(),
            owner: Arc::new(bytes),
        }
    }
}

impl From<Vec<i8>> for Bytes {
    fn from(values: Vec<i8>) -> Self {
        bytemuck::cast_vec::<i8, u8>(values).into()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.range.len())
    }
}

/// A matrix `[rows, columns]`, row after row; also the embedding, `[vocabulary, hidden]`.
#[derive(Clone, Debug)]
pub struct Linear {
    rows: usize,
    columns: usize,
    weight: Bytes,
    scale: Vec<i32>,
    f: i32,
    s: u32,
}

impl Linear {
    /// Matrix with one `scale` a row, in `0..2^24`. Value of a weight: `weight * scale * 2^-f`. `s` is how far a product is shifted right
    /// to fit 32 bits, as [`Linear::output_shift`] computes it; any other `s` is refused. `name` is for the error.
    pub fn new(name: &str, columns: usize, weight: Bytes, scale: Vec<i32>, f: i32, s: u32) -> Result<Self, ModelError> {
        let rows = scale.len();
        expect(&format!("{name}.weight"), weight.as_bytes().len(), rows * columns)?;
        if columns == 0 || columns > ergon_exact::MAX_COLUMNS || !columns.is_multiple_of(4) || !rows.is_multiple_of(4) {
            return Err(ModelError::range(
                name,
                "rows and columns are multiples of 4, columns 4 to 65536",
            ));
        }
        if scale.iter().any(|scale| !(0..1 << 24).contains(scale)) {
            return Err(ModelError::range(name, "a row's scale is not in 0..2^24"));
        }
        if !(-64..=64).contains(&f) {
            return Err(ModelError::range(name, "the scale's exponent is not in -64..=64"));
        }
        if s != Self::output_shift(columns, weight.as_i8(), &scale) {
            return Err(ModelError::range(
                name,
                "the output's shift is not the one that its weights demand",
            ));
        }
        Ok(Self {
            rows,
            columns,
            weight,
            scale,
            f,
            s,
        })
    }

    /// The shift that [`Linear::new`] demands, see [`ergon_exact::linear::output_shift`].
    pub fn output_shift(columns: usize, weight: &[i8], scale: &[i32]) -> u32 {
        ergon_exact::linear::output_shift(columns, weight, scale)
    }

    /// Number of outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All weights, row after row.
    pub fn weight(&self) -> &[i8] {
        self.weight.as_i8()
    }

    /// Weights of one row.
    pub fn row(&self, row: usize) -> &[i8] {
        &self.weight.as_i8()[row * self.columns..][..self.columns]
    }

    /// One scale a row, in `0..2^24`.
    pub fn scale(&self) -> &[i32] {
        &self.scale
    }

    /// Exponent of the scales: their value is `scale * 2^-f`.
    pub fn f(&self) -> i32 {
        self.f
    }

    /// Shift of the outputs.
    pub fn s(&self) -> u32 {
        self.s
    }
}

/// Gain of an RMSNorm: `gain * sqrt(hidden) = mantissa * 2^-exponent`.
#[derive(Clone, Debug)]
pub struct Norm {
    gain: Vec<i32>,
    exponent: i32,
}

impl Norm {
    /// Gain of these mantissas, each below 2^23 in size. `name` is for the error.
    pub fn new(name: &str, gain: Vec<i32>, exponent: i32) -> Result<Self, ModelError> {
        if gain.iter().any(|gain| gain.unsigned_abs() >= 1 << 23) {
            return Err(ModelError::range(name, "a gain is not below 2^23"));
        }
        if !(-64..=64).contains(&exponent) {
            return Err(ModelError::range(name, "the exponent is not in -64..=64"));
        }
        Ok(Self { gain, exponent })
    }

    /// Mantissas, one an element.
    pub fn gain(&self) -> &[i32] {
        &self.gain
    }

    /// Exponent of the mantissas, negated.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }
}

/// One decoder layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Norm before attention.
    pub attention_norm: Norm,
    /// Query projection, `[heads * head_dim, hidden]`.
    pub q: Linear,
    /// Key projection, `[kv_heads * head_dim, hidden]`.
    pub k: Linear,
    /// Value projection, `[kv_heads * head_dim, hidden]`.
    pub v: Linear,
    /// Output projection of attention, `[hidden, heads * head_dim]`.
    pub o: Linear,
    /// Norm before the feed-forward block.
    pub ffn_norm: Norm,
    /// Gate projection, `[feed_forward, hidden]`.
    pub gate: Linear,
    /// Up projection, `[feed_forward, hidden]`.
    pub up: Linear,
    /// Down projection, `[hidden, feed_forward]`.
    pub down: Linear,
}

/// Rotary tables in Q14: `cos` and `sin` of the angle of `(position, pair)`, `[context, head_dim / 2]`.
#[derive(Clone, Debug)]
pub struct RopeTable {
    /// Cosines.
    pub cos: Vec<i16>,
    /// Sines.
    pub sin: Vec<i16>,
}

/// Bytes of every token.
#[derive(Clone, Debug)]
pub struct TokenTable {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl TokenTable {
    /// Table in which token `id` is `bytes[offsets[id]..offsets[id + 1]]`.
    pub fn new(bytes: Vec<u8>, offsets: Vec<u32>) -> Result<Self, ModelError> {
        let ordered = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ordered || offsets.first() != Some(&0) || offsets.last().map(|end| *end as usize) != Some(bytes.len()) {
            return Err(ModelError::range(
                "tokens.offsets",
                "the offsets don't cut the bytes into tokens",
            ));
        }
        Ok(Self { bytes, offsets })
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all tokens, one after another.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each token begins among the bytes, and where the last one ends.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// Bytes of a token; `None` if there is no such token.
    pub fn get(&self, id: u32) -> Option<&[u8]> {
        let (start, end) = (*self.offsets.get(id as usize)?, *self.offsets.get(id as usize + 1)?);
        Some(&self.bytes[start as usize..end as usize])
    }
}

/// A decoder of the Llama family with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the chain knows of it.
    pub manifest: Manifest,
    /// Embedding, `[vocabulary, hidden]`; also the output head unless `head` is there.
    pub embed: Linear,
    /// Layers, first to last.
    pub layers: Vec<Layer>,
    /// Norm after the last layer.
    pub final_norm: Norm,
    /// Output head of its own, `[vocabulary, hidden]`.
    pub head: Option<Linear>,
    /// `max(1, round(epsilon * hidden * 2^(2 * (12 - t))))` for `t` in `0..32`: epsilon of the norms at each pre-shift of the residual row.
    pub epsilon: [u64; 32],
    /// Rotary tables.
    pub rope: RopeTable,
    /// Scale of the attention scores.
    pub attention_scale: AttentionScale,
    /// Bytes of every token.
    pub tokens: TokenTable,
    /// Definition of the tokenizer, a `tokenizer.json`.
    pub tokenizer: Bytes,
    /// Chat template (Jinja), if the model has one.
    pub chat_template: Option<String>,
    /// Beginning-of-sequence token, if the model's vocabulary names one.
    pub begin_of_sequence: Option<u32>,
}

impl Model {
    /// Shape of the decoder.
    pub fn dimensions(&self) -> &Dimensions {
        &self.manifest.dimensions
    }

    /// The same model without its later layers: real weights and real bits, but nonsense as text. For checks that shall be fast.
    pub fn first_layers(&self, layers: u32) -> Self {
        let mut model = self.clone();
        model.layers.truncate(layers as usize);
        model.manifest.dimensions.layers = model.layers.len() as u32;
        model
    }

    /// The matrix that gives the logits.
    pub fn output(&self) -> &Linear {
        self.head.as_ref().unwrap_or(&self.embed)
    }

    /// Checks the manifest, and every tensor against it.
    pub fn check(&self) -> Result<(), ModelError> {
        self.manifest.check().map_err(ModelError::Manifest)?;
        let d = self.dimensions();
        let [hidden, inner, heads, kv, dim, vocabulary, context] = [
            d.hidden,
            d.feed_forward,
            d.heads,
            d.kv_heads,
            d.head_dim,
            d.vocabulary,
            d.context,
        ]
        .map(|size| size as usize);
        expect("layers", self.layers.len(), d.layers as usize)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let matrices = [
                ("q", &layer.q, heads * dim, hidden),
                ("k", &layer.k, kv * dim, hidden),
                ("v", &layer.v, kv * dim, hidden),
                ("o", &layer.o, hidden, heads * dim),
                ("gate", &layer.gate, inner, hidden),
                ("up", &layer.up, inner, hidden),
                ("down", &layer.down, hidden, inner),
            ];
            for (name, matrix, rows, columns) in matrices {
                check_shape(&format!("layers.{i}.{name}"), matrix, rows, columns)?;
            }
            expect(
                &format!("layers.{i}.attention_norm.gain"),
                layer.attention_norm.gain.len(),
                hidden,
            )?;
            expect(&format!("layers.{i}.ffn_norm.gain"), layer.ffn_norm.gain.len(), hidden)?;
        }
        expect("final_norm.gain", self.final_norm.gain.len(), hidden)?;
        check_shape("embed", &self.embed, vocabulary, hidden)?;
        check_shape("head", self.output(), vocabulary, hidden)?;
        expect("rope.cos", self.rope.cos.len(), context * dim / 2)?;
        expect("rope.sin", self.rope.sin.len(), context * dim / 2)?;
        expect("tokens.offsets", self.tokens.offsets.len(), vocabulary + 1)?;
        self.check_ranges()
    }

    fn check_ranges(&self) -> Result<(), ModelError> {
        if self.epsilon.iter().any(|epsilon| !(1..1 << 62).contains(epsilon)) {
            return Err(ModelError::range("norm.epsilon", "an epsilon is not in 1..2^62"));
        }
        if self
            .rope
            .cos
            .iter()
            .chain(&self.rope.sin)
            .any(|value| value.unsigned_abs() > 1 << 14)
        {
            return Err(ModelError::range("rope", "a cosine or sine is beyond 1"));
        }
        let AttentionScale { mantissa, shift } = self.attention_scale;
        if !(1 << 29..1 << 30).contains(&mantissa) || !(0..=62).contains(&shift) {
            return Err(ModelError::range(
                "attention.scale",
                "the mantissa is not in 2^29..2^30 or the shift not in 0..=62",
            ));
        }
        Ok(())
    }
}

fn check_shape(name: &str, matrix: &Linear, rows: usize, columns: usize) -> Result<(), ModelError> {
    expect(&format!("{name}.scale"), matrix.rows, rows)?;
    expect(&format!("{name}.weight"), matrix.rows * matrix.columns, rows * columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::CpuBackend, testing, Backend};
    use manifest::{MAX_CONTEXT, MAX_HEAD_DIM, MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH};

    #[test]
    fn every_shape_that_the_chain_registers_can_be_computed_and_no_other() {
        let small = Dimensions {
            layers: 1,
            hidden: 4,
            feed_forward: 4,
            heads: 1,
            kv_heads: 1,
            head_dim: 4,
            vocabulary: 4,
            context: 2,
        };
        let with = |change: &dyn Fn(&mut Dimensions)| {
            let mut dimensions = small;
            change(&mut dimensions);
            dimensions
        };
        // Both sides of every bound.
        let pairs = [0, 1].map(|over| {
            [
                with(&|d| d.layers = MAX_LAYERS + over),
                with(&|d| d.hidden = MAX_WIDTH + 4 * over),
                with(&|d| d.feed_forward = MAX_WIDTH + 4 * over),
                with(&|d| d.heads = MAX_WIDTH / 4 + over),
                with(&|d| d.head_dim = MAX_HEAD_DIM + 4 * over),
                with(&|d| d.vocabulary = MAX_VOCABULARY + 4 * over),
                with(&|d| d.context = MAX_CONTEXT + over),
            ]
        });
        for (largest, beyond) in pairs[0].iter().zip(pairs[1]) {
            let mut model = testing::model(*largest, true, 1);
            assert_eq!(model.manifest.check(), Ok(()), "{largest:?}");
            let backend = CpuBackend::new(Arc::new(model.clone()));
            let outputs = backend.sequence(2).unwrap().forward(&[1, 3], 1).unwrap();
            assert_eq!(outputs.len(), 1, "{largest:?}");
            model.manifest.dimensions = beyond;
            assert_eq!(model.manifest.check(), Err(ManifestError::Dimensions), "{beyond:?}");
            let refused = Err(ModelError::Manifest(ManifestError::Dimensions));
            assert_eq!(model.check(), refused, "{beyond:?}");
        }
    }

    #[test]
    fn a_matrix_outside_of_the_proven_range_is_refused() {
        let new =
            |columns, count, scale: Vec<i32>, f, s| Linear::new("m", columns, vec![127i8; count].into(), scale, f, s);
        let shift = Linear::output_shift(8, &[127; 32], &[(1 << 24) - 1; 4]);
        assert!(new(8, 32, vec![(1 << 24) - 1; 4], 0, shift).is_ok());
        assert!(new(8, 32, vec![(1 << 24) - 1; 4], 0, shift - 1).is_err());
        assert!(new(8, 31, vec![1; 4], 0, 0).is_err());
        assert!(new(6, 24, vec![1; 4], 0, 0).is_err());
        assert!(new(8, 32, vec![1 << 24; 4], 0, shift).is_err());
        assert!(new(8, 32, vec![-1; 4], 0, 0).is_err());
        assert!(new(8, 32, vec![1; 4], 65, 0).is_err());
    }

    #[test]
    fn a_token_table_must_cut_all_bytes_into_tokens() {
        assert_eq!(
            TokenTable::new(b"abc".to_vec(), vec![0, 1, 3]).unwrap().get(1),
            Some(&b"bc"[..])
        );
        assert_eq!(TokenTable::new(b"abc".to_vec(), vec![0, 1, 3]).unwrap().get(2), None);
        for offsets in [vec![], vec![0, 1], vec![1, 3], vec![0, 2, 1, 3], vec![0, 4]] {
            assert!(TokenTable::new(b"abc".to_vec(), offsets).is_err());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a model is, for everyone who has to agree on it.
use crate::{hash, units::Prices, ModelId, H256};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Version of the exact arithmetic that this code computes.
pub const ARITHMETIC_VERSION: u16 = 1;

/// Most layers.
pub const MAX_LAYERS: u32 = 1024;
/// Widest input of a matrix: hidden size, feed-forward size, all heads together.
pub const MAX_WIDTH: u32 = 65536;
/// Widest head.
pub const MAX_HEAD_DIM: u32 = 512;
/// Most tokens in a vocabulary.
pub const MAX_VOCABULARY: u32 = 1 << 20;
/// Most positions.
pub const MAX_CONTEXT: u32 = 32768;
/// Matrices have rows and columns in multiples of this, since backends read four weights at a time.
pub const GRANULE: u32 = 4;

/// Family of models, which fixes the sequence of operators.
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    PartialEq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Serialize,
    Deserialize,
)]
pub enum Architecture {
    /// Llama, and Mistral without sliding window: RMSNorm, rotary positions (rotate-half), grouped-query attention, SiLU gate.
    Llama,
    /// Qwen2: as Llama, with biases in the query, key and value projections.
    Qwen2,
    /// Qwen3: as Llama, with an RMSNorm over each head of queries and keys.
    Qwen3,
    /// BERT: an encoder with LayerNorm after each block, learned positions and GELU, whose result is an embedding of the whole text.
    Bert,
}

impl Architecture {
    /// Whether its models continue a text, and so can answer a job. The others can't be registered on chain.
    pub const fn is_decoder(self) -> bool {
        match self {
            Self::Llama | Self::Qwen2 | Self::Qwen3 => true,
            Self::Bert => false,
        }
    }

    /// Matrices of a feed-forward block: gate, up and down, or up and down.
    const fn feed_forward_matrices(self) -> u64 {
        if self.is_decoder() {
            3
        } else {
            2
        }
    }
}

/// Shape of a model.
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    PartialEq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Serialize,
    Deserialize,
)]
pub struct Dimensions {
    /// Number of layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Width inside the feed-forward block.
    pub feed_forward: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads; divides `heads`.
    pub kv_heads: u32,
    /// Width of a head, even.
    pub head_dim: u32,
    /// Number of tokens.
    pub vocabulary: u32,
    /// Most positions.
    pub context: u32,
}

/// Why a shape is refused: what of it, and its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DimensionsError {
    /// It is zero or greater than `most`, for which the exact arithmetic is proven.
    Range {
        /// Which dimension.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The largest possible.
        most: u32,
    },
    /// It is no multiple of [`GRANULE`].
    Granule {
        /// Which dimension.
        what: &'static str,
        /// Its size.
        size: u32,
    },
    /// The query heads can't be shared out evenly.
    UnevenHeads {
        /// Query heads.
        heads: u32,
        /// Key and value heads.
        kv_heads: u32,
    },
}

impl Dimensions {
    /// Checks that a model of this shape can be computed. Chain and engines use this one check, so what is registered can be loaded.
    pub fn check(&self) -> Result<(), DimensionsError> {
        let range = |what, size: u64, most: u32| match (1..=u64::from(most)).contains(&size) {
            true => Ok(()),
            false => Err(DimensionsError::Range { what, size, most }),
        };
        let sizes = [
            ("number of layers", self.layers, MAX_LAYERS),
            ("hidden size", self.hidden, MAX_WIDTH),
            ("feed-forward size", self.feed_forward, MAX_WIDTH),
            ("number of attention heads", self.heads, MAX_WIDTH),
            ("number of key-value heads", self.kv_heads, MAX_WIDTH),
            ("head size", self.head_dim, MAX_HEAD_DIM),
            ("vocabulary", self.vocabulary, MAX_VOCABULARY),
            ("context", self.context, MAX_CONTEXT),
        ];
        for (what, size, most) in sizes {
            range(what, size.into(), most)?;
        }
        let joined = u64::from(self.heads) * u64::from(self.head_dim);
        range("size of all heads together", joined, MAX_WIDTH)?;
        let granular = [
            ("hidden size", self.hidden),
            ("feed-forward size", self.feed_forward),
            ("head size", self.head_dim),
            ("vocabulary", self.vocabulary),
        ];
        if let Some((what, size)) = granular.into_iter().find(|(_, size)| !size.is_multiple_of(GRANULE)) {
            return Err(DimensionsError::Granule { what, size });
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let (heads, kv_heads) = (self.heads, self.kv_heads);
            return Err(DimensionsError::UnevenHeads { heads, kv_heads });
        }
        Ok(())
    }
}

/// A model, bound by its hash ([`Manifest::id`]).
#[derive(
    Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo, Serialize, Deserialize,
)]
pub struct Manifest {
    /// Human-readable name, UTF-8; a string where a manifest is written as JSON.
    #[serde(with = "text")]
    pub name: BoundedVec<u8, ConstU32<64>>,
    /// Family.
    pub architecture: Architecture,
    /// Shape.
    pub dimensions: Dimensions,
    /// Version of the exact arithmetic.
    pub arithmetic_version: u16,
    /// Root over the chunks of every tensor.
    pub weights_root: H256,
    /// Root over the bytes of every token.
    pub tokens_root: H256,
    /// Hash of the tokenizer's definition.
    pub tokenizer: H256,
    /// Hash of the chat template; zero if there is none.
    pub chat_template: H256,
    /// Tokens that end an answer.
    pub end_of_sequence: BoundedVec<u32, ConstU32<8>>,
}

/// Names as strings in human-readable formats.
mod text {
    use super::{BoundedVec, ConstU32};
    use alloc::string::String;
    use serde::{de::Error as _, ser::Error as _, Deserialize, Deserializer, Serializer};

    type Name = BoundedVec<u8, ConstU32<64>>;

    pub fn serialize<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(core::str::from_utf8(name).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        let name = String::deserialize(deserializer)?.into_bytes();
        name.try_into()
            .map_err(|_| D::Error::custom("the name is longer than 64 bytes"))
    }
}

/// Why a manifest is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ManifestError {
    /// No model of this shape can be computed, see [`Dimensions::check`].
    Dimensions,
    /// The arithmetic version is not known.
    ArithmeticVersion,
    /// An end-of-sequence token is not in the vocabulary.
    EndOfSequence,
}

impl Manifest {
    /// The model's name on chain.
    pub fn id(&self) -> ModelId {
        hash(&[b"ergon/manifest", &self.encode()])
    }

    /// Checks what can be checked without the weights.
    pub fn check(&self) -> Result<(), ManifestError> {
        self.dimensions.check().map_err(|_| ManifestError::Dimensions)?;
        if self.arithmetic_version != ARITHMETIC_VERSION {
            return Err(ManifestError::ArithmeticVersion);
        }
        if self
            .end_of_sequence
            .iter()
            .any(|token| *token >= self.dimensions.vocabulary)
        {
            return Err(ManifestError::EndOfSequence);
        }
        Ok(())
    }

    /// Prices that follow from the number of multiply-accumulates.
    pub fn default_prices(&self) -> Prices {
        let d = &self.dimensions;
        let [layers, hidden, inner, heads, kv, dim, vocabulary] = [
            d.layers,
            d.hidden,
            d.feed_forward,
            d.heads,
            d.kv_heads,
            d.head_dim,
            d.vocabulary,
        ]
        .map(u64::from);
        let attention = hidden * heads * dim * 2 + hidden * kv * dim * 2;
        let prompt_token = layers * (attention + self.architecture.feed_forward_matrices() * hidden * inner);
        Prices {
            prompt_token,
            output_token: prompt_token + hidden * vocabulary,
            attended_position: layers * heads * dim * 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smollm2() -> Manifest {
        Manifest {
            name: b"SmolLM2-135M-Instruct".to_vec().try_into().unwrap(),
            architecture: Architecture::Llama,
            dimensions: Dimensions {
                layers: 30,
                hidden: 576,
                feed_forward: 1536,
                heads: 9,
                kv_heads: 3,
                head_dim: 64,
                vocabulary: 49152,
                context: 8192,
            },
            arithmetic_version: ARITHMETIC_VERSION,
            weights_root: H256::repeat_byte(1),
            tokens_root: H256::repeat_byte(2),
            tokenizer: H256::repeat_byte(3),
            chat_template: H256::repeat_byte(4),
            end_of_sequence: vec![2].try_into().unwrap(),
        }
    }

    #[test]
    fn prices_are_the_parameters_of_the_matrices() {
        let prices = smollm2().default_prices();
        // 134.5 million parameters: an output token multiplies every matrix once, the tied embedding as logits.
        assert_eq!(prices.output_token, 134_479_872);
        assert_eq!(prices.prompt_token, 134_479_872 - 576 * 49152);
        assert_eq!(prices.attended_position, 30 * 9 * 64 * 2);
    }

    #[test]
    fn an_architecture_is_encoded_by_its_place_and_new_ones_come_last() {
        use Architecture::{Bert, Llama, Qwen2, Qwen3};
        assert_eq!(
            [Llama, Qwen2, Qwen3, Bert].map(|architecture| architecture.encode()[0]),
            [0, 1, 2, 3]
        );
        assert_eq!(
            [Llama, Qwen2, Qwen3, Bert].map(Architecture::is_decoder),
            [true, true, true, false]
        );
    }

    #[test]
    fn an_encoder_has_no_gate_to_pay_for() {
        let mut manifest = smollm2();
        let gated = manifest.default_prices().prompt_token;
        manifest.architecture = Architecture::Bert;
        assert_eq!(manifest.default_prices().prompt_token, gated - 30 * 576 * 1536);
    }

    #[test]
    fn manifests_that_nobody_could_compute_are_refused() {
        let with = |change: fn(&mut Manifest)| {
            let mut manifest = smollm2();
            change(&mut manifest);
            manifest.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|m| m.dimensions.head_dim = 516), Err(ManifestError::Dimensions));
        assert_eq!(
            with(|m| m.arithmetic_version = 0),
            Err(ManifestError::ArithmeticVersion)
        );
        assert_eq!(
            with(|m| m.end_of_sequence[0] = 49152),
            Err(ManifestError::EndOfSequence)
        );
    }

    #[test]
    fn every_dimension_is_possible_up_to_its_bound_and_not_beyond() {
        type Field = fn(&mut Dimensions) -> &mut u32;
        // One head, so that none of the bounds depends on another one.
        let base = Dimensions {
            heads: 1,
            kv_heads: 1,
            ..smollm2().dimensions
        };
        let fields: [(&str, Field, u32, u32); 6] = [
            ("number of layers", |d| &mut d.layers, MAX_LAYERS, 1),
            ("hidden size", |d| &mut d.hidden, MAX_WIDTH, GRANULE),
            ("feed-forward size", |d| &mut d.feed_forward, MAX_WIDTH, GRANULE),
            ("head size", |d| &mut d.head_dim, MAX_HEAD_DIM, GRANULE),
            ("vocabulary", |d| &mut d.vocabulary, MAX_VOCABULARY, GRANULE),
            ("context", |d| &mut d.context, MAX_CONTEXT, 1),
        ];
        for (what, field, most, step) in fields {
            let with = |size| {
                let mut dimensions = base;
                *field(&mut dimensions) = size;
                dimensions.check()
            };
            let range = |size: u32| {
                let size = size.into();
                Err(DimensionsError::Range { what, size, most })
            };
            assert_eq!((with(step), with(most)), (Ok(()), Ok(())), "{what}");
            assert_eq!(
                [with(0), with(most + step), with(u32::MAX)],
                [range(0), range(most + step), range(u32::MAX)]
            );
            if step > 1 {
                let size = most - 1;
                assert_eq!(with(size), Err(DimensionsError::Granule { what, size }));
            }
        }
    }

    #[test]
    fn heads_share_keys_evenly_and_are_not_too_wide_together() {
        let with = |heads, kv_heads| {
            let dimensions = smollm2().dimensions;
            Dimensions {
                heads,
                kv_heads,
                ..dimensions
            }
            .check()
        };
        let range = |what, size| {
            let most = MAX_WIDTH;
            Err(DimensionsError::Range { what, size, most })
        };
        assert_eq!((with(1024, 1), with(1024, 1024)), (Ok(()), Ok(())));
        assert_eq!(with(1025, 1), range("size of all heads together", 1025 * 64));
        assert_eq!(with(u32::MAX, 1), range("number of attention heads", u32::MAX.into()));
        assert_eq!(with(9, 0), range("number of key-value heads", 0));
        for (heads, kv_heads) in [(9, 2), (9, 10)] {
            let uneven = DimensionsError::UnevenHeads { heads, kv_heads };
            assert_eq!(with(heads, kv_heads), Err(uneven));
        }
    }

    #[test]
    fn every_field_is_bound_by_the_id() {
        let base = smollm2();
        let other = Manifest {
            weights_root: H256::zero(),
            ..base.clone()
        };
        assert_ne!(base.id(), other.id());
        assert_eq!(base.id(), smollm2().id());
    }
}

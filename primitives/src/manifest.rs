// SPDX-License-Identifier: Apache-2.0
//! What a model is, for everyone who has to agree on it.
use crate::{hash, units::Prices, ModelId, H256};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Version of the exact arithmetic that this code computes.
pub const ARITHMETIC_VERSION: u16 = 1;

/// Family of decoders, which fixes the sequence of operators.
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
    /// Llama: RMSNorm, rotary positions (rotate-half), grouped-query attention, SiLU gate.
    Llama,
}

/// Shape of a decoder.
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
    /// A dimension is zero or beyond what the exact arithmetic is proven for.
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
        let d = &self.dimensions;
        let sizes = [
            d.layers,
            d.hidden,
            d.feed_forward,
            d.heads,
            d.kv_heads,
            d.head_dim,
            d.vocabulary,
            d.context,
        ];
        let in_range = sizes.iter().all(|size| *size > 0)
            && d.layers <= 1024
            && d.hidden.max(d.feed_forward) <= 65536
            && d.heads.checked_mul(d.head_dim).is_some_and(|width| width <= 65536)
            && d.vocabulary <= 1 << 20
            && d.context <= 32768
            && d.heads.is_multiple_of(d.kv_heads)
            && d.head_dim.is_multiple_of(4);
        if !in_range {
            return Err(ManifestError::Dimensions);
        }
        if self.arithmetic_version != ARITHMETIC_VERSION {
            return Err(ManifestError::ArithmeticVersion);
        }
        if self.end_of_sequence.iter().any(|token| *token >= d.vocabulary) {
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
        let prompt_token = layers * (attention + 3 * hidden * inner);
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
    fn manifests_that_nobody_could_compute_are_refused() {
        let with = |change: fn(&mut Manifest)| {
            let mut manifest = smollm2();
            change(&mut manifest);
            manifest.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|m| m.dimensions.layers = 0), Err(ManifestError::Dimensions));
        assert_eq!(with(|m| m.dimensions.kv_heads = 2), Err(ManifestError::Dimensions));
        assert_eq!(with(|m| m.dimensions.heads = u32::MAX), Err(ManifestError::Dimensions));
        assert_eq!(with(|m| m.dimensions.context = 32769), Err(ManifestError::Dimensions));
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

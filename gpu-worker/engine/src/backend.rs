// SPDX-License-Identifier: Apache-2.0
//! What every backend can do: append tokens to a sequence and give the logits of its last positions.
//!
//! Results are defined bit for bit by `ergon_exact`; a backend is free only in how fast it is.
use crate::model::Model;
use ergon_primitives::{hash, H256};
use std::sync::Arc;

/// Why a backend can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A token id is not in the vocabulary.
    #[error("token {token} is not among the model's {vocabulary} tokens")]
    UnknownToken {
        /// The id.
        token: u32,
        /// Number of tokens of the model.
        vocabulary: u32,
    },
    /// The KV cache is too small.
    #[error("{needed} positions don't fit a KV cache of {capacity}")]
    CacheFull {
        /// Positions after the call.
        needed: usize,
        /// Positions that there is room for.
        capacity: usize,
    },
    /// More outputs are wanted than tokens are given.
    #[error("{wanted} outputs are wanted of {tokens} tokens")]
    Outputs {
        /// Outputs wanted.
        wanted: usize,
        /// Tokens given.
        tokens: usize,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// The device is gone: nothing can be computed on this backend any more.
    #[error("{0}")]
    DeviceLost(String),
}

/// A row of int16 mantissas under one power-of-two exponent: value `mantissa * 2^exponent`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PackedRow {
    /// Mantissas, at most 32639 in size.
    pub mantissas: Vec<i16>,
    /// Exponent.
    pub exponent: i32,
}

impl PackedRow {
    /// BLAKE2b-256 over exponent (i32) and mantissas (i16), all little endian: what a [`Leaf`](ergon_primitives::commitment::Leaf) binds.
    pub fn hash(&self) -> H256 {
        let mantissas: Vec<u8> = self
            .mantissas
            .iter()
            .flat_map(|mantissa| mantissa.to_le_bytes())
            .collect();
        hash(&[&self.exponent.to_le_bytes(), &mantissas])
    }
}

/// Logits over the vocabulary: value `mantissa * 2^exponent`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logits {
    /// One mantissa a token.
    pub mantissas: Vec<i32>,
    /// Exponent.
    pub exponent: i32,
}

/// What a model gives at one position.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// Final hidden state: the row after the last norm.
    pub hidden: PackedRow,
    /// Logits of the next token.
    pub logits: Logits,
}

/// One sequence of tokens with its KV cache.
pub trait Sequence: Send {
    /// Number of tokens in the cache.
    fn len(&self) -> usize;

    /// Whether the cache is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Most tokens that the cache has room for.
    fn capacity(&self) -> usize;

    /// Appends `tokens` and gives the outputs of the last `wanted` of them, in order.
    ///
    /// Any way to cut a sequence into calls gives the same bits. After an error the cache holds what it held before.
    fn forward(&mut self, tokens: &[u32], wanted: usize) -> Result<Vec<Position>, Error>;

    /// Forgets all tokens from position `len` on; nothing happens if there are none.
    fn truncate(&mut self, len: usize);
}

/// A device that holds a model.
pub trait Backend: Send + Sync {
    /// Short name, with the adapter where there are several.
    fn name(&self) -> String;

    /// The model.
    fn model(&self) -> &Arc<Model>;

    /// Empty sequence with room for `capacity` tokens, at most the model's context.
    fn sequence(&self, capacity: usize) -> Result<Box<dyn Sequence>, Error>;
}

/// Checks the arguments of [`Sequence::forward`] for every backend.
pub fn check_forward(model: &Model, len: usize, capacity: usize, tokens: &[u32], wanted: usize) -> Result<(), Error> {
    let vocabulary = model.dimensions().vocabulary;
    if let Some(token) = tokens.iter().find(|token| **token >= vocabulary) {
        return Err(Error::UnknownToken {
            token: *token,
            vocabulary,
        });
    }
    let needed = len + tokens.len();
    if needed > capacity {
        return Err(Error::CacheFull { needed, capacity });
    }
    if wanted > tokens.len() {
        return Err(Error::Outputs {
            wanted,
            tokens: tokens.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_row_is_over_exponent_and_mantissas_in_little_endian() {
        let row = PackedRow {
            mantissas: vec![1, -2],
            exponent: -3,
        };
        assert_eq!(row.hash(), hash(&[&[0xfd, 0xff, 0xff, 0xff, 1, 0, 0xfe, 0xff]]));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Merkle roots that bind an artifact's content.
//!
//! The *weights root* is over every tensor but the token table and the tokenizer's definition: tensors in the order of their names, each cut
//! into chunks of [`CHUNK`] bytes (the last one shorter), one leaf a chunk. A leaf is the SCALE encoding of
//! `(name, element type, shape as Vec<u32>, chunk number as u32)` followed by the chunk, so that a chunk opened on chain tells
//! what it is part of. The *tokens root* has one leaf a token: its id (u32, little endian) followed by its bytes.
use crate::model::TokenTable;
use codec::Encode;
use ergon_primitives::{
    merkle::{leaf, root},
    H256,
};
use rayon::prelude::*;
use safetensors::Dtype;
use std::collections::BTreeMap;

/// Bytes in a chunk.
pub const CHUNK: usize = 4096;

/// Whether the weights root binds a tensor; the others are bound by roots and hashes of their own.
pub(super) fn is_weight(name: &str) -> bool {
    name != super::TOKENIZER && !name.starts_with("tokens.")
}

/// Leaves of one tensor, one a chunk.
fn leaves(name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Vec<H256> {
    let shape: Vec<u32> = shape
        .iter()
        .map(|size| u32::try_from(*size).unwrap_or(u32::MAX))
        .collect();
    let tensor = (name, dtype.to_string(), shape).encode();
    let chunk = |(number, chunk): (usize, &[u8])| leaf(&[&tensor, &(number as u32).encode(), chunk]);
    bytes.par_chunks(CHUNK).enumerate().map(chunk).collect()
}

/// Leaves of all tensors, gathered in any order.
#[derive(Debug, Default)]
pub struct WeightLeaves(BTreeMap<String, Vec<H256>>);

impl WeightLeaves {
    /// Adds a tensor; one that the weights root doesn't bind is left out.
    pub fn add(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) {
        if is_weight(name) {
            self.0.insert(name.into(), leaves(name, dtype, shape, bytes));
        }
    }

    /// The weights root.
    pub fn root(&self) -> H256 {
        root(self.0.values().flatten().copied())
    }

    /// Root of every tensor's leaves, by which damage is located.
    pub fn tensor_roots(&self) -> BTreeMap<String, H256> {
        self.0
            .iter()
            .map(|(name, leaves)| (name.clone(), root(leaves.iter().copied())))
            .collect()
    }
}

/// The tokens root.
pub fn tokens_root(tokens: &TokenTable) -> H256 {
    let ids = 0..u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    root(ids.filter_map(|id| Some(leaf(&[&id.to_le_bytes(), tokens.get(id)?]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> H256 {
        let mut leaves = WeightLeaves::default();
        leaves.add(name, dtype, shape, bytes);
        leaves.root()
    }

    #[test]
    fn name_type_shape_and_every_byte_are_bound() {
        let bytes = vec![7u8; CHUNK + 8];
        let base = root_of("a", Dtype::I8, &[CHUNK + 8], &bytes);
        let mut changed = bytes.clone();
        changed[CHUNK + 7] ^= 1;
        assert_ne!(base, root_of("a", Dtype::I8, &[CHUNK + 8], &changed));
        assert_ne!(base, root_of("b", Dtype::I8, &[CHUNK + 8], &bytes));
        assert_ne!(base, root_of("a", Dtype::U8, &[CHUNK + 8], &bytes));
        assert_ne!(base, root_of("a", Dtype::I8, &[2, CHUNK / 2 + 4], &bytes));
        assert_eq!(base, root_of("a", Dtype::I8, &[CHUNK + 8], &bytes));
    }

    #[test]
    fn tensors_may_be_added_in_any_order() {
        let (mut one, mut two) = (WeightLeaves::default(), WeightLeaves::default());
        one.add("a", Dtype::I8, &[1], &[1]);
        one.add("b", Dtype::I8, &[1], &[2]);
        one.add("tokens.bytes", Dtype::U8, &[1], &[3]);
        two.add("b", Dtype::I8, &[1], &[2]);
        two.add("a", Dtype::I8, &[1], &[1]);
        assert_eq!(one.root(), two.root());
    }

    #[test]
    fn the_tokens_root_binds_where_one_token_ends() {
        let table = |offsets: &[u32]| TokenTable::new(b"abc".to_vec(), offsets.to_vec()).unwrap();
        assert_ne!(tokens_root(&table(&[0, 1, 3])), tokens_root(&table(&[0, 2, 3])));
    }
}

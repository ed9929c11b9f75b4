// SPDX-License-Identifier: Apache-2.0
//! The Merkle tree under every root of the protocol.
//!
//! A tree over `count` leaves has the fixed depth `ceil(log2(count))`. A level of odd length carries its last node up unchanged. Leaves
//! and inner nodes are hashed under different domains, so an inner node never passes as a leaf, and a proof is valid only with
//! exactly the number of siblings that `count` and the leaf's index demand.
//!
//! ```
//! use ergon_primitives::merkle::{leaf, proof, root, verify};
//! let leaves: Vec<_> = (0u8..5).map(|i| leaf(&[&[i]])).collect();
//! let top = root(leaves.iter().copied());
//! let path = proof(&leaves, 3).unwrap();
//! assert!(verify(top, 5, 3, leaves[3], &path));
//! assert!(!verify(top, 5, 2, leaves[3], &path));
//! ```
use crate::{hash, H256};
use alloc::vec::Vec;

const LEAF: &[u8] = b"\x00";
const NODE: &[u8] = b"\x01";

/// Hash of one leaf: the concatenation of `parts` under the leaf domain.
pub fn leaf(parts: &[&[u8]]) -> H256 {
    let mut all = Vec::with_capacity(parts.len() + 1);
    all.push(LEAF);
    all.extend_from_slice(parts);
    hash(&all)
}

fn node(left: &H256, right: &H256) -> H256 {
    hash(&[NODE, &left.0, &right.0])
}

fn parents(level: &[H256]) -> Vec<H256> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            rest => rest[0],
        })
        .collect()
}

/// Root over leaf hashes made by [`leaf`]; the zero hash for no leaves.
pub fn root(leaves: impl IntoIterator<Item = H256>) -> H256 {
    let mut level: Vec<H256> = leaves.into_iter().collect();
    while level.len() > 1 {
        level = parents(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// Siblings of the leaf at `index`, lowest level first; `None` if there is no such leaf.
pub fn proof(leaves: &[H256], index: u32) -> Option<Vec<H256>> {
    let mut at = index as usize;
    if at >= leaves.len() {
        return None;
    }
    let mut level = leaves.to_vec();
    let mut path = Vec::new();
    while level.len() > 1 {
        if let Some(sibling) = level.get(at ^ 1) {
            path.push(*sibling);
        }
        level = parents(&level);
        at /= 2;
    }
    Some(path)
}

/// Whether `leaf` is the leaf at `index` of the `count` leaves under `root`.
///
/// O(log count) hashes. Nothing but the exact path is accepted: a path that is too short or too long fails.
pub fn verify(root: H256, count: u32, index: u32, leaf: H256, path: &[H256]) -> bool {
    if index >= count {
        return false;
    }
    let (mut at, mut width, mut current, mut siblings) = (index, count, leaf, path.iter());
    while width > 1 {
        if at ^ 1 < width {
            let Some(sibling) = siblings.next() else { return false };
            current = if at & 1 == 0 {
                node(&current, sibling)
            } else {
                node(sibling, &current)
            };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && current == root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u32) -> Vec<H256> {
        (0..count).map(|i| leaf(&[&i.to_le_bytes()])).collect()
    }

    proptest! {
        #[test]
        fn every_leaf_has_a_proof_that_fits_only_its_place(count in 1u32..200, seed in any::<u32>()) {
            let all = leaves(count);
            let top = root(all.iter().copied());
            let index = seed % count;
            let path = proof(&all, index).unwrap();
            prop_assert!(verify(top, count, index, all[index as usize], &path));
            for other in (0..count).filter(|other| *other != index) {
                prop_assert!(!verify(top, count, other, all[index as usize], &path));
            }
        }

        #[test]
        fn a_proof_of_another_length_fails(count in 2u32..200, seed in any::<u32>()) {
            let all = leaves(count);
            let top = root(all.iter().copied());
            let index = seed % count;
            let mut path = proof(&all, index).unwrap();
            path.push(H256::zero());
            prop_assert!(!verify(top, count, index, all[index as usize], &path));
            path.truncate(path.len() - 2);
            prop_assert!(!verify(top, count, index, all[index as usize], &path));
        }
    }

    #[test]
    fn an_inner_node_does_not_pass_as_a_leaf() {
        let all = leaves(4);
        let top = root(all.iter().copied());
        let left = node(&all[0], &all[1]);
        let right = node(&all[2], &all[3]);
        assert!(!verify(top, 4, 0, left, &[right]));
        assert!(!verify(top, 2, 0, leaf(&[&all[0].0, &all[1].0]), &[right]));
    }

    #[test]
    fn no_leaves_have_the_zero_root_and_no_proof() {
        assert_eq!(root([]), H256::zero());
        assert_eq!(proof(&[], 0), None);
        assert!(!verify(H256::zero(), 0, 0, H256::zero(), &[]));
    }
}

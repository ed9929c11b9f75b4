// SPDX-License-Identifier: Apache-2.0
//! The KV cache: `i8` mantissas and one exponent a (position, head), page after page, position after position.
use crate::{backend::PAGE, model::Model};
use std::ops::Range;

/// Keys, or values, of one layer.
pub(super) struct Plane {
    /// `[pages * PAGE, kv_heads * head_dim]`.
    pub mantissas: Vec<i8>,
    /// `[pages * PAGE, kv_heads]`.
    pub exponents: Vec<i32>,
}

impl Plane {
    fn new(pages: usize, heads: usize, head_dim: usize) -> Self {
        Self {
            mantissas: vec![0; pages * PAGE * heads * head_dim],
            exponents: vec![0; pages * PAGE * heads],
        }
    }

    /// Keeps the heads of one position in a slot.
    pub fn store(&mut self, slot: usize, mantissas: &[i8], exponents: &[i32]) {
        self.mantissas[slot * mantissas.len()..][..mantissas.len()].copy_from_slice(mantissas);
        self.exponents[slot * exponents.len()..][..exponents.len()].copy_from_slice(exponents);
    }
}

/// Keys and values of one layer.
pub(super) struct LayerCache {
    /// Keys, after rotation.
    pub keys: Plane,
    /// Values.
    pub values: Plane,
}

/// Cache of so many pages.
pub(super) fn new(model: &Model, pages: usize) -> Vec<LayerCache> {
    let d = model.dimensions();
    let plane = || Plane::new(pages, d.kv_heads as usize, d.head_dim as usize);
    (0..d.layers)
        .map(|_| LayerCache {
            keys: plane(),
            values: plane(),
        })
        .collect()
}

/// Slot of a position of a sequence with these pages.
pub(super) fn slot(pages: &[u32], position: usize) -> usize {
    pages[position / PAGE] as usize * PAGE + position % PAGE
}

/// The first `positions` of a sequence with these pages, page by page: the positions and the slot of the first of them.
pub(super) fn parts(pages: &[u32], positions: usize) -> impl Iterator<Item = (Range<usize>, usize)> + '_ {
    let firsts = (0..positions).step_by(PAGE);
    firsts
        .zip(pages)
        .map(move |(first, page)| (first..positions.min(first + PAGE), *page as usize * PAGE))
}

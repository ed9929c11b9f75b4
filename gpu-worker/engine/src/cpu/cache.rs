// SPDX-License-Identifier: Apache-2.0
//! The KV cache: `i8` mantissas and one exponent a (position, head), page after page, position after position.
use crate::{
    backend::{page_bytes, Error, PAGE},
    model::Model,
};
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
pub(super) fn new(model: &Model, pages: usize) -> Result<Vec<LayerCache>, Error> {
    let d = model.dimensions();
    let bytes = page_bytes(d).saturating_mul(pages as u64);
    // A vector of zeros that there is no room for ends the process, so room is asked for first.
    let room = usize::try_from(bytes).map(|bytes| Vec::<u8>::new().try_reserve_exact(bytes));
    if !matches!(room, Ok(Ok(()))) {
        return Err(Error::Memory { pages, bytes });
    }
    let plane = || Plane::new(pages, d.kv_heads as usize, d.head_dim as usize);
    let layer = |_| LayerCache {
        keys: plane(),
        values: plane(),
    };
    Ok((0..d.layers).map(layer).collect())
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

// SPDX-License-Identifier: Apache-2.0
//! The KV cache: `i8` mantissas and one exponent a (position, head), position after position.
use crate::model::Model;

/// Keys, or values, of one layer.
pub(super) struct Plane {
    /// `[capacity, kv_heads * head_dim]`.
    pub mantissas: Vec<i8>,
    /// `[capacity, kv_heads]`.
    pub exponents: Vec<i32>,
}

impl Plane {
    fn new(capacity: usize, heads: usize, head_dim: usize) -> Self {
        Self {
            mantissas: vec![0; capacity * heads * head_dim],
            exponents: vec![0; capacity * heads],
        }
    }
}

/// Keys and values of one layer.
pub(super) struct LayerCache {
    /// Keys, after rotation.
    pub keys: Plane,
    /// Values.
    pub values: Plane,
}

/// Empty cache with room for `capacity` positions.
pub(super) fn new(model: &Model, capacity: usize) -> Vec<LayerCache> {
    let d = model.dimensions();
    let plane = || Plane::new(capacity, d.kv_heads as usize, d.head_dim as usize);
    (0..d.layers)
        .map(|_| LayerCache {
            keys: plane(),
            values: plane(),
        })
        .collect()
}

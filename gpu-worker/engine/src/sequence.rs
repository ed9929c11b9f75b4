// SPDX-License-Identifier: Apache-2.0
//! One sequence of tokens with a KV cache of its own, for those who compute a single one at a time.
use crate::backend::{Backend, Cache, Error, Position, Run, PAGE};

/// One sequence of tokens with a KV cache of its own.
pub struct Sequence {
    cache: Box<dyn Cache>,
    pages: Vec<u32>,
    len: usize,
    capacity: usize,
    logits: bool,
}

impl Sequence {
    /// Empty sequence with room for `capacity` tokens, at most the model's context.
    pub(crate) fn new(backend: &(impl Backend + ?Sized), capacity: usize) -> Result<Self, Error> {
        let context = backend.model().dimensions().context as usize;
        if capacity > context {
            return Err(Error::CacheFull {
                needed: capacity,
                capacity: context,
            });
        }
        let pages = capacity.div_ceil(PAGE);
        Ok(Self {
            cache: backend.cache(pages)?,
            pages: (0..pages as u32).collect(),
            len: 0,
            capacity,
            logits: true,
        })
    }

    /// Gives outputs without logits from now on.
    pub fn without_logits(self) -> Self {
        Self { logits: false, ..self }
    }

    /// Number of tokens in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `tokens` and gives the outputs of the last `wanted` of them, in order.
    ///
    /// Any way to cut a sequence into calls gives the same bits. After an error the cache holds what it held before.
    pub fn forward(&mut self, tokens: &[u32], wanted: usize) -> Result<Vec<Position>, Error> {
        let needed = self.len + tokens.len();
        if needed > self.capacity {
            return Err(Error::CacheFull {
                needed,
                capacity: self.capacity,
            });
        }
        let run = Run {
            pages: &self.pages,
            first: self.len,
            tokens,
            wanted,
            logits: self.logits,
        };
        let outputs = self.cache.forward(&[run])?;
        self.len = needed;
        Ok(outputs.into_iter().flatten().collect())
    }

    /// Forgets all tokens from position `len` on; nothing happens if there are none.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

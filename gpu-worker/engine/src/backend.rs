// SPDX-License-Identifier: Apache-2.0
//! What every backend can do: put tokens of several sequences through the model at once and give the logits of some of their positions.
//!
//! Results are defined bit for bit by `ergon_exact`; a backend is free only in how fast it is. The keys and values of a sequence are in pages
//! of a [`Cache`]. Which sequence has which page is the caller's affair: a [`Sequence`] has a cache to itself,
//! [`serving`](crate::serving) shares one among many.
use crate::{model::Model, sequence::Sequence};
use ergon_primitives::{hash, manifest::Dimensions, H256};
use std::sync::Arc;

/// Why a backend can't go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// A token id is not in the vocabulary.
    #[error("token {token} is not among the model's {vocabulary} tokens")]
    UnknownToken {
        /// The id.
        token: u32,
        /// Number of tokens of the model.
        vocabulary: u32,
    },
    /// A page is not in the KV cache.
    #[error("page {page} is not among the KV cache's {pages} pages")]
    UnknownPage {
        /// The page.
        page: u32,
        /// Pages of the cache.
        pages: usize,
    },
    /// There are too few pages for a sequence, or it is longer than the model's context.
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
    /// The system doesn't give as much memory as a KV cache takes.
    #[error("a KV cache of {pages} pages takes {bytes} bytes of memory, more than there is")]
    Memory {
        /// Its pages.
        pages: usize,
        /// Its size.
        bytes: u64,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// The device is gone: nothing can be computed on this backend any more.
    #[error("{0}")]
    DeviceLost(String),
}

impl Error {
    /// Whether it is the device's, so that another one, or the same reopened, may do better. All others would come again on any device.
    pub fn is_of_device(&self) -> bool {
        matches!(self, Self::Device(_) | Self::DeviceLost(_))
    }
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
    /// The token with the highest logit, the lowest id among equals: what greedy decoding takes.
    pub likeliest: u32,
    /// Logits of the next token, if they are wanted: many bytes, which a device would have to send.
    pub logits: Option<Logits>,
}

/// Positions of a page of a KV cache.
pub const PAGE: usize = 32;

/// Bytes that a page takes in every layer together: an `i8` mantissa an element and an `i32` exponent a head, of keys and of values.
pub fn page_bytes(d: &Dimensions) -> u64 {
    let [layers, kv_heads, head_dim] = [d.layers, d.kv_heads, d.head_dim].map(u64::from);
    2 * layers * PAGE as u64 * kv_heads * (head_dim + 4)
}

/// Consecutive tokens of one sequence, as a part of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Pages of the sequence: position `p` is in `pages[p / PAGE]`.
    pub pages: &'a [u32],
    /// Position of the first token; the cache holds the keys and values of all positions before it.
    pub first: usize,
    /// The tokens.
    pub tokens: &'a [u32],
    /// Outputs of so many of the last tokens are wanted.
    pub wanted: usize,
    /// Whether they are wanted with their logits.
    pub logits: bool,
}

/// A KV cache on a device: pages of [`PAGE`] positions, which the caller hands out to sequences.
pub trait Cache: Send {
    /// Puts the tokens of every run through the model, keeps their keys and values in the run's pages, and gives the wanted outputs of each
    /// run in order.
    ///
    /// Weights are read once for many rows, whichever sequences they belong to. The outputs of a run depend on nothing but the tokens of its
    /// sequence up to each position: not on the other runs, on how a sequence is cut into calls or on which pages it has. Runs may share
    /// pages that none of them writes to. Where two runs write to one page, or one writes what another reads, what they give is
    /// unspecified.
    ///
    /// After an error no position before a run's first has changed.
    fn forward(&mut self, batch: &[Run<'_>]) -> Result<Vec<Vec<Position>>, Error>;
}

/// A device that holds a model.
pub trait Backend: Send + Sync {
    /// Short name, with the adapter where there are several.
    fn name(&self) -> String;

    /// The model.
    fn model(&self) -> &Arc<Model>;

    /// KV cache of so many pages, see [`page_bytes`].
    fn cache(&self, pages: usize) -> Result<Box<dyn Cache>, Error>;

    /// Empty sequence, with a cache of its own that has room for `capacity` tokens, at most the model's context.
    fn sequence(&self, capacity: usize) -> Result<Sequence, Error> {
        Sequence::new(self, capacity)
    }
}

/// One token of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub token: u32,
    pub position: usize,
    /// Pages of its sequence.
    pub pages: &'a [u32],
    /// Whether its output is wanted.
    pub wanted: bool,
    /// Whether it is wanted with its logits.
    pub logits: bool,
}

/// Checks the arguments of [`Cache::forward`] for every backend, and gives the tokens of all runs one after the other.
pub(crate) fn rows<'a>(model: &Model, pages: usize, batch: &[Run<'a>]) -> Result<Vec<Row<'a>>, Error> {
    let mut rows = Vec::with_capacity(batch.iter().map(|run| run.tokens.len()).sum());
    for run in batch {
        check(model, pages, run)?;
        let unwanted = run.tokens.len() - run.wanted;
        rows.extend(run.tokens.iter().enumerate().map(|(i, token)| Row {
            token: *token,
            position: run.first + i,
            pages: run.pages,
            wanted: i >= unwanted,
            logits: run.logits,
        }));
    }
    Ok(rows)
}

fn check(model: &Model, pages: usize, run: &Run<'_>) -> Result<(), Error> {
    let d = model.dimensions();
    if let Some(token) = run.tokens.iter().find(|token| **token >= d.vocabulary) {
        return Err(Error::UnknownToken {
            token: *token,
            vocabulary: d.vocabulary,
        });
    }
    if let Some(page) = run.pages.iter().find(|page| **page as usize >= pages) {
        return Err(Error::UnknownPage { page: *page, pages });
    }
    let needed = run.first + run.tokens.len();
    let capacity = (run.pages.len() * PAGE).min(d.context as usize);
    if needed > capacity {
        return Err(Error::CacheFull { needed, capacity });
    }
    if run.wanted > run.tokens.len() {
        return Err(Error::Outputs {
            wanted: run.wanted,
            tokens: run.tokens.len(),
        });
    }
    Ok(())
}

/// Deals the wanted outputs of all rows out to the runs that they belong to.
pub(crate) fn by_run(batch: &[Run<'_>], outputs: Vec<Position>) -> Vec<Vec<Position>> {
    let mut outputs = outputs.into_iter();
    let runs = batch.iter();
    runs.map(|run| outputs.by_ref().take(run.wanted).collect()).collect()
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

// SPDX-License-Identifier: Apache-2.0
//! Types that the chain and the worker share.
//!
//! Everything here is hashed, signed or compared by parties that don't trust each other, so it is `no_std`, free of floats and of
//! platform-sized integers, and encoded with SCALE.
//!
//! | module | holds |
//! |---|---|
//! | [`manifest`] | what a model is: dimensions, roots of its weights and of its token table, default prices |
//! | [`request`] | what a requester asks for: input, decode settings, sampling key |
//! | [`commitment`] | what an executor binds itself to: one leaf a position, a header, the sealed root |
//! | [`merkle`] | the tree under all roots |
//! | [`units`] | how work is counted |
//! | [`draw`] | unbiased draws from a beacon value |
//! | [`ticket`] | proof of work by which an unknown account is let in |
//! | [`quota`], [`traits`] | how the pallets see each other |
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod commitment;
pub mod draw;
pub mod manifest;
pub mod merkle;
pub mod quota;
pub mod request;
pub mod ticket;
pub mod traits;
pub mod units;

pub use primitive_types::H256;

/// Name of a model: the hash of its [`manifest::Manifest`].
pub type ModelId = H256;
/// Number of a job, counted up from 0 by the chain.
pub type JobId = u64;
/// Number of an epoch (= session), counted up from 0 by the chain.
pub type Epoch = u32;
/// Work: 1 unit is 10^6 multiply-accumulates.
pub type Units = u64;
/// Vote weight: a moving average of [`Units`] per epoch.
pub type VoteWeight = u64;

/// BLAKE2b-256, the one hash of the protocol, over the concatenation of `parts`.
///
/// A domain comes first in `parts` wherever two kinds of input could be confused.
pub fn hash(parts: &[&[u8]]) -> H256 {
    H256(sp_crypto_hashing::blake2_256(&parts.concat()))
}

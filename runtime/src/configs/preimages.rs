// SPDX-License-Identifier: Apache-2.0
//! Who may note a preimage, and how much of it: members of the collective, [`MAX_NOTED_BYTES`] each, and [`MAX_NOTED_TOTAL`] together. There is
//! no token to take a deposit in, so counts take its place; noting also costs quota by length like any transaction.
//!
//! An account that has filled the total must not keep others from proposing, so the first [`ALWAYS_NOTED_BYTES`] of each member don't count there.
//!
//! A preimage of a member that left stays, and counts, until its noter or root takes it back: `pallet-preimage` doesn't tell which they are.
use crate::{AccountId, RankedCollective};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    pallet_prelude::{Blake2_128Concat, ValueQuery},
    storage_alias,
    traits::{Consideration, Footprint},
};
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

/// Most bytes of preimages that a member may have noted and not taken back: room for a compressed runtime and a few calls.
pub const MAX_NOTED_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of preimages that a member may have noted even if [`MAX_NOTED_TOTAL`] is reached: enough for the calls of its proposals.
pub const ALWAYS_NOTED_BYTES: u64 = 16 * 1024;

/// Most bytes of preimages that all together may have noted and not taken back, beyond [`ALWAYS_NOTED_BYTES`] each.
pub const MAX_NOTED_TOTAL: u64 = 16 * MAX_NOTED_BYTES;

/// Bytes that a member has noted and not taken back.
#[storage_alias]
type NotedBytes = StorageMap<NotedPreimages, Blake2_128Concat, AccountId, u64, ValueQuery>;

/// What counts towards [`MAX_NOTED_TOTAL`].
#[storage_alias]
type NotedTotal = StorageValue<NotedPreimages, u64, ValueQuery>;

/// What of the `bytes` of one member counts towards [`MAX_NOTED_TOTAL`].
fn counted(bytes: u64) -> u64 {
    bytes.saturating_sub(ALWAYS_NOTED_BYTES)
}

/// Puts `new` bytes in the place of `old` ones of `who`.
fn replace(who: &AccountId, old: u64, new: u64) -> Result<(), DispatchError> {
    let before = NotedBytes::get(who);
    let after = before.saturating_sub(old).saturating_add(new);
    let others = NotedTotal::get().saturating_sub(counted(before));
    let total = others.saturating_add(counted(after));
    // Who has less afterwards is never refused.
    if after > before.max(MAX_NOTED_BYTES) {
        return Err(DispatchError::Exhausted);
    }
    if counted(after) > counted(before) && total > MAX_NOTED_TOTAL {
        return Err(DispatchError::Unavailable);
    }
    NotedTotal::put(total);
    match after {
        0 => NotedBytes::remove(who),
        rest => NotedBytes::insert(who, rest),
    }
    Ok(())
}

/// Checks that the total is the sum of what counts of everybody's.
#[cfg(any(feature = "std", feature = "try-runtime"))]
pub fn check_noted() -> Result<(), sp_runtime::TryRuntimeError> {
    let sum: u64 = NotedBytes::iter_values().map(counted).sum();
    frame_support::ensure!(
        NotedTotal::get() == sum,
        "preimages: the total is not the sum of what is noted"
    );
    Ok(())
}

/// What stands for a noted preimage: its size in bytes, counted against its noter. Stock polkadot.js Apps reads a ticket without field names.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct NotedPreimage(u64);

impl Consideration<AccountId, Footprint> for NotedPreimage {
    /// Refuses non-members by [`DispatchError::BadOrigin`], more than [`MAX_NOTED_BYTES`] by [`DispatchError::Exhausted`], and what all
    /// together have no room for by [`DispatchError::Unavailable`].
    fn new(who: &AccountId, new: Footprint) -> Result<Self, DispatchError> {
        if !RankedCollective::is_member(who) {
            return Err(DispatchError::BadOrigin);
        }
        Self(0).update(who, new)
    }

    fn update(self, who: &AccountId, new: Footprint) -> Result<Self, DispatchError> {
        replace(who, self.0, new.size)?;
        Ok(Self(new.size))
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn ensure_successful(who: &AccountId, _: Footprint) {
        crate::benchmarks::make_member(who, 1);
    }

    fn drop(self, who: &AccountId) -> Result<(), DispatchError> {
        replace(who, self.0, 0)
    }
}

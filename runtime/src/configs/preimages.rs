// SPDX-License-Identifier: Apache-2.0
//! Who may note a preimage, and how much of it: members of the collective, [`MAX_NOTED_BYTES`] each. There is no token to take a deposit in, so a
//! count takes its place; noting also costs quota by length like any transaction.
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

/// Bytes that a member has noted and not taken back.
#[storage_alias]
type NotedBytes = StorageMap<NotedPreimages, Blake2_128Concat, AccountId, u64, ValueQuery>;

/// What stands for a noted preimage: its size, counted against its noter.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct NotedPreimage {
    bytes: u64,
}

impl Consideration<AccountId, Footprint> for NotedPreimage {
    /// Refuses non-members by [`DispatchError::BadOrigin`], and more than [`MAX_NOTED_BYTES`] by [`DispatchError::Exhausted`].
    fn new(who: &AccountId, new: Footprint) -> Result<Self, DispatchError> {
        if !RankedCollective::is_member(who) {
            return Err(DispatchError::BadOrigin);
        }
        Self { bytes: 0 }.update(who, new)
    }

    fn update(self, who: &AccountId, new: Footprint) -> Result<Self, DispatchError> {
        let noted = NotedBytes::get(who).saturating_sub(self.bytes).saturating_add(new.size);
        if noted > MAX_NOTED_BYTES {
            return Err(DispatchError::Exhausted);
        }
        NotedBytes::insert(who, noted);
        Ok(Self { bytes: new.size })
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn ensure_successful(who: &AccountId, _: Footprint) {
        crate::benchmarks::make_member(who, 1);
    }

    fn drop(self, who: &AccountId) -> Result<(), DispatchError> {
        match NotedBytes::get(who).saturating_sub(self.bytes) {
            0 => NotedBytes::remove(who),
            rest => NotedBytes::insert(who, rest),
        }
        Ok(())
    }
}

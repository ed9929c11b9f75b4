// SPDX-License-Identifier: Apache-2.0
//! What the registry keeps of an operator.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{traits::Room, ModelId};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_runtime::traits::Zero;

/// Most hot keys of one operator.
pub const MAX_HOT_KEYS: u32 = 4;
/// Longest endpoint, in bytes.
pub const MAX_ENDPOINT_BYTES: u32 = 128;
/// Most models that one operator serves.
pub const MAX_MODELS: u32 = 8;

/// Where an operator can be reached, for example `https://worker.example:8080`: printable ASCII, or empty if it can't.
pub type Endpoint = BoundedVec<u8, ConstU32<MAX_ENDPOINT_BYTES>>;
/// The models that an operator serves, without repetition.
pub type ServedModels = BoundedVec<ModelId, ConstU32<MAX_MODELS>>;

/// Whether an operator is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Status {
    /// It is.
    Active,
    /// It isn't, by its own wish, until it says that it is back. What it was drawn for is still its duty.
    Draining,
    /// It isn't, since it missed too many deadlines in a row, until it says that it is back. What it was drawn for is
    /// still its duty.
    Suspended,
    /// It isn't, unless governance lets it off.
    Jailed,
}

/// What is held against an operator that left, until it is back.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Conduct {
    /// [`Operator::misses_in_row`].
    pub misses_in_row: u32,
    /// [`Operator::kept_since`].
    pub kept_since: u32,
    /// [`Operator::suspensions`].
    pub suspensions: u32,
}

/// An operator.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Operator<AccountId, BlockNumber> {
    /// Keys that its workers sign with.
    pub hot_keys: BoundedVec<AccountId, ConstU32<MAX_HOT_KEYS>>,
    /// Where it can be reached.
    pub endpoint: Endpoint,
    /// What it serves.
    pub models: ServedModels,
    /// Whether it is drawn.
    pub status: Status,
    /// Room that the jobs that it executes take, until they are over.
    pub executing: Room,
    /// Room that the audits take that it has yet to attest.
    pub auditing: Room,
    /// Drawings, for jobs and audits, from which something may still follow: a deadline, a miss, a verdict.
    pub obligations: u32,
    /// Deadlines missed since the last one kept.
    pub misses_in_row: u32,
    /// Deadlines kept.
    pub kept: u32,
    /// Deadlines missed.
    pub missed: u32,
    /// Deadlines kept since the last suspension, or since it was forgiven.
    pub kept_since: u32,
    /// Suspensions that are not forgiven.
    pub suspensions: u32,
    /// First block in which it can be active again after a suspension.
    pub resumable: BlockNumber,
    /// First block in which it is on none of the lists that it has left.
    pub off_lists: BlockNumber,
    /// Version of the runtime that wrote it first; there to rehearse an upgrade with.
    #[cfg(feature = "next-version")]
    pub version: u32,
}

impl<AccountId, BlockNumber: Zero> Operator<AccountId, BlockNumber> {
    /// An active operator that was never drawn, without hot keys.
    pub fn new(endpoint: Endpoint, models: ServedModels) -> Self {
        Self {
            hot_keys: BoundedVec::new(),
            endpoint,
            models,
            status: Status::Active,
            executing: 0,
            auditing: 0,
            obligations: 0,
            misses_in_row: 0,
            kept: 0,
            missed: 0,
            kept_since: 0,
            suspensions: 0,
            resumable: Zero::zero(),
            off_lists: Zero::zero(),
            #[cfg(feature = "next-version")]
            version: 2,
        }
    }
}

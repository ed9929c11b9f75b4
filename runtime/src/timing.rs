// SPDX-License-Identifier: Apache-2.0
//! Slot and epoch length. Neither can be changed on a running chain: the feature `production` chooses before genesis.
//!
//! | | dev and local | production |
//! |---|---|---|
//! | slot | 3 s | 6 s |
//! | session = BABE epoch | 20 slots (1 min) | 4 h |
//! | half-life of a vote weight | 4 epochs | 60 epochs |
use crate::BlockNumber;

/// Length of a slot in milliseconds, which is the expected time between two blocks.
pub const SLOT_MILLISECONDS: u64 = if cfg!(feature = "production") { 6_000 } else { 3_000 };

/// Length of a BABE epoch in slots; a session is an epoch.
pub const EPOCH_SLOTS: u64 = if cfg!(feature = "production") { HOURS_4 } else { 20 };

/// Slots in four hours.
const HOURS_4: u64 = 4 * 3_600_000 / SLOT_MILLISECONDS;

/// Blocks for which a transaction's mortality can reach back, and whose hashes are kept.
pub const BLOCK_HASH_COUNT: BlockNumber = 2_400;

/// Probability that a slot has a primary author: BABE's `c`.
pub const PRIMARY_PROBABILITY: (u64, u64) = (1, 4);

/// Epochs without work after which half of a vote weight is left.
pub const HALF_LIFE_EPOCHS: u32 = if cfg!(feature = "production") { 60 } else { 4 };

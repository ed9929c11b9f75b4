// SPDX-License-Identifier: Apache-2.0
//! Slot and epoch length, and the periods of governance. The former two can't be changed on a running chain: the feature `production` chooses before genesis.
//!
//! | | dev and local | production |
//! |---|---|---|
//! | slot | 3 s | 6 s |
//! | session = BABE epoch | 20 slots (1 min) | 4 h |
//! | half-life of a vote weight, at first | 4 epochs | 60 epochs |
//! | a poll must be taken up within | 20 blocks | 12 h |
//! | decision | 30 blocks | 24 h |
//! | confirmation | 3 blocks | 2 h (root 6 h) |
//! | enactment | 5 blocks | 24 h |
//! | the chain opens with | 3 operators, 2 epochs | 12 operators, 42 epochs (7 days) |
//! | an empty quota is full after | 100 blocks (5 min) | 600 blocks (1 h) |
//! | the first suspension takes | 10 blocks | 50 blocks (5 min) |
//! | half-life of a quota from genesis | 30 days | 30 days |
//! | a retired model is kept for | 90 days | 90 days |
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

/// Epochs without work after which half of a vote weight is left, unless governance changes it (`Work::HalfLife`).
pub const HALF_LIFE_EPOCHS: u32 = if cfg!(feature = "production") { 60 } else { 4 };

/// Epochs after that of its submission in which the votes on a poll can be counted: as many as weights are exact for.
pub const MAX_POLL_EPOCHS: u32 = pallet_contributions::KEPT_EPOCHS - 1;

/// Blocks that the first suspension of an operator takes; each later one takes twice as long.
pub const SUSPENSION_BLOCKS: BlockNumber = if cfg!(feature = "production") { 50 } else { 10 };

/// Blocks in an hour.
const HOUR: BlockNumber = (3_600_000 / SLOT_MILLISECONDS) as BlockNumber;
/// Blocks in a day.
const DAY: BlockNumber = 24 * HOUR;

/// Blocks after submission by which a poll must be being decided, or it is over.
pub const UNDECIDING_TIMEOUT: BlockNumber = if cfg!(feature = "production") { 12 * HOUR } else { 20 };
/// Blocks before a poll may be decided.
pub const PREPARE_PERIOD: BlockNumber = if cfg!(feature = "production") { HOUR } else { 2 };
/// Blocks in which a poll is decided.
pub const DECISION_PERIOD: BlockNumber = if cfg!(feature = "production") { 24 * HOUR } else { 30 };
/// Blocks for which the votes must suffice.
pub const CONFIRM_PERIOD: BlockNumber = if cfg!(feature = "production") { 2 * HOUR } else { 3 };
/// The same for root.
pub const ROOT_CONFIRM_PERIOD: BlockNumber = if cfg!(feature = "production") { 6 * HOUR } else { 3 };
/// Blocks between adoption and enactment: in production more than the longest job takes from its answer to the end of its audit, so that
/// nobody decides by work that is yet to be checked.
pub const ENACTMENT_PERIOD: BlockNumber = if cfg!(feature = "production") { 24 * HOUR } else { 5 };

/// Members that must hold weight and work in an epoch for it to count towards the opening of the chain, and how many epochs must count.
pub const OPENING: (u32, u32) = if cfg!(feature = "production") { (12, 42) } else { (3, 2) };

// Epochs are counted in slots and polls in blocks, so there must be room for empty slots (production 66 h of 92 h: 28 % empty; dev
// 58 of 460 blocks). A poll that lives longer keeps its votes but takes no others (`PollTooOld`).
const LONGEST_POLL: BlockNumber = UNDECIDING_TIMEOUT + DECISION_PERIOD + ROOT_CONFIRM_PERIOD + ENACTMENT_PERIOD;
const _: () = assert!((LONGEST_POLL as u64) * 10 <= MAX_POLL_EPOCHS as u64 * EPOCH_SLOTS * 8);

/// Blocks that fill an empty quota.
pub const REFILL_BLOCKS: BlockNumber = if cfg!(feature = "production") { 600 } else { 100 };

/// Blocks after which half of a quota from genesis is left.
pub const GENESIS_LINE_HALF_LIFE: BlockNumber = 30 * DAY;

/// Blocks for which the manifest of a retired model is kept: longer than any job of it, disputes included.
pub const MODEL_RETENTION: BlockNumber = 90 * DAY;

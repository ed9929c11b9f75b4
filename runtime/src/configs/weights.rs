// SPDX-License-Identifier: Apache-2.0
//! Weights of stock pallets that call what is ours: those that they bring along, and the database weight of what ours reads and writes, each
//! item once and in the worst case.
use crate::Runtime;
use frame_support::weights::{constants::ParityDbWeight, Weight};

/// Time for an item of the state that is read (8 µs) or written (50 µs), for ParityDB, the only database that the node is built with. The
/// framework's constant, which Parity measured by `benchmark storage`; decision 0024 has the reason.
pub type DatabaseWeight = ParityDbWeight;

/// Items (read, written) by `EnsureComputeWeight`, and by the snapshot in the tally.
///
/// Read: the proposer's `Members`, `Operators`, `Records` and `OpenPoll`, and that poll; the epoch, `HalfLives`, `Total` and `Opened`.
/// Written: `OpenPoll`, and `TaskNames` of the last poll and the new one.
const SUBMITTING: (u64, u64) = (9, 3);
/// Items by `Enactment`: `TaskNames` and `Adopted`; the poll is read already.
const ADOPTING: (u64, u64) = (1, 2);
/// Items by `EnsureGuardian`: `Guardian`.
const CANCELLING: (u64, u64) = (1, 0);
/// Items by `NotedPreimage`: the noter's `Members`, `Operators` and `NotedBytes`, and `NotedTotal`; the last two are written.
const NOTING: (u64, u64) = (4, 2);
/// Items by `NotedPreimage` when a preimage is taken back: `NotedBytes` and `NotedTotal`.
const TAKING_BACK: (u64, u64) = (2, 2);

/// Implements a stock pallet's `WeightInfo` with items added to some functions. Those with an argument take a number.
macro_rules! stock_weights {
    (
        $name:ident of $pallet:ident;
        $($more:ident($($size:ident)?) + $items:expr),*;
        $($same:ident($($count:ident)?)),* $(,)?
    ) => {
        impl $pallet::weights::WeightInfo for $name {
            $(fn $more($($size: u32)?) -> Weight {
                let (reads, writes) = $items;
                <$pallet::weights::SubstrateWeight<Runtime> as $pallet::weights::WeightInfo>::$more($($size)?)
                    .saturating_add(DatabaseWeight::get().reads_writes(reads, writes))
            })*
            $(fn $same($($count: u32)?) -> Weight {
                <$pallet::weights::SubstrateWeight<Runtime> as $pallet::weights::WeightInfo>::$same($($count)?)
            })*
        }
    };
}

/// Of `pallet-referenda`.
pub struct ReferendaWeight;

stock_weights!(
    ReferendaWeight of pallet_referenda;
    submit() + SUBMITTING, cancel() + CANCELLING, nudge_referendum_approved() + ADOPTING;
    place_decision_deposit_preparing(),
    place_decision_deposit_queued(),
    place_decision_deposit_not_queued(),
    place_decision_deposit_passing(),
    place_decision_deposit_failing(),
    refund_decision_deposit(),
    refund_submission_deposit(),
    kill(),
    one_fewer_deciding_queue_empty(),
    one_fewer_deciding_failing(),
    one_fewer_deciding_passing(),
    nudge_referendum_requeued_insertion(),
    nudge_referendum_requeued_slide(),
    nudge_referendum_queued(),
    nudge_referendum_not_queued(),
    nudge_referendum_no_deposit(),
    nudge_referendum_preparing(),
    nudge_referendum_timed_out(),
    nudge_referendum_begin_deciding_failing(),
    nudge_referendum_begin_deciding_passing(),
    nudge_referendum_begin_confirming(),
    nudge_referendum_end_confirming(),
    nudge_referendum_continue_not_confirming(),
    nudge_referendum_continue_confirming(),
    nudge_referendum_rejected(),
    set_some_metadata(),
    clear_metadata(),
);

/// Of `pallet-preimage`. What it brings along has a deposit in it, which there is none of; that is left as it is.
pub struct PreimageWeight;

stock_weights!(
    PreimageWeight of pallet_preimage;
    note_preimage(bytes) + NOTING, unnote_preimage() + TAKING_BACK;
    note_requested_preimage(bytes),
    note_no_deposit_preimage(bytes),
    unnote_no_deposit_preimage(),
    request_preimage(),
    request_no_deposit_preimage(),
    request_unnoted_preimage(),
    request_requested_preimage(),
    unrequest_preimage(),
    unrequest_unnoted_preimage(),
    unrequest_multi_referenced_preimage(),
    ensure_updated(hashes),
);

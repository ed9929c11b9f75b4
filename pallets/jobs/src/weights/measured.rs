// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | Intel(R) Xeon(R) Processor |
//! | date | 2026-12-01 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=8 ERGON_BENCH_REPEAT=3` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn submit() -> Weight {
        Weight::from_parts(516_986_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 9))
    }
    fn submit_result() -> Weight {
        Weight::from_parts(150_928_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 4))
    }
    fn reveal(a: u32) -> Weight {
        Weight::from_parts(400_000_000, 0)
            .saturating_add(Weight::from_parts(170_000_000, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads_writes(19, 16))
            .saturating_add(T::DbWeight::get().reads(9).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(5).saturating_mul(a.into()))
    }
    fn cancel() -> Weight {
        Weight::from_parts(251_308_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 11))
    }
    fn on_initialize_idle() -> Weight {
        Weight::from_parts(2_610_039_000, 0).saturating_add(T::DbWeight::get().reads_writes(408, 3))
    }
    fn due() -> Weight {
        Weight::from_parts(177_939_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 8))
    }
    fn silent() -> Weight {
        Weight::from_parts(188_585_000, 0).saturating_add(T::DbWeight::get().reads_writes(11, 7))
    }
    fn redraw() -> Weight {
        Weight::from_parts(813_384_000, 0).saturating_add(T::DbWeight::get().reads_writes(28, 9))
    }
    fn misses(m: u32) -> Weight {
        Weight::from_parts(181_107_500, 0)
            .saturating_add(Weight::from_parts(180_093_750, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads_writes(17, 14))
            .saturating_add(T::DbWeight::get().reads(11).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().writes(18).saturating_mul(m.into()))
    }
    fn ripen() -> Weight {
        Weight::from_parts(116_883_000, 0).saturating_add(T::DbWeight::get().reads_writes(9, 8))
    }
    fn visit(t: u32) -> Weight {
        Weight::from_parts(150_000_000, 0)
            .saturating_add(Weight::from_parts(150_000_000, 0).saturating_mul(t.into()))
            .saturating_add(T::DbWeight::get().reads_writes(11, 1))
            .saturating_add(T::DbWeight::get().reads(8).saturating_mul(t.into()))
    }
    fn expire() -> Weight {
        Weight::from_parts(500_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(30, 12))
    }
    fn assign() -> Weight {
        Weight::from_parts(528_192_000, 0).saturating_add(T::DbWeight::get().reads_writes(24, 10))
    }
    fn prune(a: u32) -> Weight {
        Weight::from_parts(199_816_333, 0)
            .saturating_add(Weight::from_parts(32_213_666, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads_writes(8, 8))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(2).saturating_mul(a.into()))
    }
    fn forget(p: u32) -> Weight {
        Weight::from_parts(12_473_763, 0)
            .saturating_add(Weight::from_parts(5_803_097, 0).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads_writes(2, 1))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(p.into()))
    }
}

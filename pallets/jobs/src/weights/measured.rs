// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet, as measured. Written by `make benchmarks`, not by hand.
//!
//! | | |
//! |---|---|
//! | machine | Intel(R) Xeon(R) Processor |
//! | date | 2026-12-01 |
//! | command | `make benchmarks` with `ERGON_BENCH_STEPS=10 ERGON_BENCH_REPEAT=4` |
//!
//! Times are in picoseconds, in the WebAssembly of a public network's runtime.
use super::WeightInfo;
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured times, and the database weights of runtime `T` for each item that is read or written.
pub struct MeasuredWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for MeasuredWeight<T> {
    fn submit() -> Weight {
        Weight::from_parts(718_357_000, 0).saturating_add(T::DbWeight::get().reads_writes(43, 15))
    }
    fn submit_result() -> Weight {
        Weight::from_parts(153_127_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 4))
    }
    fn reveal(a: u32) -> Weight {
        Weight::from_parts(782_924_000, 0)
            .saturating_add(Weight::from_parts(118_421_000, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads_writes(67, 32))
            .saturating_add(T::DbWeight::get().reads(3).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(3).saturating_mul(a.into()))
    }
    fn cancel() -> Weight {
        Weight::from_parts(255_136_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 11))
    }
    fn on_initialize_idle() -> Weight {
        Weight::from_parts(4_679_072_000, 0).saturating_add(T::DbWeight::get().reads_writes(728, 3))
    }
    fn due() -> Weight {
        Weight::from_parts(176_609_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 8))
    }
    fn silent() -> Weight {
        Weight::from_parts(191_115_000, 0).saturating_add(T::DbWeight::get().reads_writes(11, 7))
    }
    fn redraw() -> Weight {
        Weight::from_parts(851_778_000, 0).saturating_add(T::DbWeight::get().reads_writes(28, 9))
    }
    fn misses(m: u32) -> Weight {
        Weight::from_parts(184_914_400, 0)
            .saturating_add(Weight::from_parts(179_748_600, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads_writes(17, 14))
            .saturating_add(T::DbWeight::get().reads(11).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().writes(18).saturating_mul(m.into()))
    }
    fn ripen() -> Weight {
        Weight::from_parts(115_270_000, 0).saturating_add(T::DbWeight::get().reads_writes(9, 8))
    }
    fn visit(t: u32) -> Weight {
        Weight::from_parts(243_243_000, 0)
            .saturating_add(Weight::from_parts(68_036_000, 0).saturating_mul(t.into()))
            .saturating_add(T::DbWeight::get().reads_writes(14, 1))
            .saturating_add(T::DbWeight::get().reads(4).saturating_mul(t.into()))
    }
    fn expire() -> Weight {
        Weight::from_parts(278_011_000, 0).saturating_add(T::DbWeight::get().reads_writes(27, 8))
    }
    fn assign() -> Weight {
        Weight::from_parts(488_994_000, 0).saturating_add(T::DbWeight::get().reads_writes(24, 10))
    }
    fn prune(a: u32) -> Weight {
        Weight::from_parts(133_951_000, 0)
            .saturating_add(Weight::from_parts(24_491_000, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads_writes(8, 8))
            .saturating_add(T::DbWeight::get().reads(2).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().writes(2).saturating_mul(a.into()))
    }
    fn forget(p: u32) -> Weight {
        Weight::from_parts(0, 0)
            .saturating_add(Weight::from_parts(6_041_179, 0).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads_writes(2, 1))
            .saturating_add(T::DbWeight::get().reads(1).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().writes(1).saturating_mul(p.into()))
    }
}

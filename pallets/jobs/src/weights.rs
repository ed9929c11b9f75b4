// SPDX-License-Identifier: Apache-2.0
//! Weights of the pallet. **Estimates**: storage accesses counted by hand, collaborators included, times the runtime's database
//! weight, plus the time for hashing at 1 GB/s; to be replaced by benchmarks.
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights of the calls and of the work at the start of a block.
pub trait WeightInfo {
    /// A prompt of the longest accepted length.
    fn submit() -> Weight;
    /// An output of the longest accepted length.
    fn submit_result() -> Weight;
    /// A reveal that settles the job, with the most auditors to credit.
    fn reveal() -> Weight;
    /// A cancelled job, queued or assigned.
    fn cancel() -> Weight;
    /// A block in which `due` jobs fell due, auditors were drawn for `draws` of them, and `visits` queues were looked at.
    fn on_initialize(due: u32, draws: u32, visits: u32) -> Weight;
}

/// Estimates from the runtime's database weight.
pub struct EstimatedWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    fn submit() -> Weight {
        // Reads: model, parameters, next number, queue, waiting models, last link. Writes: number, job, input, queue, waiting, 2 links.
        Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(6, 7))
    }

    fn submit_result() -> Weight {
        // Reads: key, job, parameters, agenda, operator record (2). Writes: job, output, agenda (2), operator record (2).
        Weight::from_parts(100_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(6, 6))
    }

    fn reveal() -> Weight {
        // Reads: key, job, output, audit, model, serving, credited, parameters, agenda, 9 credits of 4.
        // Writes: job, header, audit, executing, credited, agenda (2), 9 credits of 4.
        Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(45, 43))
    }

    fn cancel() -> Weight {
        // Reads: job, 3 links, queue, waiting models, parameters, agenda, operator record. Writes: the same without parameters.
        Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(9, 9))
    }

    fn on_initialize(due: u32, draws: u32, visits: u32) -> Weight {
        let db = T::DbWeight::get();
        // Cursor, counter, waiting models.
        let base = Weight::from_parts(10_000_000, 0).saturating_add(db.reads_writes(4, 2));
        // Entry, job, then at most: operator record, parameters, queue, 2 links, waiting models, job, executing, agenda.
        let each_due = Weight::from_parts(30_000_000, 0).saturating_add(db.reads_writes(10, 12));
        // 8 silent auditors are replaced: up to 8 tries of 3 reads for each, 4 writes for each of both.
        let each_draw = Weight::from_parts(100_000_000, 0).saturating_add(db.reads_writes(210, 64));
        // Job, queue, links, waiting models, parameters, model, beacon, serving, 8 tries of 3 reads, operator record, agenda.
        let each_visit = Weight::from_parts(50_000_000, 0).saturating_add(db.reads_writes(36, 10));
        base.saturating_add(each_due.saturating_mul(u64::from(due)))
            .saturating_add(each_draw.saturating_mul(u64::from(draws)))
            .saturating_add(each_visit.saturating_mul(u64::from(visits)))
    }
}

impl WeightInfo for () {
    fn submit() -> Weight {
        Weight::zero()
    }
    fn submit_result() -> Weight {
        Weight::zero()
    }
    fn reveal() -> Weight {
        Weight::zero()
    }
    fn cancel() -> Weight {
        Weight::zero()
    }
    /// Counts, for tests.
    fn on_initialize(due: u32, draws: u32, visits: u32) -> Weight {
        Weight::from_parts([due, draws, visits].map(u64::from).into_iter().sum(), 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of the pallet. **Estimates**: distinct storage items of the worst path counted by hand, collaborators included, times the
//! runtime's database weight, plus time for hashing at 1 GB/s and for computing; to be replaced by benchmarks.
//!
//! # Counts, as reads + writes
//!
//! A **draw** of `pallet-workers` is up to 16 random tries and then 16 operators in order. A try reads an index and a weight, and for
//! executors the operator's record, too. Number of operators, sum of weights and epoch are read once for all draws of a model.
//!
//! | part | items | count |
//! |---|---|---|
//! | reserve | both lines and their sponsor, hot key, operator, account, given, weight, sum and epoch, units, share of newcomers; the last two | 17 + 2 |
//! | settle | both lines, hot key, operator, units; units | 5 + 1 |
//! | draw of an auditor | 16 tries of 2, 16 indices, record; record, pending | 49 + 2 |
//! | draw of an executor | 16 tries of 3, 16 indices and records; record | 80 + 1 |
//! | miss | record, probation, and if that suspends the operator 8 models of 3; record, probation, 8 models of 5, pending | 26 + 43 |
//!
//! | step in a block | items besides | count |
//! |---|---|---|
//! | due | entry, job, parameters of jobs and audits, model, beacon, audit, probation, number, sum, epoch, or the items of a queue; entry, job, executing, queue, waiting models, 2 links; settle | 16 + 8 |
//! | visit | waiting models, queue, job, link, next link, parameters, model, beacon, number, sum, epoch; waiting models, queue, 2 links, job, executing, entry | 91 + 8 |
//! | pruned | entry, job, audit, executor's record, an auditor's record; entry, job, input, output, header, credited or audit, records, pending | 5 + 10 |
use crate::{Work, MOST_AUDITORS};
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
    /// A block in which this was done.
    fn on_initialize(work: &Work) -> Weight;
}

/// Estimates from the runtime's database weight.
pub struct EstimatedWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> EstimatedWeight<T> {
    fn of(microseconds: u64, reads: u64, writes: u64) -> Weight {
        Weight::from_parts(microseconds * 1_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }
}

impl<T: frame_system::Config> WeightInfo for EstimatedWeight<T> {
    fn submit() -> Weight {
        // Reads: model, next number, queue, waiting models, last link. Writes: number, job, input, queue, waiting models, 2 links. And a
        // reserve.
        Self::of(200, 5 + 17, 7 + 2)
    }

    fn submit_result() -> Weight {
        // Reads: key, job, parameters, operator's record. Writes: job, output, 2 entries, operator's record.
        Self::of(100, 4, 5)
    }

    fn reveal() -> Weight {
        // Reads: key, job, output, audit, model, number serving, credited, parameters, epoch, half-lives, sum of contributions.
        // Writes: job, header, executing, 2 entries, credited, audit, sum of contributions. Executor and auditors: contribution and
        // record each. Probation of each; of the executor. And a settle.
        let operators = u64::from(MOST_AUDITORS) + 1;
        Self::of(200, 11 + 3 * operators + 5, 8 + 2 * operators + 1 + 1)
    }

    fn cancel() -> Weight {
        // Reads: job, queue, 3 links, waiting models. Writes: job, input, output, header, queue, 3 links, waiting models. An assigned
        // job takes less: job, parameters, operator's record; job, executing, 2 entries, record.
        // And a settle.
        Self::of(30, 6 + 5, 9 + 1)
    }

    fn on_initialize(work: &Work) -> Weight {
        // Two cursors, two ends of the agenda, waiting models.
        let parts = [
            (Self::of(10, 5, 3), 1),
            (Self::of(50, 16, 8), work.due),
            (Self::of(100, 49, 2), work.draws),
            (Self::of(50, 26, 43), work.misses),
            (Self::of(150, 91, 8), work.visits),
            (Self::of(30, 5, 10), work.pruned),
        ];
        parts.into_iter().fold(Weight::zero(), |sum, (each, count)| {
            sum.saturating_add(each.saturating_mul(count.into()))
        })
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
    fn on_initialize(work: &Work) -> Weight {
        let parts = [work.due, work.draws, work.misses, work.visits, work.pruned];
        Weight::from_parts(parts.map(u64::from).into_iter().sum(), 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Weights of this pallet: what it asks for, each for the worst case that `benchmarking.rs` makes, and what was measured.
//!
//! The work at the start of a block is [counted](Work), and its weight put together from that of the parts.
mod measured;

use crate::Work;
use frame_support::weights::Weight;
pub use measured::MeasuredWeight;

/// Weights of the calls and of the work at the start of a block.
pub trait WeightInfo {
    /// A prompt of the longest accepted length.
    fn submit() -> Weight;
    /// An output of the longest accepted length.
    fn submit_result() -> Weight;
    /// A reveal that settles the job, with so many auditors to credit.
    fn reveal(auditors: u32) -> Weight;
    /// A cancelled job, queued or assigned.
    fn cancel() -> Weight;

    /// A block in which nothing is done.
    fn on_initialize_idle() -> Weight;
    /// A job enters its queue.
    fn ripen() -> Weight;
    /// A job whose deadline passed, without draws, for which nobody is taken off a list.
    fn due() -> Weight;
    /// A job one of whose auditors is silent, and nobody is drawn in his place.
    fn silent() -> Weight;
    /// A job one of whose auditors is silent, and another one is drawn in his place.
    fn redraw() -> Weight;
    /// A job with `missed` silent auditors, each of whom is suspended, and nobody in their place.
    fn misses(missed: u32) -> Weight;
    /// A draw of an executor that looks at so many operators in vain.
    fn visit(tries: u32) -> Weight;
    /// A job that has waited for too long when its turn comes.
    fn expire() -> Weight;
    /// A job is assigned to the first operator that the draw looks at.
    fn assign() -> Weight;
    /// A job with `auditors` is forgotten.
    fn prune(auditors: u32) -> Weight;
    /// So many prompts are forgotten.
    fn forget(prompts: u32) -> Weight;

    /// A block in which this was done. Linear in all of it. What a draw takes for each operator that it looks at is counted apart.
    fn on_initialize(work: &Work) -> Weight {
        let a_try = Self::visit(2).saturating_sub(Self::visit(1));
        let visit = Self::visit(1).saturating_sub(a_try);
        let draw = Self::redraw().saturating_sub(Self::silent()).saturating_sub(a_try);
        let miss = Self::misses(2).saturating_sub(Self::misses(1));
        let parts = [
            (Self::ripen(), work.ripe),
            (Self::due(), work.due),
            (draw, work.draws),
            (miss, work.misses),
            (a_try, work.tries),
            (visit, work.visits),
            (Self::expire().saturating_sub(visit), work.expired),
            (Self::assign().saturating_sub(Self::visit(1)), work.assigned),
            (Self::prune(1), work.pruned),
            (Self::forget(1).saturating_sub(Self::forget(0)), work.forgotten),
        ];
        parts
            .into_iter()
            .fold(Self::on_initialize_idle(), |sum, (each, count)| {
                sum.saturating_add(each.saturating_mul(count.into()))
            })
    }
}

/// Nothing weighs anything but steps at the start of a block and the operators that draws look at, which are counted. For tests.
impl WeightInfo for () {
    fn submit() -> Weight {
        Weight::zero()
    }
    fn submit_result() -> Weight {
        Weight::zero()
    }
    fn reveal(_: u32) -> Weight {
        Weight::zero()
    }
    fn cancel() -> Weight {
        Weight::zero()
    }
    fn on_initialize_idle() -> Weight {
        Weight::zero()
    }
    fn due() -> Weight {
        Weight::from_parts(1, 0)
    }
    fn silent() -> Weight {
        Weight::zero()
    }
    fn redraw() -> Weight {
        Weight::from_parts(1, 0)
    }
    fn misses(missed: u32) -> Weight {
        Weight::from_parts(missed.into(), 0)
    }
    fn ripen() -> Weight {
        Weight::zero()
    }
    fn visit(tries: u32) -> Weight {
        Weight::from_parts(tries.into(), 0)
    }
    fn expire() -> Weight {
        Weight::zero()
    }
    fn assign() -> Weight {
        Weight::zero()
    }
    fn prune(auditors: u32) -> Weight {
        Weight::from_parts(auditors.into(), 0)
    }
    fn forget(prompts: u32) -> Weight {
        Weight::from_parts(prompts.into(), 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What the start of a block may take.
//!
//! All of it together weighs at most [`Config::ServiceWeight`]:
//!
//! | work | bound |
//! |---|---|
//! | jobs that enter their queues, are given back or forgotten | steps, see [`agenda`](crate::agenda) |
//! | deadlines | steps, and two fifths of the weight: what a draw costs depends on how many operators it looks at |
//! | assignments | number, and what the others left of the weight |
//!
//! Draws are weighed as they went. So a block assigns as many jobs as it has room for, and where operators are busy and draws look at many of
//! them in vain, fewer.
use crate::{Config, Pallet, WeightInfo, Work, MAX_STEPS};
use ergon_primitives::traits::Workers;
use frame_support::{traits::Get, weights::Weight};
use sp_runtime::Perbill;

/// Part of [`Config::ServiceWeight`] that deadlines may take.
const DEADLINES: Perbill = Perbill::from_percent(40);

impl<T: Config> Pallet<T> {
    /// Most jobs that enter their queues in a block: half as many again as are assigned, since some come back from executors that were silent.
    pub(crate) fn max_ripe() -> u32 {
        let assigned = T::MaxAssignmentsPerBlock::get();
        assigned.saturating_add(assigned.div_ceil(2))
    }

    /// The most that is done for deadlines in one job's turn: all its auditors were silent, and as many are drawn in their place.
    fn dearest_deadline() -> Work {
        Work {
            due: 1,
            misses: MAX_STEPS,
            draws: MAX_STEPS,
            tries: MAX_STEPS.saturating_mul(T::Workers::most_tries()),
            ..Default::default()
        }
    }

    /// The most that a model's turn takes: newcomers' jobs and others', each with a draw without those that were silent before and one with
    /// them.
    fn dearest_turn() -> Work {
        Work {
            visits: 4,
            tries: T::Workers::most_tries().saturating_mul(4),
            assigned: 1,
            expired: 1,
            ..Default::default()
        }
    }

    /// The most work in a block of what is bounded by steps alone.
    fn most_in_steps() -> Work {
        Work {
            ripe: Self::max_ripe(),
            pruned: T::MaxPrunedPerBlock::get(),
            forgotten: T::MaxPrunedPerBlock::get(),
            ..Default::default()
        }
    }

    /// Whether deadlines have room for one more after `work`, of which `before` was done before the first.
    pub(crate) fn has_room_for_deadline(before: &Work, work: &Work) -> bool {
        let most = weight::<T>(before).saturating_add(DEADLINES * T::ServiceWeight::get());
        weight::<T>(&work.and(&Self::dearest_deadline())).all_lte(most)
    }

    /// Whether one more model may take its turn after `work`.
    pub(crate) fn has_room_for_turn(work: &Work) -> bool {
        weight::<T>(&work.and(&Self::dearest_turn())).all_lte(T::ServiceWeight::get())
    }

    /// Panics if the lanes of the agenda couldn't keep up with assignments, or could leave no room for any.
    pub(crate) fn check_budgets() {
        let assigned = T::MaxAssignmentsPerBlock::get();
        // Each assigned job with one auditor falls due once, gives its units back late at worst, and is forgotten once. In either lane a step
        // goes to finding that a block is done, and a job is begun only if the most steps that it may take are left.
        assert!(
            T::MaxDuePerBlock::get() >= assigned.saturating_add(MAX_STEPS),
            "deadlines could not keep up with assignments"
        );
        assert!(
            T::MaxPrunedPerBlock::get() >= assigned.saturating_mul(2).saturating_add(MAX_STEPS),
            "pruning could not keep up with assignments"
        );
        let service = T::ServiceWeight::get();
        let half = T::BlockWeights::get().max_block.div(2);
        assert!(
            service.all_lte(half),
            "the work at the start of a block could fill half of it: {service} of {half}"
        );
        let audits = Work {
            due: assigned,
            draws: assigned,
            tries: assigned,
            ..Self::dearest_deadline()
        };
        let idle = T::WeightInfo::on_initialize_idle();
        let deadlines = weight::<T>(&audits).saturating_sub(idle);
        assert!(
            deadlines.all_lte(DEADLINES * service),
            "deadlines could not keep up with assignments: {deadlines} of 40 % of {service}"
        );
        let turn = weight::<T>(&Self::most_in_steps().and(&Self::dearest_turn()));
        let turn = turn.saturating_add(DEADLINES * service);
        assert!(
            turn.all_lte(service),
            "no job could be assigned where much else is to be done: {turn} of {service}"
        );
    }
}

fn weight<T: Config>(work: &Work) -> Weight {
    T::WeightInfo::on_initialize(work)
}

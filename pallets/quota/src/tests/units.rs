// SPDX-License-Identifier: Apache-2.0
//! Compute.
use super::*;
use crate::Error;
use ergon_primitives::quota::Quota as _;
use frame_support::{assert_noop, assert_ok};
use proptest::prelude::*;

const ALL: u64 = GENESIS_POINTS * UNITS_PER_POINT;

fn units_left(who: u64) -> u64 {
    Quota::quota_of(&who).units
}

#[test]
fn units_are_held_until_a_job_is_over_and_unused_ones_given_back() {
    build_and_execute(|| {
        go_to(0);
        assert_ok!(Quota::reserve(&FOUNDER, 1_000));
        assert_eq!(units_left(FOUNDER), ALL - 1_000);
        Quota::settle(&FOUNDER, 1_000, 400);
        assert_eq!(units_left(FOUNDER), ALL - 400);
        // A job can't cost more than was reserved.
        assert_ok!(Quota::reserve(&FOUNDER, 100));
        Quota::settle(&FOUNDER, 100, 1_000);
        assert_eq!(units_left(FOUNDER), ALL - 500);
        Quota::settle(&FOUNDER, 400, 0);
        assert_eq!(units_left(FOUNDER), ALL - 500, "nothing comes back that is not held");
        assert_eq!(points_left(FOUNDER), GENESIS_POINTS, "block space is something else");
    });
}

#[test]
fn used_compute_comes_back_with_time() {
    build_and_execute(|| {
        operators([(1, 1)]);
        let all = WEIGHT_POINTS * UNITS_PER_POINT;
        assert_ok!(Quota::reserve(&1, all));
        assert_noop!(Quota::reserve(&1, 1), Error::<Test>::UnitsExhausted);
        Quota::settle(&1, all, all);
        assert_noop!(Quota::reserve(&1, 1), Error::<Test>::UnitsExhausted);
        go_to(1 + REFILL_BLOCKS / 4);
        assert_eq!(units_left(1), all / 4);
        assert_noop!(Quota::reserve(&1, all / 4 + 1), Error::<Test>::UnitsExhausted);
        assert_ok!(Quota::reserve(&1, all / 4));
    });
}

#[test]
fn queueing_and_cancelling_banks_nothing() {
    build_and_execute(|| {
        operators([(1, 1)]);
        let all = WEIGHT_POINTS * UNITS_PER_POINT;
        assert_ok!(Quota::reserve(&1, all));
        for period in 1..5 {
            go_to(1 + period * REFILL_BLOCKS);
            assert_noop!(Quota::reserve(&1, 1), Error::<Test>::UnitsExhausted);
        }
        Quota::settle(&1, all, 0);
        assert_eq!(units_left(1), all, "one bucket, not one for each period");
    });
}

#[test]
fn a_jobs_life_is_paid_in_points_and_never_given_back() {
    const PICOSECONDS: u64 = 1_000_000;
    build_and_execute(|| {
        assert_ok!(Quota::charge_life(&1, 3_001 * PICOSECONDS - 1));
        assert_eq!(points_left(1), NEWCOMER_POINTS - 3_000, "whole points");
        assert_eq!(crate::NewcomersInBlock::<Test>::get().points, 3_000);
        let life = |points: u64| Quota::charge_life(&1, points * PICOSECONDS);
        assert_noop!(life(NEWCOMER_POINTS + 1), Error::<Test>::NeverAffordable);
        assert_noop!(life(NEWCOMER_POINTS), Error::<Test>::PointsExhausted);
        assert_ok!(life(NEWCOMER_POINTS - 3_000));
        // All newcomers together have a share of each block, those with quota have none.
        let last = Quota::newcomer_points_per_block() / NEWCOMER_POINTS;
        for who in 2..=last {
            assert_ok!(Quota::charge_life(&who, NEWCOMER_POINTS * PICOSECONDS));
        }
        assert_noop!(
            Quota::charge_life(&(last + 1), PICOSECONDS),
            Error::<Test>::NewcomersExhausted
        );
        let before = points_left(FOUNDER);
        assert_ok!(Quota::charge_life(&FOUNDER, 5 * PICOSECONDS));
        assert_eq!(points_left(FOUNDER), before - 5);
    });
}

#[test]
fn newcomers_are_those_without_a_share_of_their_own() {
    build_and_execute(|| {
        operators([(1, 1), (2, 1_000_000)]);
        for (who, newcomer) in [(KNOWN + 1, true), (3, true), (1, true), (2, false), (FOUNDER, false)] {
            assert_eq!(Quota::is_newcomer(&who), newcomer, "{who}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is queued, cancelled and executed, jobs use at most what the bucket held and what came back to it.
    #[test]
    fn jobs_never_use_more_than_capacity_and_refill(
        steps in proptest::collection::vec((0u8..3, 1u64..100, 0usize..8, 0u64..100), 1..100),
    ) {
        build_and_execute(|| {
            operators([(1, 1)]);
            let all = WEIGHT_POINTS * UNITS_PER_POINT;
            let (mut open, mut used, mut now) = (Vec::new(), 0, 1);
            for (action, share, index, blocks) in steps {
                now += blocks;
                go_to(now);
                if action == 0 || open.is_empty() {
                    let units = all / 100 * share;
                    if Quota::reserve(&1, units).is_ok() {
                        open.push(units);
                    }
                } else {
                    let units = open.swap_remove(index % open.len());
                    let cost = if action == 1 { 0 } else { units / 100 * share };
                    Quota::settle(&1, units, cost);
                    used += cost;
                }
                let outstanding = open.iter().sum::<u64>();
                let most = all + all / REFILL_BLOCKS * (now - 1) + now;
                assert!(used + outstanding <= most, "{used} and {outstanding} of {most}");
                assert!(outstanding + units_left(1) <= all);
            }
        });
    }
}

#[test]
fn job_that_no_full_bucket_can_pay_is_refused() {
    build_and_execute(|| {
        let most = NEWCOMER_POINTS * UNITS_PER_POINT;
        assert_noop!(Quota::reserve(&1, most + 1), Error::<Test>::NeverAffordable);
        assert_noop!(Quota::reserve(&(KNOWN + 1), 1), Error::<Test>::NeverAffordable);
        assert_ok!(Quota::reserve(&1, most));
    });
}

#[test]
fn newcomers_together_can_not_ask_for_all_compute() {
    build_and_execute(|| {
        let each = NEWCOMER_POINTS * UNITS_PER_POINT;
        let together = Quota::newcomer_points_per_block() * UNITS_PER_POINT;
        let last = together / each;
        for newcomer in 1..last {
            assert_ok!(Quota::reserve(&newcomer, each));
        }
        assert_ok!(Quota::reserve(&last, each - 1));
        assert_noop!(Quota::reserve(&(last + 1), 2), Error::<Test>::NewcomersExhausted);
        assert_ok!(Quota::reserve(&(last + 1), 1));
        assert_ok!(Quota::reserve(&FOUNDER, ALL / 2));
        go_to(2);
        assert_ok!(Quota::reserve(&(last + 2), each));
    });
}

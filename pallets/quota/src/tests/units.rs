// SPDX-License-Identifier: Apache-2.0
//! Compute.
use super::*;
use crate::Error;
use ergon_primitives::quota::Quota as _;
use frame_support::{assert_noop, assert_ok};

const ALL: u64 = GENESIS_POINTS * UNITS_PER_POINT;

fn units_left(who: u64) -> u64 {
    Quota::quota_of(&who).units
}

#[test]
fn reserved_units_are_taken_and_unused_ones_given_back() {
    build_and_execute(|| {
        go_to(0);
        assert_ok!(Quota::reserve(&FOUNDER, 1_000));
        assert_eq!(units_left(FOUNDER), ALL - 1_000);
        Quota::settle(&FOUNDER, 1_000, 400);
        assert_eq!(units_left(FOUNDER), ALL - 400);
        // A job can't cost more than was reserved.
        Quota::settle(&FOUNDER, 400, 1_000);
        assert_eq!(units_left(FOUNDER), ALL - 400);
        Quota::settle(&FOUNDER, 400, 0);
        assert_eq!(units_left(FOUNDER), ALL);
        Quota::settle(&FOUNDER, 400, 0);
        assert_eq!(units_left(FOUNDER), ALL, "never more than the bucket holds");
        assert_eq!(points_left(FOUNDER), GENESIS_POINTS, "block space is something else");
    });
}

#[test]
fn compute_comes_back_with_time() {
    build_and_execute(|| {
        operators([(1, 1)]);
        let all = WEIGHT_POINTS * UNITS_PER_POINT;
        assert_ok!(Quota::reserve(&hot(1), all));
        assert_noop!(Quota::reserve(&1, 1), Error::<Test>::UnitsExhausted);
        go_to(1 + REFILL_BLOCKS / 4);
        assert_eq!(units_left(1), all / 4);
        assert_noop!(Quota::reserve(&1, all / 4 + 1), Error::<Test>::UnitsExhausted);
        assert_ok!(Quota::reserve(&1, all / 4));
    });
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

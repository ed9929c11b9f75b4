// SPDX-License-Identifier: Apache-2.0
//! How much whom belongs to.
use super::*;
use crate::Class;
use ergon_primitives::quota::Quota as _;
use frame_support::traits::Hooks;
use proptest::prelude::*;

fn capacity(who: u64) -> u64 {
    Quota::quota_of(&who).capacity
}

#[test]
fn configuration_is_sound() {
    build_and_execute(<Quota as Hooks<u64>>::integrity_test);
}

#[test]
fn capacity_is_linear_in_weight() {
    build_and_execute(|| {
        operators([(1, 10), (2, 30), (3, 60)]);
        assert_eq!(capacity(1), WEIGHT_POINTS / 10);
        assert_eq!(capacity(2), 3 * capacity(1));
        assert_eq!(capacity(1) + capacity(2) + capacity(3), WEIGHT_POINTS);
        assert_eq!(Quota::quota_of(&1).class, Class::Operator);
        // It follows at once, also down, and leaves nothing negative.
        spend(3, WEIGHT_POINTS / 2).unwrap();
        operators([(2, 3_000)]);
        assert!(capacity(3) < WEIGHT_POINTS / 10);
        assert_eq!(points_left(3), 0);
    });
}

#[test]
fn hot_keys_of_an_operator_share_one_small_bucket_apart_from_its_own() {
    build_and_execute(|| {
        operators([(1, 10)]);
        spend(hot(1), NEWCOMER_POINTS / 2).unwrap();
        let info = Quota::quota_of(&hot(1));
        assert_eq!((info.class, info.bucket), (Class::Operator, 1));
        assert_eq!((info.capacity, info.points), (NEWCOMER_POINTS, NEWCOMER_POINTS / 2));
        assert_eq!((info.units_capacity, info.units), (0, 0));
        assert_eq!(flood(hot(1), 1_000), NEWCOMER_POINTS / 2 / 1_000);
        assert_eq!(points_left(1), WEIGHT_POINTS);
        assert!(Quota::reserve(&hot(1), 1).is_err(), "nor can it ask for compute");
        assert!(Quota::reserve(&hot(1), 0).is_err());
    });
}

#[test]
fn growth_of_a_bucket_arrives_empty_and_fills_from_the_epoch_in_which_it_came() {
    build_and_execute(|| {
        operators([(1, 1), (2, 9)]);
        let before = points_left(1);
        spend(1, before / 2).unwrap();
        go_to(10);
        Since::set(10);
        set_weight(1, Some(91));
        let after = Quota::quota_of(&1);
        assert!(after.capacity > 8 * before);
        assert!(
            after.points <= before / 2 + before * 9 / REFILL_BLOCKS + 1,
            "{}",
            after.points
        );
        go_to(10 + REFILL_BLOCKS / 2);
        let half = after.points + after.capacity / 2;
        assert!(points_left(1).abs_diff(half) <= 1);
        go_to(10 + REFILL_BLOCKS);
        assert_eq!(points_left(1), after.capacity);
    });
}

#[test]
fn who_never_sent_anything_has_what_came_since_the_epoch_began() {
    build_and_execute(|| {
        operators([(2, 1)]);
        set_weight(1, Some(1));
        Since::set(100);
        go_to(100);
        assert_eq!(points_left(1), 0);
        assert_eq!(Quota::quota_of(&1).units, 0);
        go_to(100 + REFILL_BLOCKS / 4);
        assert_eq!(points_left(1), WEIGHT_POINTS / 2 / 4);
        // What is there from genesis was always full.
        assert_eq!(points_left(FOUNDER), capacity(FOUNDER));
    });
}

#[test]
fn nobody_loses_his_line_by_becoming_anothers_hot_key() {
    build_and_execute(|| {
        Quota::sponsor(signed(FOUNDER), hot(1), 2 * NEWCOMER_POINTS).unwrap();
        operators([(1, 0)]);
        assert_eq!(flood(1, 1_000), 10);
        let info = Quota::quota_of(&hot(1));
        assert_eq!((info.bucket, info.points), (hot(1), 2 * NEWCOMER_POINTS));
        spend(hot(1), 1_000).unwrap();
    });
}

#[test]
fn quota_split_into_100_accounts_gains_nothing_but_the_capped_newcomer_floor() {
    /// What a set of accounts gets through in one block and with full buckets.
    fn through(accounts: impl Iterator<Item = u64>) -> u64 {
        accounts.map(|who| flood(who, 1_000) * 1_000).sum()
    }
    let mut whole = 0;
    build_and_execute(|| {
        operators([(1, 10_000), (500, 10_000)]);
        whole = through([1].into_iter());
        assert_eq!(whole, WEIGHT_POINTS / 2);
    });
    // Evenly: the same.
    build_and_execute(|| {
        operators((1..=100).map(|who| (who, 100)).chain([(500, 10_000)]));
        assert_eq!(through(1..=100), whole);
    });
    // So finely that the parts fall below what everybody has: all of them get only what newcomers together get.
    build_and_execute(|| {
        operators((1..=100).map(|who| (who, 10)).chain([(500, 1_000_000)]));
        let together = WEIGHT_POINTS / 1_001;
        assert!(together < NEWCOMER_POINTS);
        assert!(through(1..=100) <= Quota::newcomer_points_per_block());
    });
    // By lines: the same as before, apart from what newcomers together get: the parts were let in.
    build_and_execute(|| {
        operators([(1, 10_000), (500, 10_000)]);
        for account in 101..=100 + u64::from(MAX_LINES) {
            Quota::sponsor(signed(1), account, whole / 4).unwrap();
        }
        let parts = through([1].into_iter().chain(101..=100 + u64::from(MAX_LINES)));
        assert!(
            (whole..=whole + Quota::newcomer_points_per_block()).contains(&parts),
            "{parts}"
        );
    });
    // Or not at all: without weight there is the floor only.
    build_and_execute(|| {
        let share = Quota::newcomer_points_per_block();
        assert_eq!(through(1..=100), share);
        assert_eq!(through(101..=200), 0);
    });
}

#[test]
fn genesis_line_decays_by_half_per_half_life() {
    build_and_execute(|| {
        go_to(0);
        assert_eq!(capacity(FOUNDER), GENESIS_POINTS);
        assert_eq!(Quota::quota_of(&FOUNDER).class, Class::Genesis);
        go_to(HALF_LIFE / 2);
        assert_eq!(capacity(FOUNDER), GENESIS_POINTS * 3 / 4, "linear in between");
        go_to(HALF_LIFE);
        assert_eq!(capacity(FOUNDER), GENESIS_POINTS / 2);
        go_to(3 * HALF_LIFE);
        assert_eq!(capacity(FOUNDER), GENESIS_POINTS / 8);
        go_to(7 * HALF_LIFE);
        let info = Quota::quota_of(&FOUNDER);
        assert_eq!((info.class, info.capacity), (Class::Newcomer, NEWCOMER_POINTS));
        go_to(100 * HALF_LIFE);
        assert_eq!(capacity(FOUNDER), NEWCOMER_POINTS);
    });
}

#[test]
fn genesis_founder_can_sign_from_the_first_block_on() {
    build_and_execute(|| {
        dispatch(FOUNDER, 0, remark(b"first")).unwrap().unwrap();
    });
}

#[test]
fn estimate_is_what_is_charged() {
    build_and_execute(|| {
        let before = points_left(FOUNDER);
        spend(FOUNDER, Quota::cost(&weighing(123), LENGTH)).unwrap();
        assert_eq!(before - points_left(FOUNDER), Quota::cost(&weighing(123), LENGTH));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bucket_never_yields_more_than_capacity_and_refill(
        spendings in proptest::collection::vec((0u64..40, 1u64..3_000), 1..60),
    ) {
        build_and_execute(|| {
            operators([(1, 1), (2, 199)]);
            let (capacity, mut spent, begin) = (capacity(1), 0, 1);
            let mut now = begin;
            for (blocks, points) in spendings {
                now += blocks;
                go_to(now);
                let points = points * 20 + overhead();
                if spend(1, points).is_ok() {
                    spent += points;
                }
                let refilled = capacity * (now - begin) / REFILL_BLOCKS;
                assert!(spent <= capacity + refilled, "{spent} of {capacity} + {refilled}");
                assert!(points_left(1) <= capacity);
            }
        });
    }

    /// However its weight comes and goes, an operator sends at most what the largest weight would have let it send.
    #[test]
    fn changes_of_weight_gain_nothing(
        steps in proptest::collection::vec((0u64..40, 0u64..200, 0u64..100), 1..60),
    ) {
        build_and_execute(|| {
            let most = WEIGHT_POINTS / 2;
            operators([(1, 100), (2, 100)]);
            let (mut spent, mut now) = (0, 1);
            for (blocks, weight, percent) in steps {
                now += blocks;
                go_to(now);
                match weight {
                    0..=100 => set_weight(1, Some(weight)),
                    _ => set_weight(1, None),
                }
                Since::set(now);
                let points = points_left(1) / 100 * percent;
                let counts = !Quota::quota_of(&1).class.is_newcomer() && points > overhead();
                if counts && spend(1, points).is_ok() {
                    spent += points;
                }
                assert!(spent <= most + most * (now - 1) / REFILL_BLOCKS, "{spent} until {now}");
            }
        });
    }

    #[test]
    fn genesis_line_never_grows(blocks in proptest::collection::btree_set(0u64..200_000, 2..20)) {
        build_and_execute(|| {
            let mut last = u64::MAX;
            for block in blocks {
                go_to(block);
                assert!(capacity(FOUNDER) <= last);
                last = capacity(FOUNDER);
            }
        });
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Governance changes the quota curve.
use super::*;
use crate::{Class, QuotaParameters};
use ergon_primitives::quota::Quota as _;
use frame_support::assert_ok;
use proptest::prelude::*;
use sp_runtime::Perbill;

const FIRST: u64 = 1;
const SECOND: u64 = 2;

fn info(who: u64) -> crate::QuotaInfo<u64> {
    Quota::quota_of(&who)
}

#[test]
fn capacities_follow_the_curve_at_once() {
    build_and_execute(|| {
        operators([(FIRST, 60), (SECOND, 40)]);
        Curve::set(&QuotaParameters {
            weight_points: 2 * WEIGHT_POINTS,
            newcomer_points: 2 * NEWCOMER_POINTS,
            units_per_point: 3 * UNITS_PER_POINT,
            duty_points: GUARANTEED_POINTS + 1,
            vote_points: GUARANTEED_POINTS + 2,
            ..CURVE
        });
        let operator = info(FIRST);
        assert_eq!(operator.capacity, 2 * WEIGHT_POINTS * 6 / 10);
        assert_eq!(operator.units_capacity, 3 * UNITS_PER_POINT * operator.capacity);
        assert_eq!(operator.duty_points, GUARANTEED_POINTS + 1);
        assert_eq!(operator.vote_points, GUARANTEED_POINTS + 2);
        assert_eq!(info(KNOWN).capacity, 2 * NEWCOMER_POINTS);
        assert_eq!(info(FOUNDER).class, Class::Genesis);
    });
}

#[test]
fn a_bucket_that_shrinks_is_at_most_empty_and_fills_in_the_same_time() {
    build_and_execute(|| {
        operators([(FIRST, 1)]);
        let spent = WEIGHT_POINTS / 2;
        spend(FIRST, spent).unwrap();
        Curve::set(&QuotaParameters {
            weight_points: WEIGHT_POINTS / 10,
            ..CURVE
        });
        let shrunk = info(FIRST);
        assert_eq!((shrunk.capacity, shrunk.points), (WEIGHT_POINTS / 10, 0));
        assert_eq!(spend(FIRST, 1_000), Err(exhausted()));
        go_to(1 + REFILL_BLOCKS);
        assert_eq!(info(FIRST).points, WEIGHT_POINTS / 10);
        spend(FIRST, WEIGHT_POINTS / 10).unwrap();
    });
}

#[test]
fn a_bucket_that_grows_has_no_more_in_it_than_before_and_fills_in_the_same_time() {
    build_and_execute(|| {
        operators([(FIRST, 1)]);
        spend(FIRST, WEIGHT_POINTS / 2).unwrap();
        Curve::set(&QuotaParameters {
            weight_points: 3 * WEIGHT_POINTS,
            ..CURVE
        });
        assert_eq!(info(FIRST).points, WEIGHT_POINTS / 2);
        go_to(1 + REFILL_BLOCKS);
        assert_eq!(info(FIRST).points, 3 * WEIGHT_POINTS);
    });
}

#[test]
fn units_reserved_under_another_curve_come_back() {
    build_and_execute(|| {
        operators([(FIRST, 1)]);
        let all = WEIGHT_POINTS * UNITS_PER_POINT;
        assert_ok!(Quota::reserve(&FIRST, all));
        Curve::set(&QuotaParameters {
            units_per_point: UNITS_PER_POINT / 2,
            ..CURVE
        });
        assert_eq!(info(FIRST).units, 0);
        Quota::settle(&FIRST, all, 0);
        assert_eq!(info(FIRST).units, all / 2);
    });
}

#[test]
fn a_line_below_the_floor_makes_a_newcomer_until_it_is_withdrawn() {
    build_and_execute(|| {
        operators([(FIRST, 1)]);
        Quota::sponsor(signed(FIRST), KNOWN, NEWCOMER_POINTS).unwrap();
        assert_eq!(info(KNOWN).class, Class::Sponsored);
        Curve::set(&QuotaParameters {
            newcomer_points: 2 * NEWCOMER_POINTS,
            ..CURVE
        });
        let floor = info(KNOWN);
        assert_eq!((floor.class, floor.capacity), (Class::Newcomer, 2 * NEWCOMER_POINTS));
        Quota::do_try_state().unwrap();
        Quota::withdraw(signed(KNOWN), KNOWN).unwrap();
        assert_eq!(info(FIRST).capacity, WEIGHT_POINTS);
    });
}

#[test]
fn lines_are_cut_when_their_sponsors_weight_is_worth_less() {
    build_and_execute(|| {
        operators([(FIRST, 1)]);
        Quota::sponsor(signed(FIRST), KNOWN, WEIGHT_POINTS / 2).unwrap();
        Quota::sponsor(signed(FIRST), KNOWN - 1, WEIGHT_POINTS / 4).unwrap();
        Curve::set(&QuotaParameters {
            weight_points: WEIGHT_POINTS / 4,
            ..CURVE
        });
        let capacities = [FIRST, KNOWN, KNOWN - 1].map(|who| info(who).capacity);
        assert_eq!(capacities, [NEWCOMER_POINTS, WEIGHT_POINTS / 6, WEIGHT_POINTS / 12]);
    });
}

#[test]
fn newcomers_have_taken_what_they_have_taken() {
    build_and_execute(|| {
        assert_eq!(flood(FIRST, 1_000), 10);
        let least = Quota::limits().first_steps;
        Curve::set(&QuotaParameters {
            newcomer_points: least,
            // Just enough for one of them.
            newcomer_share: Perbill::from_rational(least + 1, Quota::limits().block_points),
            ..CURVE
        });
        Quota::do_try_state().unwrap();
        assert_eq!(spend(SECOND, least), Err(no_room()));
        go_to(2);
        spend(SECOND, least).unwrap();
    });
}

#[test]
fn values_out_of_range_are_named() {
    build_and_execute(|| {
        let limits = Quota::limits();
        let everything = limits.block_points * REFILL_BLOCKS;
        let (share, floor) = (Quota::newcomer_points_per_block(), limits.first_steps);
        let check = |change: &dyn Fn(&mut QuotaParameters)| {
            let mut curve = CURVE;
            change(&mut curve);
            curve.check(&limits)
        };
        type Change<'a> = &'a dyn Fn(&mut QuotaParameters);
        let good: [Change; 5] = [
            &|curve| curve.newcomer_points = floor,
            &|curve| curve.newcomer_points = share,
            &|curve| curve.weight_points = everything,
            &|curve| (curve.duty_points, curve.vote_points) = (floor, WEIGHT_POINTS),
            &|curve| curve.units_per_point = crate::MAX_UNITS_PER_POINT,
        ];
        for change in good {
            assert_eq!(check(change), Ok(()));
        }
        let bad: [(Change, &str); 12] = [
            (&|curve| curve.newcomer_share = Perbill::from_percent(11), "their share"),
            (&|curve| curve.newcomer_share = Perbill::zero(), "must fit"),
            (&|curve| curve.newcomer_points = floor - 1, "first steps"),
            (&|curve| curve.newcomer_points = share + 1, "must fit"),
            (&|curve| curve.weight_points = NEWCOMER_POINTS - 1, "less than none"),
            (&|curve| curve.weight_points = everything + 1, "more than there is"),
            (&|curve| curve.duty_points = floor - 1, "some calls"),
            (&|curve| curve.vote_points = floor - 1, "some calls"),
            (&|curve| curve.vote_points = WEIGHT_POINTS + 1, "all weight together"),
            (&|curve| curve.units_per_point = 0, "units_per_point"),
            (&|curve| curve.units_per_point = u64::MAX, "units_per_point"),
            (&|curve| curve.units_per_point = 4, "ask for a job"),
        ];
        for (change, why) in bad {
            let error = check(change).unwrap_err();
            assert!(error.contains(why), "{error}: {why}");
        }
    });
}

#[test]
#[should_panic(expected = "parameters of quotas")]
fn genesis_parameters_out_of_range_are_refused() {
    let quota = crate::GenesisConfig::<Test> {
        parameters: Some(QuotaParameters {
            vote_points: 0,
            ..CURVE
        }),
        lines: vec![],
    };
    use sp_runtime::BuildStorage;
    let _ = quota.build_storage();
}

/// Curves of all kinds that pass the check.
fn curves() -> impl Strategy<Value = QuotaParameters> {
    (0u64..=1_000, 0u64..=1_000, UNITS_PER_POINT..=1_000_000, 0u64..=1_000).prop_map(
        |(weight, newcomer, units_per_point, votes)| {
            let limits = Quota::limits();
            let between = |least: u64, most: u64, share: u64| least + (most - least) / 1_000 * share;
            let newcomer_points = between(limits.first_steps, CURVE.newcomer_share * limits.block_points, newcomer);
            let weight_points = between(newcomer_points, limits.block_points * limits.refill_blocks, weight);
            let guaranteed = between(limits.first_steps, weight_points, votes);
            QuotaParameters {
                weight_points,
                newcomer_points,
                units_per_point,
                duty_points: guaranteed,
                vote_points: guaranteed,
                ..CURVE
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_passes_the_check_leaves_everybody_a_vote_and_nothing_below_zero(
        steps in proptest::collection::vec((curves(), 0u64..400, 0u64..200_000), 1..20),
    ) {
        build_and_execute(|| {
            operators([(FIRST, 1), (SECOND, 199)]);
            let mut now = 1;
            for (curve, blocks, points) in steps {
                Curve::set(&curve);
                Quota::do_try_state().unwrap();
                now += blocks;
                go_to(now);
                for who in [FIRST, SECOND, FOUNDER, KNOWN] {
                    let _ = spend(who, points + overhead());
                    if Quota::reserve(&who, points * 7).is_ok() {
                        Quota::settle(&who, points * 7, points * 7);
                    }
                    let info = info(who);
                    assert!(info.points <= info.capacity && info.units <= info.units_capacity);
                    assert!(info.capacity >= Quota::limits().first_steps);
                    assert!(info.units_capacity >= Quota::limits().least_units);
                }
                for voter in [FIRST, SECOND] {
                    run(voter, &remark(VOTE), 1_000, Ok(Default::default())).unwrap().unwrap();
                }
                // Within a period every bucket is full again, whatever curve it was emptied under.
                now += REFILL_BLOCKS;
                go_to(now);
                for who in [FIRST, SECOND, KNOWN] {
                    assert_eq!(info(who).points, info(who).capacity);
                    assert_eq!(info(who).units, info(who).units_capacity);
                }
            }
        });
    }
}

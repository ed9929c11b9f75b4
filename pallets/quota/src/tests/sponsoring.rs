// SPDX-License-Identifier: Apache-2.0
//! Lines.
use super::*;
use crate::{Class, Error, Event};
use ergon_primitives::quota::Quota as _;
use frame_support::{assert_noop, assert_ok};
use frame_system::Pallet as System;
use proptest::prelude::*;

const STRANGER: u64 = KNOWN + 1;
const LINE: u64 = 100_000;

fn withdraw(who: u64, account: u64) {
    assert_ok!(Quota::withdraw(signed(who), account));
}

#[test]
fn sponsor_gives_a_stranger_a_part_of_its_own() {
    build_and_execute(|| {
        operators([(1, 1)]);
        assert_ok!(Quota::sponsor(signed(1), STRANGER, LINE));
        System::<Test>::assert_last_event(
            Event::Sponsored {
                sponsor: 1,
                account: STRANGER,
                points: LINE,
            }
            .into(),
        );
        let info = Quota::quota_of(&STRANGER);
        assert_eq!(
            (info.class, info.capacity, info.sponsor),
            (Class::Sponsored, LINE, Some(1))
        );
        assert_eq!(info.units, LINE * UNITS_PER_POINT);
        let info = Quota::quota_of(&1);
        assert_eq!((info.capacity, info.given), (WEIGHT_POINTS - LINE, LINE));
        dispatch(STRANGER, 0, remark(b"hello")).unwrap().unwrap();
    });
}

#[test]
fn account_keeps_its_provider_when_its_sponsor_withdraws() {
    build_and_execute(|| {
        operators([(1, 1)]);
        assert_ok!(Quota::sponsor(signed(1), STRANGER, LINE));
        assert_eq!(System::<Test>::providers(&STRANGER), 1);
        withdraw(1, STRANGER);
        System::<Test>::assert_last_event(
            Event::Withdrawn {
                sponsor: 1,
                account: STRANGER,
                points: LINE,
            }
            .into(),
        );
        assert_eq!(System::<Test>::providers(&STRANGER), 1);
        assert_eq!(
            Quota::quota_of(&STRANGER).class,
            Class::Unknown,
            "a line lets nobody in"
        );
        assert_eq!(spend(STRANGER, 1_000), Err(never_affordable()));
        assert_eq!(Quota::quota_of(&1).capacity, WEIGHT_POINTS);
        // Sponsoring an account that is known already adds no reference.
        assert_ok!(Quota::sponsor(signed(1), STRANGER, LINE));
        assert_eq!(System::<Test>::providers(&STRANGER), 1);
    });
}

#[test]
fn sponsored_account_may_end_its_line_itself() {
    build_and_execute(|| {
        operators([(1, 1)]);
        assert_ok!(Quota::sponsor(signed(1), 2, LINE));
        withdraw(2, 2);
        assert_eq!(Quota::quota_of(&1).given, 0);
    });
}

#[test]
fn bad_sponsorships_are_refused() {
    build_and_execute(|| {
        operators([(1, 1), (2, 1)]);
        let sponsor = |who, account, points| Quota::sponsor(signed(who), account, points);
        assert_noop!(sponsor(1, 1, LINE), Error::<Test>::SelfSponsored);
        assert_noop!(sponsor(1, 3, NEWCOMER_POINTS - 1), Error::<Test>::LineTooSmall);
        assert_noop!(sponsor(3, 4, LINE), Error::<Test>::NotEnoughCapacity);
        assert_noop!(sponsor(hot(1), 4, LINE), Error::<Test>::NotEnoughCapacity);
        assert_noop!(sponsor(1, 3, WEIGHT_POINTS / 2 + 1), Error::<Test>::NotEnoughCapacity);
        assert_noop!(Quota::withdraw(signed(1), 3), Error::<Test>::NotSponsored);
        assert_ok!(sponsor(1, 3, LINE));
        assert_noop!(sponsor(2, 3, LINE), Error::<Test>::AlreadySponsored);
        assert_noop!(sponsor(1, 3, LINE), Error::<Test>::AlreadySponsored);
        assert_noop!(Quota::withdraw(signed(2), 3), Error::<Test>::NotYourLine);
        assert_noop!(
            sponsor(1, 4, WEIGHT_POINTS / 2 - LINE + 1),
            Error::<Test>::NotEnoughCapacity
        );
        assert_ok!(sponsor(1, 4, LINE));
        assert_ok!(sponsor(1, 5, LINE));
        assert_noop!(sponsor(1, 6, LINE), Error::<Test>::TooManyLines);
        // What one is given can't be given on.
        assert_noop!(sponsor(3, 6, NEWCOMER_POINTS), Error::<Test>::NotEnoughCapacity);
    });
}

#[test]
fn nobody_takes_a_hot_key_off_its_operators_bucket_by_sponsoring_it() {
    build_and_execute(|| {
        operators([(1, 1), (2, 1)]);
        for sponsor in [1, 2] {
            let sponsored = Quota::sponsor(signed(sponsor), hot(1), NEWCOMER_POINTS);
            assert_noop!(sponsored, Error::<Test>::ActsForOperator);
        }
        assert_eq!(Quota::quota_of(&hot(1)).bucket, 1);
        // Its operator may be.
        assert_ok!(Quota::sponsor(signed(2), 1, LINE));
        assert_eq!(Quota::quota_of(&1).capacity, WEIGHT_POINTS / 2 + LINE);
    });
}

#[test]
fn a_line_arrives_as_full_as_what_its_sponsors_bucket_gave_up() {
    build_and_execute(|| {
        operators([(1, 1)]);
        let half = WEIGHT_POINTS / 2;
        spend(1, half + LINE / 2).unwrap();
        assert_ok!(Quota::sponsor(signed(1), 2, half));
        assert_eq!((points_left(1), points_left(2)), (0, half - LINE / 2));
        assert_eq!(
            Quota::quota_of(&2).units,
            half * UNITS_PER_POINT,
            "nothing was used of those"
        );
        // Out of an empty bucket comes an empty line, which fills like any other.
        assert_ok!(Quota::sponsor(signed(1), 3, LINE));
        assert_eq!((points_left(1), points_left(3)), (0, 0));
        go_to(1 + REFILL_BLOCKS / 2);
        assert_eq!((points_left(1), points_left(3)), ((half - LINE) / 2, LINE / 2));
    });
    // Nor is reserved compute given.
    build_and_execute(|| {
        operators([(1, 1)]);
        assert_ok!(Quota::reserve(&1, WEIGHT_POINTS * UNITS_PER_POINT));
        assert_ok!(Quota::sponsor(signed(1), 2, LINE));
        assert_eq!(Quota::quota_of(&2).units, 0);
    });
}

#[test]
fn a_line_neither_gives_nor_takes_a_free_bucket() {
    build_and_execute(|| {
        operators([(1, 1)]);
        spend(2, NEWCOMER_POINTS).unwrap();
        for _ in 0..3 {
            assert_ok!(Quota::sponsor(signed(1), 2, LINE));
            assert_eq!(points_left(2), LINE);
            withdraw(1, 2);
            assert_eq!(points_left(2), 0, "the free bucket is as empty as before");
        }
        // An empty line doesn't take what is in it, either.
        flood(1, 100_000);
        assert_ok!(Quota::sponsor(signed(1), 3, LINE));
        assert_eq!(points_left(3), 0);
        spend(3, 1_000).unwrap();
        withdraw(1, 3);
        assert_eq!(points_left(3), NEWCOMER_POINTS - 1_000);
        // Who was never let in has none after it.
        assert_ok!(Quota::sponsor(signed(1), STRANGER, LINE));
        withdraw(1, STRANGER);
        assert_eq!(Quota::quota_of(&STRANGER).capacity, 0);
    });
}

#[test]
fn attack_lines_that_come_empty_and_go_keep_no_newcomer_out() {
    build_and_execute(|| {
        operators([(1, 1), (2, 1)]);
        let victim = 5;
        for sponsor in [1, 2] {
            flood(sponsor, 100_000);
        }
        for sponsor in [1, 2, 1, 2] {
            assert_ok!(Quota::sponsor(signed(sponsor), victim, LINE));
            assert_eq!(points_left(victim), 0);
            spend(victim, 1_000).unwrap();
            withdraw(sponsor, victim);
        }
        assert_eq!(points_left(victim), NEWCOMER_POINTS - 4_000);
        // Who has more of its own than what is free has nothing free beside it.
        operators([(3, 1)]);
        flood(3, 100_000);
        flood(3, 500);
        assert_eq!(spend(3, 1_000), Err(exhausted()));
    });
}

#[test]
fn attack_remove_sponsor_register_withdraw_refills_nothing() {
    build_and_execute(|| {
        let (attacker, friend) = (1, FOUNDER);
        operators([(attacker, 1), (2, 19)]);
        let both = || [attacker, friend].map(|who| Quota::quota_of(&who));
        let capacity: u64 = both().iter().map(|quota| quota.capacity).sum();
        for round in 0..3 {
            flood(attacker, 10_000);
            assert_ok!(Quota::reserve(&attacker, Quota::quota_of(&attacker).units));
            let points = || both().iter().map(|quota| quota.points).sum::<u64>();
            let units = || both().iter().map(|quota| quota.units).sum::<u64>();
            let (before, units_before, block) = (points(), units(), 1 + 4 * round);
            assert!(points_left(attacker) < 10_000);
            set_weight(attacker, None);
            go_to(block + 1);
            assert_ok!(Quota::sponsor(signed(friend), attacker, 80_000));
            go_to(block + 2);
            set_weight(attacker, Some(1));
            go_to(block + 3);
            withdraw(friend, attacker);
            go_to(block + 4);
            // What one of them has more of the other has less.
            let honest = capacity * 4 / REFILL_BLOCKS + 1;
            let gained = points().saturating_sub(before);
            assert!(gained <= honest, "{gained} instead of {honest}");
            assert!(units().saturating_sub(units_before) <= honest * UNITS_PER_POINT);
        }
    });
}

#[test]
fn attack_an_empty_line_that_ends_takes_nothing_of_its_accounts_own() {
    build_and_execute(|| {
        operators([(1, 1), (2, 1)]);
        let own = |who: u64| (points_left(who), Quota::quota_of(&who).units);
        flood(1, 100_000);
        assert_ok!(Quota::reserve(&1, Quota::quota_of(&1).units));
        let (attacker, victim) = (own(1), own(2));
        let capacity = Quota::quota_of(&1).capacity;
        assert_ok!(Quota::sponsor(signed(1), 2, capacity));
        withdraw(1, 2);
        assert_eq!((own(1), own(2)), (attacker, victim));
        // Nor one that was cut and grew again meanwhile.
        go_to(1 + REFILL_BLOCKS);
        let full = own(2);
        assert_ok!(Quota::sponsor(signed(1), 2, capacity));
        for weight in [None, Some(1)] {
            set_weight(1, weight);
            go_to(frame_system::Pallet::<Test>::block_number() + 1);
            assert!(own(2) >= full);
        }
        withdraw(1, 2);
        assert_eq!(own(2), full);
    });
}

#[test]
fn giving_and_taking_back_in_circles_makes_nothing_full() {
    build_and_execute(|| {
        operators([(1, 1)]);
        let (mut rounds, mut spent) = (0, 0);
        for account in 1_001.. {
            let account = account + KNOWN;
            let points = points_left(1);
            if Quota::sponsor(signed(1), account, points / 2).is_err() {
                break;
            }
            spend(account, points / 2).unwrap();
            spent += points / 2;
            withdraw(1, account);
            rounds += 1;
        }
        assert!(rounds > 3, "{rounds}");
        assert!(spent + points_left(1) <= WEIGHT_POINTS, "{spent}");
    });
}

#[test]
fn what_an_account_used_of_its_line_is_missing_from_its_sponsor_afterwards() {
    build_and_execute(|| {
        operators([(1, 1)]);
        assert_ok!(Quota::sponsor(signed(1), 2, LINE));
        spend(2, 60_000).unwrap();
        assert_ok!(Quota::reserve(&2, 5));
        withdraw(1, 2);
        assert_eq!(points_left(1), WEIGHT_POINTS - 60_000);
        assert_eq!(Quota::quota_of(&1).units, WEIGHT_POINTS * UNITS_PER_POINT - 5);
        assert_eq!(points_left(2), NEWCOMER_POINTS);
    });
}

#[test]
fn lines_of_a_sponsor_that_lost_its_weight_are_cut_in_proportion() {
    build_and_execute(|| {
        operators([(1, 50), (500, 50)]);
        assert_ok!(Quota::sponsor(signed(1), 2, 3_000_000));
        assert_ok!(Quota::sponsor(signed(1), 3, 1_000_000));
        let capacity = |who: u64| Quota::quota_of(&who).capacity;
        operators([(1, 10), (500, 90)]);
        assert_eq!((capacity(2), capacity(3)), (750_000, 250_000));
        assert_eq!(Quota::quota_of(&1).class, Class::Newcomer);
        // A fraudster's protégés fall with him.
        operators([(1, 0)]);
        assert_eq!((capacity(2), capacity(3)), (NEWCOMER_POINTS, NEWCOMER_POINTS));
        assert_eq!(Quota::quota_of(&2).class, Class::Newcomer);
        withdraw(1, 2);
        assert_eq!(Quota::quota_of(&1).given, 1_000_000);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However capacity is moved about, what leaves the buckets is at most what one bucket would have given.
    #[test]
    fn lines_never_make_more_of_a_capacity(
        steps in proptest::collection::vec((0u8..4, 0u64..4, 1u64..100, 0u64..20), 1..80),
    ) {
        build_and_execute(|| {
            operators([(1, 1)]);
            let (mut spent, mut now) = (0, 1);
            for (action, who, share, blocks) in steps {
                now += blocks;
                go_to(now);
                let (account, points) = (300 + who, WEIGHT_POINTS / 100 * share);
                match action {
                    0 => drop(Quota::sponsor(signed(1), account, points)),
                    1 => drop(Quota::withdraw(signed(1), account)),
                    _ => {
                        let payer = if action == 2 { account } else { 1 };
                        let counted = Quota::quota_of(&payer).class != Class::Newcomer;
                        if counted && spend(payer, points).is_ok() {
                            spent += points;
                        }
                    }
                }
                let most = WEIGHT_POINTS + WEIGHT_POINTS * (now - 1) / REFILL_BLOCKS;
                assert!(spent <= most, "{spent} of {most}");
                Quota::do_try_state().unwrap();
            }
        });
    }
}

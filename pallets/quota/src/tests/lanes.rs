// SPDX-License-Identifier: Apache-2.0
//! What duties and votes draw on.
use super::*;
use frame_support::dispatch::{GetDispatchInfo, PostDispatchInfo};

const LONG: u64 = 1_000;

fn go(who: u64, text: &[u8]) -> Result<(), Refusal> {
    run(who, &remark(text), LONG, Ok(PostDispatchInfo::default()))?.unwrap();
    Ok(())
}

fn priority(who: u64, text: &[u8]) -> u64 {
    validate(who, &remark(text), &weighing(LONG)).unwrap().priority
}

#[test]
fn exhausted_operator_still_votes_and_does_its_duties() {
    build_and_execute(|| {
        operators([(1, 5), (2, 5)]);
        while spend(1, 100_000).is_ok() {}
        assert_eq!(go(1, b"x"), Err(never_or_exhausted(1)));
        go(1, VOTE).unwrap();
        go(hot(1), DUTY).unwrap();
        let info = Quota::quota_of(&1);
        let cost = LONG + overhead();
        assert_eq!(info.vote_points, GUARANTEED_POINTS - cost);
        assert_eq!(info.duty_points, GUARANTEED_POINTS - cost);
        assert_eq!(Quota::quota_of(&hot(1)).duty_points, info.duty_points);
        assert_eq!(Quota::quota_of(&2).duty_points, GUARANTEED_POINTS);
    });
}

/// What an ordinary call of [`LONG`] meets once `who` has spent all but less than that.
fn never_or_exhausted(who: u64) -> Refusal {
    assert!(points_left(who) < 100_000);
    while spend(who, 500).is_ok() {}
    exhausted()
}

#[test]
fn guaranteed_lanes_come_before_everything_else() {
    build_and_execute(|| {
        operators([(1, 5), (2, 5)]);
        while spend(1, 100_000).is_ok() {}
        assert!(priority(1, VOTE) > priority(2, b"x"));
        assert!(priority(hot(1), DUTY) > priority(2, b"x"));
    });
}

#[test]
fn votes_of_an_operator_do_not_use_up_what_its_duties_need() {
    build_and_execute(|| {
        operators([(1, 5)]);
        for _ in 0..100 {
            go(1, VOTE).unwrap();
        }
        let info = Quota::quota_of(&1);
        assert!(info.vote_points < LONG + overhead());
        assert_eq!(info.duty_points, GUARANTEED_POINTS);
        assert!(
            info.points < info.capacity,
            "more votes than guaranteed are ordinary calls"
        );
    });
}

#[test]
fn changed_votes_draw_on_the_bucket_of_votes_and_go_like_ordinary_calls() {
    build_and_execute(|| {
        operators([(1, 5), (2, 5)]);
        let cost = LONG + overhead();
        Voted::set([1].into());
        spend(1, 100_000).unwrap();
        assert_eq!(priority(1, VOTE), priority(1, b"x"));
        assert!(priority(1, VOTE) < priority(2, b"x"));
        let before = points_left(1);
        go(1, VOTE).unwrap();
        assert_eq!(
            (points_left(1), Quota::quota_of(&1).vote_points),
            (before, GUARANTEED_POINTS - cost)
        );
        assert_eq!(crate::NewcomersInBlock::<Test>::get().changed_votes, cost);
    });
}

#[test]
fn changed_votes_of_operators_with_quota_leave_room_for_those_without() {
    build_and_execute(|| {
        operators((1..=100).map(|who| (who, 5)));
        let cost = LONG + overhead();
        Voted::set((1..=100).collect());
        flood(100, 100_000);
        flood(100, 500);
        let taken = || crate::NewcomersInBlock::<Test>::get().changed_votes;
        let quarter = Quota::newcomer_points_per_block() / 4;
        for who in 1..100 {
            let (before, taken_before) = (points_left(who), taken());
            while points_left(who) == before {
                go(who, VOTE).unwrap();
            }
            let votes = (GUARANTEED_POINTS - Quota::quota_of(&who).vote_points) / cost;
            assert_eq!(taken() - taken_before, votes * cost, "the bucket of votes paid them");
            assert_eq!(points_left(who), before - cost, "and the ordinary one the last");
        }
        assert!(
            taken() <= quarter && taken() > quarter - cost,
            "{} of {quarter}",
            taken()
        );
        go(100, VOTE).unwrap();
    });
}

#[test]
fn exhausted_operator_still_changes_its_vote_but_after_others() {
    build_and_execute(|| {
        operators([(1, 5), (2, 5)]);
        Voted::set([1].into());
        flood(1, 100_000);
        flood(1, 500);
        assert_eq!(go(1, b"x"), Err(exhausted()));
        assert!(priority(1, VOTE) < priority(2, b"x"));
        assert!(priority(1, VOTE) > priority(3, b"x"), "newcomers come after it");
        let left = points_left(1);
        go(1, VOTE).unwrap();
        assert_eq!(
            (points_left(1), Quota::quota_of(&1).vote_points),
            (left, GUARANTEED_POINTS - LONG - overhead())
        );
        while go(1, VOTE).is_ok() {}
        assert_eq!(go(1, VOTE), Err(exhausted()), "both buckets have an end");
    });
}

#[test]
fn changed_vote_that_fails_or_takes_less_gives_back_to_the_bucket_of_votes() {
    build_and_execute(|| {
        operators([(1, 1), (2, 1_000_000)]);
        Voted::set([1].into());
        let half = PostDispatchInfo {
            actual_weight: Some(weighing(LONG / 2).call_weight),
            pays_fee: Default::default(),
        };
        run(1, &remark(VOTE), LONG, Ok(half)).unwrap().unwrap();
        let cost = LONG / 2 + overhead();
        assert_eq!(Quota::quota_of(&1).vote_points, GUARANTEED_POINTS - cost);
        assert_eq!(points_left(1), NEWCOMER_POINTS);
        assert_eq!(crate::NewcomersInBlock::<Test>::get().points, cost);
        run(1, &remark(VOTE), LONG, failed()).unwrap().unwrap_err();
        assert_eq!(
            Quota::quota_of(&1).vote_points,
            GUARANTEED_POINTS - cost - LONG - overhead()
        );
    });
}

#[test]
fn repeated_votes_get_no_more_than_newcomers_do_however_finely_weight_is_split() {
    build_and_execute(|| {
        operators((1..=100).map(|who| (who, 1)).chain([(150, 1_000_000)]));
        let others = priority(150, b"x");
        for who in 1..=100 {
            assert!(priority(who, VOTE) > others);
            go(who, VOTE).unwrap();
            Voted::mutate(|voted| voted.insert(who));
            assert!(priority(who, VOTE) < others);
        }
        // All that they send besides, votes or not, is what newcomers may send in a block, and the votes' own bucket pays half of that.
        let cost = LONG + overhead();
        let share = Quota::newcomer_points_per_block();
        for block in 2..5 {
            go_to(block);
            let sent = [VOTE, b"x"]
                .into_iter()
                .flat_map(|text| (1..=100).map(move |who| (who, text)))
                .map(|(who, text)| (0..50).take_while(|_| go(who, text).is_ok()).count() as u64);
            let used = sent.sum::<u64>() * cost;
            assert!(used <= share && used > share - cost, "{used} of {share}");
            let votes = crate::NewcomersInBlock::<Test>::get().changed_votes;
            assert!(votes <= share / 2 && votes > share / 2 - cost, "{votes} of {share}");
        }
        assert_eq!(go(100, VOTE), Err(no_room()));
        assert_eq!(go(150, b"x"), Ok(()));
    });
}

#[test]
fn attack_a_stolen_hot_key_keeps_the_operator_from_revoking_it() {
    build_and_execute(|| {
        // One that weighs nothing, and one that does.
        operators([(1, 0), (2, 5)]);
        for (operator, turn) in [(1, 1 << 45..1 << 46), (2, 1 << 56..u64::MAX)] {
            flood(operator, 100_000);
            for block in 2..40 {
                go_to(block);
                // The thief keeps all empty that it can reach, and the operator itself has nothing left, either.
                flood(hot(operator), 500);
                flood(operator, 500);
                assert!(
                    turn.contains(&priority(operator, MANAGE)),
                    "before all that the thief sends"
                );
                assert!(priority(operator, MANAGE) > validate(3, &remark(b"x"), &weighing(1)).unwrap().priority);
            }
            assert_eq!(go(operator, b"x"), Err(exhausted()));
            go(operator, MANAGE).unwrap();
        }
    });
}

#[test]
fn management_draws_on_a_small_bucket_of_the_operators_own_key() {
    build_and_execute(|| {
        operators([(1, 5)]);
        let before = points_left(1);
        let calls = NEWCOMER_POINTS / (LONG + overhead());
        (0..calls).for_each(|_| go(1, MANAGE).unwrap());
        assert_eq!(points_left(1), before);
        go(1, MANAGE).unwrap();
        assert_eq!(
            points_left(1),
            before - LONG - overhead(),
            "beyond it goes like any call"
        );
        // A hot key has no part in it, and those without weight share the newcomers' part of a block.
        go(hot(1), MANAGE).unwrap();
        assert!(points_left(hot(1)) < NEWCOMER_POINTS);
        assert_eq!(crate::NewcomersInBlock::<Test>::get().points, 0);
        operators([(2, 0)]);
        go(2, MANAGE).unwrap();
        assert_eq!(crate::NewcomersInBlock::<Test>::get().points, LONG + overhead());
        assert_eq!(points_left(2), NEWCOMER_POINTS);
    });
}

#[test]
fn attack_newcomers_that_manage_what_they_have_do_not_keep_others_out() {
    build_and_execute(|| {
        operators((1..=100).map(|who| (who, 0)));
        let no_room = |result| result == Err(InvalidTransaction::ExhaustsResources.into());
        let mut managed = 0;
        for who in 1..=100 {
            while !no_room(go(who, MANAGE)) && Quota::quota_of(&who).points == NEWCOMER_POINTS {
                managed += LONG + overhead();
            }
        }
        let half = Quota::newcomer_points_per_block() / 2;
        assert!(
            managed <= half && managed + LONG + overhead() > half,
            "{managed} of {half}"
        );
        // The other half is there for those who ask for the first time.
        go(101, b"x").unwrap();
        assert!(priority(100, MANAGE) > priority(102, b"x"));
    });
}

#[test]
fn stolen_hot_key_can_not_use_up_its_operators_votes() {
    build_and_execute(|| {
        operators([(1, 5)]);
        while go(hot(1), VOTE).is_ok() {}
        assert_eq!(Quota::quota_of(&1).vote_points, GUARANTEED_POINTS);
        go(1, VOTE).unwrap();
    });
}

#[test]
fn operator_without_weight_votes_as_a_newcomer_but_keeps_its_duties() {
    build_and_execute(|| {
        operators([(1, 0), (2, 5)]);
        assert_eq!(Quota::quota_of(&1).vote_points, 0);
        go(1, VOTE).unwrap();
        assert_eq!(points_left(1), NEWCOMER_POINTS - LONG - overhead());
        while go(1, VOTE).is_ok() {}
        go(hot(1), DUTY).unwrap();
    });
}

#[test]
fn others_duty_calls_are_ordinary() {
    build_and_execute(|| {
        operators([(1, 5)]);
        let (founder, newcomer) = (points_left(FOUNDER), points_left(2));
        go(FOUNDER, DUTY).unwrap();
        go(2, VOTE).unwrap();
        assert_eq!(points_left(FOUNDER), founder - LONG - overhead());
        assert_eq!(points_left(2), newcomer - LONG - overhead());
        assert_eq!(Quota::quota_of(&2).duty_points, 0);
    });
}

#[test]
fn nested_duties_and_votes_are_ordinary() {
    build_and_execute(|| {
        operators([(1, 5)]);
        let batch: RuntimeCall = pallet_utility::Call::batch {
            calls: vec![remark(VOTE), remark(DUTY)],
        }
        .into();
        let cost = Quota::cost(&batch.get_dispatch_info(), LENGTH);
        let before = Quota::quota_of(&1);
        let low = validate(1, &batch, &batch.get_dispatch_info()).unwrap().priority;
        let high = validate(1, &remark(VOTE), &weighing(LONG)).unwrap().priority;
        assert!(low < high);
        dispatch(1, 0, batch).unwrap().unwrap();
        let after = Quota::quota_of(&1);
        assert_eq!(after.vote_points, before.vote_points);
        assert_eq!(after.duty_points, before.duty_points);
        assert!(after.points < before.points && after.points + cost + 10_000 > before.points);
    });
}

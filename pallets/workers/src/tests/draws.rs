// SPDX-License-Identifier: Apache-2.0
use super::{audit, draw_auditor, draw_executor, execution, stream, DEMAND, MODEL, ROOM};
use crate::{
    mock::*, serving::TRIES, serving::WEIGHTED_TURNS, Changes, Operators, QueuedChanges, Serving, WeightlessTurns,
};
use ergon_primitives::traits::{Demand, Duty, Workers as _};
use frame_support::{assert_ok, assert_storage_noop};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// How often each operator is drawn in so many draws for audits, each of which it has done before the next.
fn audits(rounds: u32) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for round in 0..rounds {
        let now = System::block_number();
        let drawn = draw_auditor(&MODEL, &DEMAND, now, &mut stream(round), &[]).unwrap();
        Workers::release(&drawn, Duty::Audit, ROOM);
        Workers::discharge(&drawn);
        *counts.entry(drawn).or_default() += 1;
    }
    counts
}

/// The same for executions.
fn executions(rounds: u32) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for round in 0..rounds {
        let drawn = draw_executor(&MODEL, &DEMAND, &mut stream(round), &[]).unwrap();
        Workers::release(&drawn, Duty::Execution, ROOM);
        Workers::discharge(&drawn);
        *counts.entry(drawn).or_default() += 1;
    }
    counts
}

#[test]
fn nobody_is_drawn_for_a_model_that_nobody_serves() {
    build_and_execute(|| {
        serve([1]);
        let other = MODELS[1];
        assert_storage_noop!(assert_eq!(draw_executor(&other, &DEMAND, &mut stream(0), &[]), None));
        let drawn = draw_auditor(&other, &DEMAND, 1, &mut stream(0), &[]);
        assert_eq!(drawn, None);
    });
}

#[test]
fn an_operator_is_drawn_once_lists_follow_its_registration() {
    build_and_execute(|| {
        register([1]);
        assert_eq!(Workers::serving(&MODEL), 1);
        pass(LIST_DELAY - 1);
        assert_eq!(execution(&[]), None);
        pass(1);
        assert_eq!(execution(&[]), Some(1));
    });
}

#[test]
fn an_operator_that_leaves_executes_nothing_more_but_audits_what_was_answered_before() {
    let ways: [fn() -> sp_runtime::DispatchResult; 3] = [
        || Workers::drain(signed(1)),
        || Workers::update(signed(1), endpoint(), served(&MODELS[1..])),
        // It still has its duty, though nobody can do it.
        || Workers::remove_hot_key(signed(1), hot(1)),
    ];
    for leave in ways {
        build_and_execute(|| {
            serve([1]);
            let answered = System::block_number();
            assert_ok!(leave());
            assert_eq!((Workers::serving(&MODEL), execution(&[])), (0, None));
            let draw = |round| draw_auditor(&MODEL, &DEMAND, answered, &mut stream(round), &[]);
            for round in 0..=LIST_DELAY as u32 {
                assert_eq!(draw(round), Some(1), "{round} blocks after it left");
                pass(1);
            }
            assert_eq!(draw(9), None);
            assert_eq!(Workers::established(&MODEL), 0);
            Operators::<Test>::mutate_extant(1, |entry| (entry.auditing, entry.obligations) = (0, 0));
        });
    }
}

#[test]
fn an_operator_that_was_listed_after_an_answer_does_not_audit_it() {
    build_and_execute(|| {
        register([1]);
        let listed = System::block_number();
        lists_follow();
        let draw = |answered| draw_auditor(&MODEL, &DEMAND, answered, &mut stream(0), &[]);
        assert_eq!(draw(listed - 1), None);
        assert_eq!(draw(listed), Some(1));
    });
}

#[test]
fn an_operator_that_comes_back_before_lists_follow_stays_where_it_is() {
    build_and_execute(|| {
        serve(1..=3);
        let places: Vec<_> = Serving::<Test>::iter().collect();
        assert_ok!(Workers::drain(signed(1)));
        assert_ok!(Workers::resume(signed(1)));
        assert_eq!(Workers::serving(&MODEL), 3);
        lists_follow();
        assert_eq!(Workers::established(&MODEL), 3);
        assert_eq!(Serving::<Test>::iter().count(), places.len());
        Workers::do_try_state().unwrap();
    });
}

#[test]
fn excluded_operators_are_not_drawn() {
    build_and_execute(|| {
        serve(1..=3);
        for round in 0..5 {
            let drawn = draw_auditor(&MODEL, &DEMAND, 10, &mut stream(round), &[1, 3]);
            assert_eq!(drawn, Some(2));
        }
        assert_eq!(execution(&[1, 3]), Some(2));
        assert_eq!(audit(&[1, 2, 3]), None);
        assert_eq!(execution(&[1, 2, 3]), None);
    });
}

#[test]
fn excluding_a_giant_finds_the_smallest() {
    build_and_execute(|| {
        Weights::set(BTreeMap::from([(1, u64::MAX / 4), (2, 1)]));
        serve(1..=2);
        assert_eq!(audit(&[1]), Some(2));
        assert_eq!(execution(&[1]), Some(2));
    });
}

#[test]
fn a_draw_looks_at_a_bounded_number_of_operators() {
    build_and_execute(|| {
        let all: Vec<u64> = (1..=u64::from(TRIES) + 1).collect();
        serve(all.iter().copied());
        // All but one are full; whether it is found depends on the draw.
        for operator in &all[1..] {
            Operators::<Test>::mutate_extant(operator, |entry| {
                (entry.executing, entry.obligations) = (u64::MAX, 1);
            });
        }
        let drawn = |round| {
            let drawn = draw_executor(&MODEL, &DEMAND, &mut stream(round), &[]);
            drawn
                .iter()
                .for_each(|operator| Workers::release(operator, Duty::Execution, ROOM));
            drawn
        };
        let found = (0..200).filter(|round| drawn(*round) == Some(1)).count();
        assert!(
            (150..200).contains(&found),
            "{found} of 200 in {TRIES} of {} operators",
            all.len()
        );
        for operator in &all[1..] {
            Operators::<Test>::mutate_extant(operator, |entry| (entry.executing, entry.obligations) = (0, 0));
        }
        Operators::<Test>::mutate_extant(1, |entry| (entry.executing, entry.obligations) = (0, 0));
    });
}

#[test]
fn without_any_weight_all_are_drawn_evenly() {
    build_and_execute(|| {
        serve(1..=4);
        for counts in [executions(4_000), audits(4_000)] {
            assert!(
                counts.len() == 4 && counts.values().all(|count| (900..1_100).contains(count)),
                "{counts:?}"
            );
        }
    });
}

#[test]
fn auditors_are_drawn_in_proportion_to_weight_and_none_without() {
    build_and_execute(|| {
        Weights::set(BTreeMap::from([(1, 500), (2, 500), (3, 1_000), (4, 6_000)]));
        serve(1..=9);
        let counts = audits(8_000);
        assert_eq!(counts.len(), 4, "{counts:?}");
        for (operator, expected) in [(1, 500), (2, 500), (3, 1_000), (4, 6_000)] {
            assert!(counts[&operator].abs_diff(expected) < 150, "{counts:?}");
        }
    });
}

#[test]
fn operators_without_weight_execute_one_job_in_ten_together() {
    build_and_execute(|| {
        Weights::set(BTreeMap::from([(1, 1_000), (2, 3_000)]));
        serve(1..=50);
        let counts = executions(4_000);
        let without: u32 = (3..=50).filter_map(|operator| counts.get(&operator)).sum();
        assert!((250..=402).contains(&without), "{without} of 4000");
        assert!(counts[&2].abs_diff(3 * counts[&1]) < 400, "{counts:?}");
    });
}

#[test]
fn operators_without_weight_get_no_more_than_they_are_owed_while_others_are_full() {
    build_and_execute(|| {
        Weights::set(BTreeMap::from([(1, 1_000)]));
        serve(1..=3);
        WeightlessTurns::<Test>::insert(MODEL, 2 * WEIGHTED_TURNS);
        Operators::<Test>::mutate_extant(1, |entry| (entry.executing, entry.obligations) = (u64::MAX, 1));
        let drawn = (0..20).filter(|_| execution(&[]).is_some()).count();
        assert_eq!(drawn, 2);
        (1..=3).for_each(|operator| {
            Operators::<Test>::mutate_extant(operator, |entry| (entry.executing, entry.obligations) = (0, 0))
        });
    });
}

/// Else an accomplice that is always free would audit what others have no room for.
#[test]
fn the_auditor_that_is_drawn_is_waited_for_whether_others_have_room_or_not() {
    build_and_execute(|| {
        Weights::set((1..=7).map(|honest| (honest, 2_000)).chain([(8, 14)]).collect());
        serve(1..=8);
        for honest in 1..=7 {
            Operators::<Test>::mutate_extant(honest, |entry| (entry.auditing, entry.obligations) = (1_000_000, 1));
        }
        let large = Demand {
            bound: 6 * RATE,
            rate: RATE,
        };
        let draw = |round| Workers::draw_auditor(&MODEL, 100, &mut stream(round), &[]);
        let accomplice = (0..200).filter(|round| draw(*round) == Some(8)).count();
        assert!(accomplice <= 3, "{accomplice} of 200");
        let drawn = (0..).find_map(|round| draw(round).filter(|drawn| *drawn != 8)).unwrap();
        assert!(
            Workers::oblige_auditor(&drawn, &large).is_none(),
            "all that weigh much are busy"
        );
        Operators::<Test>::mutate_extant(drawn, |entry| (entry.auditing, entry.obligations) = (0, 0));
        assert!(Workers::oblige_auditor(&drawn, &large).is_some());
        (1..=8).for_each(|operator| {
            Operators::<Test>::mutate_extant(operator, |entry| (entry.auditing, entry.obligations) = (0, 0))
        });
    });
}

#[test]
fn draws_follow_a_weight_that_grew_once_lists_do() {
    build_and_execute(|| {
        Weights::set(BTreeMap::from([(1, 1_000)]));
        serve(1..=2);
        Weights::set(BTreeMap::from([(1, 1_000), (2, 1_000)]));
        Workers::reweigh(&2, &MODEL);
        assert_eq!(audits(50).len(), 1);
        lists_follow();
        assert_eq!(audits(50).len(), 2);
        // A little more is not worth a change.
        Weights::set(BTreeMap::from([(1, 1_000), (2, 1_125)]));
        assert_storage_noop!(Workers::reweigh(&2, &MODEL));
        Weights::set(BTreeMap::from([(1, 1_000), (2, 1_126)]));
        Workers::reweigh(&2, &MODEL);
        assert_eq!(Changes::<Test>::iter().count(), 1);
    });
}

/// A hundred accounts that asked for the same change again and again held all changes up for 190 blocks.
#[test]
fn changes_that_are_asked_for_again_and_again_hold_up_nobody_elses() {
    build_and_execute(|| {
        serve(1..=1);
        for _ in 0..500 {
            for operator in 2..=5 {
                Workers::list(&MODEL, &operator);
                Workers::leave(&MODEL, &operator);
            }
        }
        assert_eq!(
            (Changes::<Test>::iter().count(), QueuedChanges::<Test>::iter().count()),
            (4, 4)
        );
        register([6]);
        lists_follow();
        assert_eq!(audits(50).len(), 2);
        assert_eq!(
            (Changes::<Test>::iter().count(), QueuedChanges::<Test>::iter().count()),
            (0, 0)
        );
    });
}

#[test]
fn a_change_that_is_asked_for_again_waits_for_its_whole_time_again() {
    build_and_execute(|| {
        register([1]);
        let asked = System::block_number();
        pass(1);
        assert_ok!(Workers::drain(signed(1)));
        assert_ok!(Workers::resume(signed(1)));
        pass(LIST_DELAY - 1);
        assert_eq!((System::block_number() - asked, audit(&[])), (LIST_DELAY, None));
        pass(1);
        assert_eq!(audits(1).len(), 1);
    });
}

/// Work that was credited, or a probation that ended, while an entry to a list waited was noticed after the next job only.
#[test]
fn an_operator_enters_a_list_with_what_it_weighs_by_then() {
    build_and_execute(|| {
        Weights::set(BTreeMap::from([(1, 1_000)]));
        serve(1..=1);
        register([2]);
        Weights::set(BTreeMap::from([(1, 1_000), (2, 1_000)]));
        Workers::reweigh(&2, &MODEL);
        lists_follow();
        assert_eq!(audits(50).len(), 2);
    });
}

#[test]
fn the_largest_weights_do_not_overflow() {
    build_and_execute(|| {
        Weights::set((1..=20).map(|operator| (operator, u64::MAX / 64)).collect());
        serve(1..=20);
        assert_eq!(audits(50).values().sum::<u32>(), 50);
        assert_eq!(executions(50).values().sum::<u32>(), 50);
        let demand = Demand {
            bound: u64::MAX,
            rate: 0,
        };
        assert!(draw_executor(&MODEL, &demand, &mut stream(0), &[]).is_some());
        (1..=20).for_each(|operator| {
            Operators::<Test>::mutate_extant(operator, |entry| (entry.executing, entry.obligations) = (0, 0))
        });
    });
}

proptest! {
    /// A list of up to 300 operators, whose tree has three levels, with some that leave: each is found by its weight, and by nothing else.
    #[test]
    fn the_tree_finds_each_operator_by_its_share(
        weights in proptest::collection::vec(0u64..5, 1..300),
        leaving in proptest::collection::vec(0usize..300, 0..60),
    ) {
        new_test_ext().execute_with(|| {
            System::set_block_number(1);
            let all: Vec<u64> = (0..weights.len() as u64).map(|index| 10_000 + index).collect();
            Weights::set(all.iter().copied().zip(weights.iter().copied()).collect());
            all.iter().for_each(|operator| Workers::list(&MODEL, operator));
            while Changes::<Test>::iter_keys().next().is_some() {
                pass(1);
            }
            for at in leaving.into_iter().filter(|at| *at < all.len()) {
                Workers::leave(&MODEL, &all[at]);
            }
            while Changes::<Test>::iter_keys().next().is_some() {
                pass(1);
            }
            let left: Vec<_> = (0..).map_while(|index| Serving::<Test>::get(MODEL, index)).collect();
            let mut at = 0;
            for (index, listing) in left.iter().enumerate() {
                let weight = Weights::get()[&listing.operator];
                for within in 0..weight {
                    let found = Workers::find(&MODEL, crate::tree::By::Weight, at + within, &[]);
                    prop_assert_eq!(found.map(|(index, _)| index), Some(index as u32));
                }
                at += weight;
            }
            prop_assert_eq!(Workers::all_shares(&MODEL).weight, at);
            prop_assert_eq!(Workers::find(&MODEL, crate::tree::By::Weight, at, &[]), None);
            Ok(())
        })?;
    }
}

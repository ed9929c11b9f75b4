// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, serving::TRIES, Event, Operators, Status};
use ergon_primitives::{draw::Draw, traits::Workers as _, H256};
use frame_support::{assert_ok, assert_storage_noop};
use std::collections::BTreeMap;

const MODEL: H256 = MODELS[0];

fn stream(subject: u32) -> Draw {
    Draw::new(H256::repeat_byte(5), b"test", &subject.to_le_bytes())
}

/// How often each operator is drawn in `rounds` draws that take no place.
fn frequencies(rounds: u32) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for round in 0..rounds {
        let drawn = Workers::draw_auditor(&MODEL, &mut stream(round), &[]).unwrap();
        *counts.entry(drawn).or_default() += 1;
    }
    counts
}

#[test]
fn nobody_is_drawn_for_a_model_that_nobody_serves() {
    build_and_execute(|| {
        register([1]);
        assert_storage_noop!(assert_eq!(
            Workers::draw_executor(&MODELS[1], &mut stream(0), &[]),
            None
        ));
        assert_eq!(Workers::draw_auditor(&MODELS[1], &mut stream(0), &[]), None);
    });
}

#[test]
fn an_executor_is_drawn_until_it_has_its_fill() {
    build_and_execute(|| {
        register([1]);
        for _ in 0..MAX_IN_FLIGHT {
            assert_eq!(Workers::draw_executor(&MODEL, &mut stream(0), &[]), Some(1));
        }
        assert_storage_noop!(assert_eq!(Workers::draw_executor(&MODEL, &mut stream(0), &[]), None));
        Workers::release(&1);
        assert_eq!(Workers::draw_executor(&MODEL, &mut stream(0), &[]), Some(1));
        assert_eq!(Operators::<Test>::get(1).unwrap().in_flight, MAX_IN_FLIGHT);
    });
}

#[test]
fn an_audit_takes_no_place_and_needs_none() {
    build_and_execute(|| {
        register([1]);
        for _ in 0..MAX_IN_FLIGHT {
            Workers::draw_executor(&MODEL, &mut stream(0), &[]);
        }
        assert_eq!(Workers::draw_auditor(&MODEL, &mut stream(0), &[]), Some(1));
        let entry = Operators::<Test>::get(1).unwrap();
        assert_eq!((entry.in_flight, entry.obligations), (MAX_IN_FLIGHT, MAX_IN_FLIGHT + 1));
    });
}

#[test]
fn excluded_operators_are_not_drawn() {
    build_and_execute(|| {
        register(1..=3);
        for round in 0..50 {
            assert_eq!(Workers::draw_auditor(&MODEL, &mut stream(round), &[1, 3]), Some(2));
        }
        assert_eq!(Workers::draw_executor(&MODEL, &mut stream(0), &[1, 3]), Some(2));
        assert_eq!(Workers::draw_auditor(&MODEL, &mut stream(0), &[1, 2, 3]), None);
        assert_eq!(Workers::draw_executor(&MODEL, &mut stream(0), &[1, 2, 3]), None);
    });
}

#[test]
fn the_only_free_one_of_a_short_list_is_always_found() {
    build_and_execute(|| {
        let all: Vec<u64> = (1..=u64::from(TRIES)).collect();
        register(all.iter().copied());
        // All weight is with another one, so that nearly every try is rejected.
        Weights::set(BTreeMap::from([(99, 1_000_000)]));
        for free in &all {
            let others: Vec<u64> = all.iter().copied().filter(|operator| operator != free).collect();
            for round in 0..20 {
                assert_eq!(Workers::draw_auditor(&MODEL, &mut stream(round), &others), Some(*free));
            }
        }
    });
}

#[test]
fn a_draw_in_a_long_list_gives_up_after_a_bounded_number_of_tries() {
    build_and_execute(|| {
        let all: Vec<u64> = (1..=SPONSORED).collect();
        register(all.iter().copied());
        let found = (0..50)
            .filter(|round| Workers::draw_auditor(&MODEL, &mut stream(*round), &all[1..]).is_some())
            .count();
        // One of 100 in at most 32 looks: about 28 %.
        assert!((1..30).contains(&found), "{found}");
    });
}

#[test]
fn without_any_weight_all_are_drawn_alike() {
    build_and_execute(|| {
        register(1..=4);
        let counts = frequencies(4_000);
        assert!(
            counts.len() == 4 && counts.values().all(|count| (900..1_100).contains(count)),
            "{counts:?}"
        );
    });
}

#[test]
fn draws_are_in_proportion_to_weight_between_half_and_four_times_the_mean() {
    build_and_execute(|| {
        register(1..=4);
        // Mean 1000.
        Weights::set(BTreeMap::from([(1, 500), (2, 500), (3, 1_000), (4, 2_000)]));
        let counts = frequencies(8_000);
        for (operator, expected) in [(1, 1_000), (2, 1_000), (3, 2_000), (4, 4_000)] {
            assert!(counts[&operator].abs_diff(expected) < 200, "{counts:?}");
        }
    });
}

#[test]
fn newcomers_have_a_floor_and_giants_a_ceiling() {
    build_and_execute(|| {
        register(1..=10);
        Weights::set(BTreeMap::from([(1, 1_000_000)]));
        // One of weight 10 times the mean is accepted always, nine of weight 0 by 1/8: 8/17 to 1/17 each.
        let counts = frequencies(8_500);
        assert!(counts[&1].abs_diff(4_000) < 400, "{counts:?}");
        assert!(
            (2..=10).all(|newcomer| counts[&newcomer].abs_diff(500) < 120),
            "{counts:?}"
        );
    });
}

#[test]
fn the_largest_weights_do_not_overflow() {
    build_and_execute(|| {
        register(1..=10);
        Weights::set(BTreeMap::from([(1, u64::MAX)]));
        assert_eq!(frequencies(500).values().sum::<u32>(), 500);
    });
}

#[test]
fn too_many_misses_in_a_row_suspend_until_resumed() {
    build_and_execute(|| {
        register([1]);
        Workers::note_missed(&1);
        assert_eq!(Workers::serving(&MODEL), 1);
        Workers::note_missed(&1);
        System::assert_last_event(Event::Suspended { operator: 1 }.into());
        assert_eq!(Operators::<Test>::get(1).unwrap().status, Status::Suspended);
        assert_eq!(Workers::serving(&MODEL), 0);
        assert_eq!(Workers::draw_auditor(&MODEL, &mut stream(0), &[]), None);
        // What it was drawn for before may be missed as well, without another event.
        System::reset_events();
        Workers::note_missed(&1);
        assert!(System::events().is_empty());
        assert_ok!(Workers::resume(signed(hot(1))));
        let entry = Operators::<Test>::get(1).unwrap();
        assert_eq!(
            (entry.status, entry.misses_in_row, entry.missed),
            (Status::Active, 0, 3)
        );
        assert_eq!(Workers::draw_auditor(&MODEL, &mut stream(0), &[]), Some(1));
    });
}

#[test]
fn a_suspended_operator_may_drain_and_a_draining_one_is_not_suspended() {
    build_and_execute(|| {
        register([1]);
        (0..MAX_MISSES).for_each(|_| Workers::note_missed(&1));
        assert_ok!(Workers::drain(signed(1)));
        System::assert_last_event(Event::Drained { operator: 1 }.into());
        Workers::note_missed(&1);
        assert_eq!(Operators::<Test>::get(1).unwrap().status, Status::Draining);
        assert_ok!(Workers::resume(signed(1)));
        assert_eq!(Workers::serving(&MODEL), 1);
    });
}

#[test]
fn a_kept_deadline_ends_the_row_of_misses() {
    build_and_execute(|| {
        register([1]);
        for _ in 0..5 {
            Workers::note_missed(&1);
            Workers::note_kept(&1);
        }
        let entry = Operators::<Test>::get(1).unwrap();
        assert_eq!((entry.status, entry.kept, entry.missed), (Status::Active, 5, 5));
    });
}

#[test]
fn notes_about_unknown_operators_change_nothing() {
    build_and_execute(|| {
        assert_storage_noop!({
            Workers::release(&9);
            Workers::discharge(&9);
            Workers::note_kept(&9);
            Workers::note_missed(&9);
            Workers::jail(&9);
        });
    });
}

// SPDX-License-Identifier: Apache-2.0
use super::joining::{execute, join, STRANGER};
use crate::{mock::*, Event, Probation};
use ergon_primitives::traits::Workers as _;
use frame_support::assert_ok;

/// Answers that end a probation.
const REQUIRED: u32 = 3;

/// Somebody joins, and so many of his answers stand.
fn joined(stood: u32) {
    assert_ok!(execute(join()));
    (0..stood).for_each(|_| Workers::note_stood(&STRANGER, REQUIRED));
    assert_eq!(Workers::probation(&STRANGER), Some(stood));
}

#[test]
fn operators_that_join_by_a_ticket_are_on_probation_and_sponsored_ones_are_not() {
    build_and_execute(|| {
        register([1]);
        joined(0);
        assert_eq!(Workers::probation(&1), None);
        Workers::note_stood(&1, REQUIRED);
        Workers::note_disputed(&1);
        Workers::note_missed(&1);
        Workers::jail(&1);
        assert_eq!(Workers::probation(&1), None);
    });
}

#[test]
fn failures_that_are_certain_are_told_and_so_is_the_end() {
    build_and_execute(|| {
        register([1]);
        joined(1);
        // Nobody answers for those that are on none.
        Workers::note_missed(&1);
        assert!(Failed::get().is_empty());
        Workers::note_missed(&STRANGER);
        // An auditor may have lied.
        Workers::note_disputed(&STRANGER);
        (0..REQUIRED).for_each(|_| Workers::note_stood(&STRANGER, REQUIRED));
        assert_eq!((Failed::get(), Passed::get()), (vec![STRANGER], vec![STRANGER]));
        Workers::jail(&STRANGER);
        assert_eq!(Failed::get().len(), 1);
    });
}

#[test]
fn probation_ends_with_the_last_answer_that_it_takes() {
    build_and_execute(|| {
        joined(REQUIRED - 1);
        System::reset_events();
        Workers::note_stood(&STRANGER, REQUIRED);
        assert_eq!(Workers::probation(&STRANGER), None);
        System::assert_has_event(Event::ProbationEnded { operator: STRANGER }.into());
        assert_eq!(System::event_count(), 1);
        // For good: nothing that happens later brings it back.
        Workers::note_missed(&STRANGER);
        Workers::note_disputed(&STRANGER);
        Workers::jail(&STRANGER);
        assert_eq!(Workers::probation(&STRANGER), None);
    });
}

#[test]
fn a_miss_a_dispute_and_jail_begin_probation_again() {
    for failure in [Workers::note_missed, Workers::note_disputed, Workers::jail] {
        build_and_execute(|| {
            joined(REQUIRED - 1);
            failure(&STRANGER);
            assert_eq!(Workers::probation(&STRANGER), Some(0));
            Workers::note_stood(&STRANGER, REQUIRED);
            assert_eq!(Workers::probation(&STRANGER), Some(1));
        });
    }
}

#[test]
fn leaving_and_coming_back_gains_nothing() {
    build_and_execute(|| {
        joined(1);
        leave(STRANGER);
        assert_eq!(Workers::probation(&STRANGER), Some(1));
        register([STRANGER]);
        assert_eq!(Workers::probation(&STRANGER), Some(1));
    });
}

#[test]
fn probation_ends_with_the_next_answer_when_governance_asks_for_fewer() {
    for fewer in [0, 1] {
        build_and_execute(|| {
            joined(REQUIRED - 1);
            Workers::note_stood(&STRANGER, fewer);
            assert_eq!(Workers::probation(&STRANGER), None);
        });
    }
}

#[test]
fn try_state_finds_an_account_on_probation_that_was_never_let_in() {
    build_and_execute(|| {
        Probation::<Test>::insert(STRANGER, 0);
        assert!(Workers::do_try_state().is_err());
        Probation::<Test>::remove(STRANGER);
    });
}

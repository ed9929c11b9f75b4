// SPDX-License-Identifier: Apache-2.0
//! What falls due, and the invariants that `do_try_state` guards.
use crate::{mock::*, Agenda, AgendaCount, AgendaCursor, Credited, Event, Inputs, Links, Outputs, State};
use ergon_primitives::H256;
use frame_support::{assert_ok, hypothetically};

#[test]
fn an_entry_that_was_overtaken_does_nothing() {
    Chain::default().build_and_execute(|| {
        // Assigned in block 3, due in block 9, answered before.
        let id = assigned();
        assert_ok!(answer(id));
        // Auditors are drawn in block 6, due in block 13.
        run_to(8);
        take_events();
        run_to(12);
        assert!(take_events().is_empty());
        assert_eq!(state(id), State::Auditing);
        assert!(Missed::get().is_empty());
    });
}

#[test]
fn what_is_too_much_for_a_block_is_done_in_the_next() {
    Chain::default().build_and_execute(|| {
        // Block 1: five jobs to be forgotten in block 51.
        for id in (0..5).map(|_| submit()).collect::<Vec<_>>() {
            assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        }
        // Block 2: one more.
        next_block();
        let late = submit();
        assert_ok!(Jobs::cancel(signed(REQUESTER), late));
        run_to(50);
        take_events();
        let pruned = |jobs: std::ops::Range<u64>| jobs.map(|job| Event::Pruned { job }).collect::<Vec<_>>();
        run_to(51);
        assert_eq!(take_events(), pruned(0..4));
        run_to(52);
        assert_eq!(take_events(), pruned(4..6));
        run_to(53);
        assert_eq!(AgendaCursor::<Test>::get(), (54, 0));
        assert_eq!(Agenda::<Test>::iter().count() + AgendaCount::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_deadline_that_is_seen_late_is_still_met_in_the_meantime() {
    Chain::default().build_and_execute(|| {
        // Four jobs fall due in block 9, which is all that a block can do; the fifth is seen a block later.
        Operators::set(&vec![1, 2, 3]);
        let jobs: Vec<_> = (0..5).map(|_| submit()).collect();
        run_to(9);
        let late = jobs.iter().copied().find(|id| state(*id) == State::Assigned).unwrap();
        assert_ok!(answer(late));
        run_to(10);
        assert_eq!(state(late), State::Answered);
    });
}

#[test]
fn a_block_without_work_costs_next_to_nothing() {
    Chain::default().build_and_execute(|| assert_eq!(next_block(), 0));
}

#[test]
fn try_state_finds_what_does_not_fit() {
    Chain::default().build_and_execute(|| {
        let queued = [submit(), submit()];
        let running = assigned();
        let late = submit();
        let broken = || Jobs::do_try_state().is_err();
        assert!(!broken());
        hypothetically!({
            Inputs::<Test>::remove(queued[0]);
            assert!(broken());
        });
        hypothetically!({
            Inputs::<Test>::insert(99, Inputs::<Test>::get(running).unwrap());
            assert!(broken());
        });
        hypothetically!({
            Outputs::<Test>::insert(running, ergon_primitives::request::Output::default());
            assert!(broken());
        });
        hypothetically!({
            Links::<Test>::mutate(late, |link| link.previous = Some(running));
            assert!(broken());
        });
        hypothetically!({
            crate::Waiting::<Test>::kill();
            assert!(broken());
        });
        hypothetically!({
            Agenda::<Test>::remove(job(running).due.unwrap(), 0);
            assert!(broken());
        });
        hypothetically!({
            crate::Jobs::<Test>::mutate(running, |job| job.as_mut().unwrap().state = State::Queued);
            assert!(broken());
        });
        hypothetically!({
            Credited::<Test>::insert(H256::zero(), running);
            assert!(broken());
        });
        hypothetically!({
            crate::Parameters::<Test>::mutate(|parameters| parameters.audit_delay = 0);
            assert!(broken());
        });
    });
}

// SPDX-License-Identifier: Apache-2.0
//! What falls due, and the invariants that `do_try_state` guards.
use crate::{mock::*, Agenda, AgendaCursor, Credited, Event, Inputs, Lane, Links, Outputs, State};
use ergon_primitives::{JobId, H256};
use frame_support::{assert_ok, hypothetically};

/// Submits this many jobs and runs until they are assigned.
fn assign(count: u64) -> Vec<JobId> {
    let jobs: Vec<_> = (0..count).map(|_| submit()).collect();
    run_to(System::block_number() + 2);
    jobs
}

#[test]
fn a_job_that_goes_on_leaves_the_agenda() {
    Chain::default().build_and_execute(|| {
        // Assigned in block 3, due in block 9, answered before.
        let id = assigned();
        assert_ok!(answer(id));
        // Auditors are drawn in block 6, due in block 12.
        run_to(8);
        assert_eq!(
            Agenda::<Test>::iter_keys().collect::<Vec<_>>(),
            vec![(Lane::Deadlines, 12, id)]
        );
        take_events();
        run_to(11);
        assert!(take_events().is_empty());
        assert_eq!(state(id), State::Auditing);
        assert!(Missed::get().is_empty());
    });
}

#[test]
fn what_is_too_much_for_a_block_is_done_in_the_next() {
    Chain::default().build_and_execute(|| {
        MaxAssignmentsPerBlock::set(&10);
        // A job may take 8 steps, and is begun only if they are left: four of them, or three after an empty block.
        MaxPrunedPerBlock::set(&11);
        // Five jobs to be forgotten in block 53, and one in block 55.
        for id in assign(5) {
            assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        }
        let late = submit();
        run_to(5);
        assert_ok!(Jobs::cancel(signed(REQUESTER), late));
        run_to(52);
        take_events();
        let pruned = |block| {
            run_to(block);
            let mut jobs: Vec<_> = take_events()
                .into_iter()
                .map(|event| match event {
                    Event::Pruned { job } => job,
                    other => panic!("{other:?}"),
                })
                .collect();
            jobs.sort();
            jobs
        };
        let mut five = pruned(53);
        assert_eq!(five.len(), 4);
        five.extend(pruned(54));
        five.sort();
        assert_eq!(five, (0..5).collect::<Vec<_>>());
        assert_eq!(pruned(55), vec![late]);
        run_to(56);
        assert_eq!(AgendaCursor::<Test>::get(Lane::Retention), 57);
        assert_eq!(Agenda::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_deadline_that_is_seen_late_is_still_met_in_the_meantime() {
    Chain::default().build_and_execute(|| {
        MaxAssignmentsPerBlock::set(&10);
        let jobs = assign(5);
        // Five jobs fall due in block 9, but a block can do four.
        MaxDuePerBlock::set(&11);
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
fn the_agenda_reckons_with_as_many_auditors_as_can_be_drawn() {
    assert_eq!(crate::MAX_AUDITORS, pallet_audits::MAX_AUDITORS);
}

#[test]
fn try_state_finds_what_does_not_fit() {
    Chain::default().build_and_execute(|| {
        let queued = [submit(), submit()];
        let running = assigned();
        let (late, waiting) = (submit(), submit_to(BUSY));
        run_to(System::block_number() + 2);
        assert!(Links::<Test>::contains_key(waiting));
        let places = crate::Queues::<Test>::get(BUSY).unwrap();
        let broken = || Jobs::do_try_state().is_err();
        let change = |id, change: fn(&mut crate::Job<AccountId, u64>)| {
            crate::Jobs::<Test>::mutate(id, |job| change(job.as_mut().unwrap()))
        };
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
            Links::<Test>::mutate_extant(waiting, |link| link.previous = Some(running));
            assert!(broken());
        });
        hypothetically!({
            crate::Waiting::<Test>::kill();
            assert!(broken());
        });
        hypothetically!({
            let mut wrong = places;
            wrong.others.places += 1;
            crate::Queues::<Test>::insert(BUSY, wrong);
            assert!(broken());
        });
        hypothetically!({
            crate::Standings::<Test>::remove((BUSY, false, REQUESTER));
            assert!(broken());
        });
        hypothetically!({
            change(running, |job| job.bound -= 1);
            assert!(broken());
        });
        // Not listed, listed twice, in the wrong lane, at the wrong block, and passed over.
        let due = job(running).due.unwrap();
        hypothetically!({
            Agenda::<Test>::remove((Lane::Deadlines, due, running));
            assert!(broken());
        });
        hypothetically!({
            Agenda::<Test>::insert((Lane::Deadlines, due + 1, running), ());
            assert!(broken());
        });
        hypothetically!({
            Agenda::<Test>::remove((Lane::Deadlines, due, running));
            Agenda::<Test>::insert((Lane::Retention, due, running), ());
            assert!(broken());
        });
        hypothetically!({
            change(running, |job| job.due = Some(99));
            assert!(broken());
        });
        hypothetically!({
            AgendaCursor::<Test>::insert(Lane::Deadlines, due + 1);
            assert!(broken());
        });
        hypothetically!({
            Agenda::<Test>::insert((Lane::Delays, 99, late), ());
            assert!(broken());
        });
        hypothetically!({
            change(running, |job| job.state = State::Queued);
            assert!(broken());
        });
        hypothetically!({
            Credited::<Test>::insert(1, H256::zero(), 0);
            assert!(broken());
        });
        hypothetically!({
            JobSettings::set(&crate::JobParameters {
                audit_delay: 0,
                ..JobSettings::get()
            });
            assert!(broken());
        });
        // A finished job that would never be forgotten.
        hypothetically!({
            assert_ok!(Jobs::cancel(signed(REQUESTER), running));
            assert!(!broken());
            Agenda::<Test>::remove((Lane::Retention, job(running).due.unwrap(), running));
            assert!(broken());
        });
    });
}

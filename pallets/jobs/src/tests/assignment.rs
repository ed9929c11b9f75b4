// SPDX-License-Identifier: Apache-2.0
//! Drawing executors, missed deadlines, turns of the models.
use crate::{
    mock::*, Error, Event, JobParameters, State, MAX_DRAW_DELAY, MAX_MARGIN, MAX_MIN_SERVING, MAX_REASSIGNMENTS,
    MAX_RETENTION, MAX_WAIT, MIN_DRAW_DELAY, MIN_MARGIN,
};
use ergon_primitives::{
    request::{sampling_key, DecodeSettings},
    traits::Beacon,
};
use frame_support::{assert_noop, assert_ok};

#[test]
fn a_job_is_assigned_two_blocks_after_it_was_submitted() {
    Chain::default().build_and_execute(|| {
        // Block 1.
        let id = submit();
        run_to(2);
        assert_eq!(state(id), State::Queued);
        take_events();
        run_to(3);
        let operator = executor(id);
        // 8 * 1 + 4 * 10 units at 100 a block is 1 block: twice that, on top of 4.
        assert_eq!(
            take_events(),
            vec![Event::Assigned {
                job: id,
                operator,
                deadline: 9
            }]
        );
        assert_eq!(
            (job(id).state, job(id).since, job(id).due),
            (State::Assigned, 3, Some(9))
        );
        assert_eq!(Jobs::jobs_of(operator), vec![id]);
        assert_eq!(FakeWorkers::in_flight(operator), 1);
    });
}

#[test]
fn the_deadline_grows_with_the_most_units_that_the_context_allows() {
    Chain::default().build_and_execute(|| {
        let submit = |input, max_tokens| {
            assert_ok!(Jobs::submit(
                signed(REQUESTER),
                MODEL,
                input,
                DecodeSettings::greedy(max_tokens),
                None
            ));
        };
        submit(prompt(0), 30);
        // The context of 100 bounds prompt and output together: no answer can take more than 100 * 10.
        submit(crate::UncheckedInput::Text(vec![b'a'; 5000].try_into().unwrap()), 2000);
        run_to(3);
        assert_eq!(job(0).due, Some(3 + 4 + 2 * 4));
        assert_eq!(job(1).due, Some(3 + 4 + 2 * 10));
    });
}

#[test]
fn the_draw_depends_on_the_job() {
    Chain::default().build_and_execute(|| {
        let mut drawn = vec![];
        for _ in 0..20 {
            let id = assigned();
            drawn.push(executor(id));
            assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        }
        assert!((1..=3).all(|operator| drawn.contains(&operator)), "{drawn:?}");
    });
}

#[test]
fn the_first_assignment_fixes_the_sampling_key() {
    Chain::default().build_and_execute(|| {
        let id = submit();
        assert_ok!(Jobs::submit(
            signed(REQUESTER),
            MODEL,
            prompt(9),
            DecodeSettings::greedy(4),
            Some(77)
        ));
        run_to(3);
        let key = sampling_key(None, id, &FakeBeacon::value());
        assert_eq!(job(id).sampling_key, Some(key));
        // A named seed leaves the beacon out.
        assert_eq!(
            job(1).sampling_key,
            Some(sampling_key(Some(77), 1, &Default::default()))
        );
        // The deadline of block 9 passes; block 11 assigns the job again.
        run_to(11);
        assert_eq!(job(id).missed.len(), 1);
        assert_eq!((state(id), job(id).sampling_key), (State::Assigned, Some(key)));
    });
}

#[test]
fn a_missed_deadline_gives_the_job_to_others_and_at_last_to_nobody() {
    Chain::default().build_and_execute(|| {
        // Assigned in block 3, due in block 9.
        let id = assigned();
        let first = executor(id);
        run_to(8);
        assert_eq!(state(id), State::Assigned);
        take_events();
        run_to(9);
        assert_eq!(
            take_events(),
            vec![Event::Reassigned {
                job: id,
                operator: first
            }]
        );
        assert_eq!(state(id), State::Queued);
        assert_eq!(Missed::get(), vec![first]);
        assert_eq!(FakeWorkers::in_flight(first), 0);
        assert!(Jobs::jobs_of(first).is_empty());
        // Late is too late.
        assert_noop!(
            answer_as(hot(first), id, &honest_header(id)),
            Error::<Test>::NotAssignedToYou
        );
        // Assigned in block 11, due in block 17.
        run_to(11);
        let second = executor(id);
        assert_ne!(first, second);
        assert_noop!(
            answer_as(hot(first), id, &honest_header(id)),
            Error::<Test>::NotAssignedToYou
        );
        // Assigned in block 19, due in block 25.
        run_to(19);
        let third = executor(id);
        assert!(third != first && third != second);
        take_events();
        run_to(25);
        assert_eq!(take_events(), vec![Event::Expired { job: id }]);
        assert_eq!(state(id), State::Expired);
        assert_eq!(Missed::get(), vec![first, second, third]);
        assert!(InFlight::get().is_empty());
    });
}

#[test]
fn a_job_that_was_missed_does_not_wait_for_operators_that_are_busy() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let first = executor(id);
        // Everybody else has all hands full when the deadline passes.
        let others: Vec<_> = Operators::get().into_iter().filter(|other| *other != first).collect();
        let busy = others
            .iter()
            .flat_map(|other| vec![*other; Places::get() as usize])
            .collect::<Vec<_>>();
        InFlight::set(&[InFlight::get(), busy].concat());
        run_to(11);
        assert_eq!((state(id), executor(id)), (State::Assigned, first));
        // Not held by jobs: given back for the invariants.
        InFlight::set(&vec![first]);
    });
}

#[test]
fn an_operator_that_missed_a_job_gets_it_again_when_nobody_else_serves_the_model() {
    Chain::default().build_and_execute(|| {
        Operators::set(&vec![1]);
        let id = assigned();
        run_to(11);
        assert_eq!((state(id), executor(id)), (State::Assigned, 1));
        assert_eq!(job(id).missed.into_inner(), vec![1]);
        assert_ok!(answer(id));
    });
}

#[test]
fn a_reassigned_job_goes_to_the_back() {
    Chain::default().build_and_execute(|| {
        Operators::set(&vec![1]);
        // Block 1: two jobs take the places of operator 1 in block 3, a third waits.
        let (first, second) = (submit(), submit());
        run_to(3);
        assert_eq!((executor(first), executor(second)), (1, 1));
        let third = submit();
        // Block 9: both deadlines pass, which makes room for the one that waited.
        run_to(9);
        assert_eq!(
            (state(first), state(second), state(third)),
            (State::Queued, State::Queued, State::Assigned)
        );
        // One place is left, for either of them.
        run_to(11);
        let states = [state(first), state(second)];
        assert!(states.contains(&State::Assigned) && states.contains(&State::Queued));
        assert_eq!(state(third), State::Assigned);
    });
}

#[test]
fn a_job_without_a_worker_waits_and_then_expires() {
    Chain::default().build_and_execute(|| {
        let ids = [submit_to(BUSY), submit_to(OTHER)];
        abandon(OTHER);
        run_to(20);
        assert!(ids.iter().all(|id| state(*id) == State::Queued));
        take_events();
        // Queued in block 1; the timeout is 20 blocks.
        run_to(21);
        let expired = take_events();
        assert!(expired.len() == 2 && ids.iter().all(|job| expired.contains(&Event::Expired { job: *job })));
        assert_eq!((state(ids[0]), Jobs::waiting(BUSY)), (State::Expired, 0));
    });
}

#[test]
fn a_model_without_free_workers_holds_up_no_other_model_and_keeps_its_turn() {
    Chain::default().build_and_execute(|| {
        let busy = submit_to(BUSY);
        let served = [submit_to(MODEL), submit_to(OTHER)];
        next_block();
        // Three models look for executors.
        assert_eq!(next_block(), 3);
        assert_eq!(state(busy), State::Queued);
        assert!(served.iter().all(|id| state(*id) == State::Assigned));
        assert_eq!(crate::Waiting::<Test>::get().into_inner(), vec![BUSY]);
    });
}

#[test]
fn models_take_turns_and_a_block_makes_bounded_draws() {
    Chain::default().build_and_execute(|| {
        Operators::set(&(1..=9).collect());
        let ours: Vec<_> = (0..5).map(|_| submit_to(MODEL)).collect();
        let others: Vec<_> = (0..2).map(|_| submit_to(OTHER)).collect();
        let count = |jobs: &[u64]| jobs.iter().filter(|id| state(**id) == State::Assigned).count();
        run_to(2);
        // Four draws a block: two for each model first, then the rest.
        assert_eq!(next_block(), 4);
        assert_eq!((count(&ours), count(&others)), (2, 2));
        assert_eq!(next_block(), 3);
        assert_eq!((count(&ours), count(&others)), (5, 2));
        assert_eq!(next_block(), 0);
    });
}

#[test]
fn the_first_in_is_the_first_out() {
    Chain::default().build_and_execute(|| {
        Operators::set(&vec![1]);
        let jobs: Vec<_> = (0..4).map(|_| (submit(), next_block()).0).collect();
        run_to(7);
        let states: Vec<_> = jobs.iter().map(|id| state(*id)).collect();
        assert_eq!(states, [State::Assigned, State::Assigned, State::Queued, State::Queued]);
        // An answer makes no room before it is settled.
        assert_ok!(answer(jobs[1]));
        next_block();
        assert_eq!(state(jobs[2]), State::Queued);
        assert_ok!(Jobs::cancel(signed(REQUESTER), jobs[0]));
        next_block();
        assert_eq!((state(jobs[2]), state(jobs[3])), (State::Assigned, State::Queued));
    });
}

#[test]
fn parameters_out_of_range_are_refused() {
    let good = Chain::default().jobs;
    for good in [good, JobParameters::DEVELOPMENT, JobParameters::PRODUCTION] {
        assert_eq!(good.check(), Ok(()));
    }
    let changes: [fn(&mut JobParameters); 17] = [
        |p| p.assignment_delay = MIN_DRAW_DELAY - 1,
        |p| p.assignment_delay = MAX_DRAW_DELAY + 1,
        |p| p.audit_delay = MIN_DRAW_DELAY - 1,
        |p| p.audit_delay = MAX_DRAW_DELAY + 1,
        |p| p.deadline_margin = MIN_MARGIN - 1,
        |p| p.deadline_margin = MAX_MARGIN + 1,
        |p| p.audit_timeout = p.deadline_margin - 1,
        |p| p.audit_timeout = MAX_WAIT + 1,
        |p| p.queue_timeout = p.assignment_delay,
        |p| p.queue_timeout = MAX_WAIT + 1,
        |p| p.max_reassignments = MAX_REASSIGNMENTS + 1,
        |p| p.refund_delay = p.deadline_margin - 1,
        |p| p.refund_delay = p.retention + 1,
        |p| p.dispute_retention = p.retention - 1,
        |p| p.dispute_retention = MAX_RETENTION + 1,
        |p| p.min_serving = 0,
        |p| p.min_serving = MAX_MIN_SERVING + 1,
    ];
    for change in changes {
        let mut parameters = good;
        change(&mut parameters);
        assert!(parameters.check().is_err(), "{parameters:?}");
        let chain = Chain {
            jobs: parameters,
            ..Default::default()
        };
        assert!(
            std::panic::catch_unwind(move || chain.externalities()).is_err(),
            "{parameters:?}"
        );
    }
    let endless = TERMS.demand(u64::MAX);
    assert_eq!(good.deadline(&endless), u32::MAX);
    assert_eq!(good.deadline(&TERMS.demand(0)), good.deadline_margin);
}

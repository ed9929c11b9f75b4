// SPDX-License-Identifier: Apache-2.0
//! Turns of requesters, shares of newcomers, turns of models.
use crate::{mock::*, Error, Event, State, TURNS};
use ergon_primitives::{request::DecodeSettings, JobId, H256};
use frame_support::{assert_noop, assert_ok, hypothetically};

const NEWCOMER: AccountId = 2_000;

/// Accounts from [`NEWCOMER`] on are newcomers, and each executor takes any number of jobs.
fn with_newcomers() {
    Shareless::set(&(NEWCOMER..NEWCOMER + 100).collect());
    Places::set(&1_000);
}

/// Submits so many jobs, by these accounts one after the other.
fn submit_many(count: u64, requester: impl Fn(u64) -> AccountId, model: H256) {
    for number in 0..count {
        submit_by(requester(number), model);
    }
}

/// The jobs that are assigned in the next blocks, in that order.
fn assigned_in(blocks: u64) -> Vec<JobId> {
    take_events();
    run_to(System::block_number() + blocks);
    let assigned = |event| match event {
        Event::Assigned { job, .. } => Some(job),
        _ => None,
    };
    take_events().into_iter().filter_map(assigned).collect()
}

#[test]
fn a_requesters_many_jobs_hold_up_anothers_by_one_turn() {
    Chain::default().build_and_execute(|| {
        // Nobody has room until all have entered the queue.
        Places::set(&0);
        MaxAssignmentsPerBlock::set(&40);
        submit_many(20, |_| 1_001, MODEL);
        run_to(6);
        submit_many(1, |_| 1_002, MODEL);
        submit_many(2, |_| 1_003, MODEL);
        run_to(8);
        Places::set(&1_000);
        MaxAssignmentsPerBlock::set(&1);
        let requesters = |jobs: Vec<JobId>| jobs.iter().map(|id| job(*id).requester).collect::<Vec<_>>();
        // The round that had begun, and then one with all of them.
        assert_eq!(requesters(assigned_in(1)), [1_001]);
        let mut round = requesters(assigned_in(3));
        round.sort();
        assert_eq!(round, [1_001, 1_002, 1_003]);
        let mut round = requesters(assigned_in(2));
        round.sort();
        assert_eq!(round, [1_001, 1_003]);
    });
}

#[test]
fn new_arrivals_hold_up_no_round() {
    Chain::default().build_and_execute(|| {
        Places::set(&1_000);
        MaxAssignmentsPerBlock::set(&2);
        let patient = [
            submit_by(1_001, MODEL),
            submit_by(1_001, MODEL),
            submit_by(1_001, MODEL),
        ];
        // A new account in each block.
        let mut assigned = vec![];
        for account in 0..8 {
            submit_by(3_000 + account, MODEL);
            assigned.extend(assigned_in(1));
        }
        assert!(patient.iter().all(|id| assigned.contains(id)), "{assigned:?}");
    });
}

#[test]
fn rounds_of_jobs_that_were_taken_back_are_passed_over() {
    Chain::default().build_and_execute(|| {
        Places::set(&0);
        let jobs: Vec<_> = (0..40).map(|_| submit_by(1_001, MODEL)).collect();
        run_to(3);
        for id in &jobs[..39] {
            assert_ok!(Jobs::cancel(signed(1_001), *id));
        }
        Places::set(&1);
        run_to(6);
        assert_eq!(state(jobs[39]), State::Assigned);
    });
}

#[test]
fn newcomers_hold_a_tenth_of_the_places() {
    Chain::default().build_and_execute(|| {
        with_newcomers();
        let tenth = MaxQueued::get() / 10;
        submit_many(tenth.into(), |number| NEWCOMER + number, MODEL);
        let more = |who| Jobs::submit(signed(who), MODEL, prompt(99), DecodeSettings::greedy(4), None);
        assert_noop!(more(NEWCOMER + 50), Error::<Test>::QueueFull);
        assert_ok!(more(REQUESTER));
    });
}

#[test]
fn newcomers_get_one_assignment_in_ten_while_others_wait() {
    Chain::default().build_and_execute(|| {
        with_newcomers();
        submit_many(5, |number| NEWCOMER + number, MODEL);
        submit_many(40, |_| REQUESTER, MODEL);
        MaxAssignmentsPerBlock::set(&1_000);
        MaxDuePerBlock::set(&1_008);
        let order: Vec<_> = assigned_in(9).iter().map(|id| job(*id).newcomer).collect();
        let turns: Vec<_> = (0..order.len()).filter(|at| order[*at]).collect();
        let every = TURNS as usize + 1;
        assert_eq!(
            turns[..4],
            [every - 1, 2 * every - 1, 3 * every - 1, 4 * every - 1],
            "{order:?}"
        );
        assert_eq!(order.len(), 45, "and what is left when nobody else waits");
    });
}

#[test]
fn newcomers_get_a_tenth_of_what_a_block_can_assign_when_nobody_else_asks() {
    Chain::default().build_and_execute(|| {
        with_newcomers();
        MaxAssignmentsPerBlock::set(&20);
        MaxDuePerBlock::set(&28);
        submit_many(5, |number| NEWCOMER + number, MODEL);
        submit_many(5, |number| NEWCOMER + number, OTHER);
        run_to(2);
        for left in [8, 6, 4, 2, 0] {
            next_block();
            assert_eq!(Jobs::waiting(MODEL) + Jobs::waiting(OTHER), left);
        }
    });
}

/// So many jobs of one requester in rounds, while no operator has room.
fn queue_of(requester: AccountId, count: u32) -> Vec<JobId> {
    Places::set(&0);
    let jobs: Vec<_> = (0..count).map(|_| submit_by(requester, MODEL)).collect();
    while jobs.iter().any(|id| job(*id).due.is_some()) {
        next_block();
    }
    jobs
}

/// One requester took all places of a model, and 20 newcomers all that newcomers may have.
#[test]
fn one_requester_keeps_nobody_out_of_a_models_queue() {
    for (greedy, other) in [(1_001, 1_002), (NEWCOMER, NEWCOMER + 1)] {
        Chain::default().build_and_execute(|| {
            with_newcomers();
            Places::set(&0);
            let places = match greedy {
                NEWCOMER => MaxQueued::get() / 10,
                _ => MaxQueued::get() - MaxQueued::get() / 10,
            };
            let jobs: Vec<_> = (0..places).map(|_| submit_by(greedy, MODEL)).collect();
            let ask = |who| Jobs::submit(signed(who), MODEL, prompt(99), DecodeSettings::greedy(4), None);
            // While its jobs wait for the delay of their draws, they are in no round.
            assert_noop!(ask(other), Error::<Test>::QueueFull);
            while jobs.iter().any(|id| job(*id).due.is_some()) {
                next_block();
            }
            take_events();
            assert_noop!(ask(greedy), Error::<Test>::QueueFull);
            // The jobs of the last rounds go, as long as the other one comes before them.
            let round = |id: JobId| crate::Links::<Test>::get(id).map(|link| link.round);
            for _ in 0..(places - 1) / 2 {
                let last = *jobs.iter().max_by_key(|id| round(**id)).unwrap();
                assert_ok!(ask(other));
                assert_eq!(state(last), State::Expired);
                assert!(take_events().contains(&Event::Expired { job: last }));
            }
            while ask(other).is_ok() {}
            let left = jobs.iter().filter(|id| state(**id) == State::Queued).count() as u32;
            assert!(
                Jobs::waiting(MODEL) == places && (places / 2..=places / 2 + 2).contains(&left),
                "{left}"
            );
        });
    }
}

/// Jobs that were taken back don't bring the next one forward, so they displace nobody's.
#[test]
fn a_requester_that_took_jobs_back_displaces_nobody_that_comes_before_it() {
    Chain::default().build_and_execute(|| {
        let jobs = queue_of(1_001, MaxQueued::get() - MaxQueued::get() / 10);
        let ask = || Jobs::submit(signed(1_002), MODEL, prompt(99), DecodeSettings::greedy(4), None);
        hypothetically!({
            assert_ok!(ask());
        });
        // All but one of its own were taken back, of which that one stands in the last round.
        hypothetically!({
            let standing = crate::Standing {
                round: jobs.len() as u32,
                jobs: 1,
            };
            crate::Standings::<Test>::insert((MODEL, false, 1_002), standing);
            assert_noop!(ask(), Error::<Test>::QueueFull);
        });
    });
}

#[test]
fn the_last_round_is_found_behind_any_number_of_jobs_that_were_taken_back() {
    Chain::default().build_and_execute(|| {
        let jobs = queue_of(1_001, MaxQueued::get() - MaxQueued::get() / 10);
        // From the front, so that holes are left that are more than are passed over at once.
        for id in &jobs[1..] {
            assert_ok!(Jobs::cancel(signed(1_001), *id));
        }
        run_to(System::block_number() + 3);
        let mut queue = crate::Queues::<Test>::get(MODEL).unwrap();
        assert_eq!(queue.of(false).last, crate::Links::<Test>::get(jobs[0]).unwrap().round);
    });
}

/// Blocks of 28 assignments for any number of models.
fn with_blocks_of_28() {
    Places::set(&1_000);
    MaxQueued::set(&1_000);
    MaxWaitingModels::set(&60);
    MaxAssignmentsPerBlock::set(&28);
    MaxDuePerBlock::set(&200);
}

/// Jobs for 50 models whose operators have no room cut a model that is served from all assignments of a block to a few.
#[test]
fn models_without_room_take_no_turns_from_one_that_is_served() {
    Chain::default().build_and_execute(|| {
        with_blocks_of_28();
        let busy: Vec<_> = (0..50).map(|number| H256::from_low_u64_be(number + 1)).collect();
        MoreModels::set(&busy);
        for model in &busy {
            submit_to(*model);
            abandon(*model);
        }
        run_to(3);
        submit_many(60, |_| REQUESTER, MODEL);
        run_to(4);
        assert_eq!(assigned_in(1).len(), 28);
        assert_eq!(assigned_in(1).len(), 28);
        assert_eq!(assigned_in(1).len(), 4);
    });
}

/// 20 models that nobody serves any longer, each with jobs that have waited for too long.
#[test]
fn jobs_that_expire_use_up_no_turns() {
    Chain::default().build_and_execute(|| {
        with_blocks_of_28();
        let left: Vec<_> = (0..20).map(|number| H256::from_low_u64_be(number + 1)).collect();
        MoreModels::set(&left);
        for model in &left {
            submit_many(3, |_| REQUESTER, *model);
            abandon(*model);
        }
        // Those were queued in block 1 and expire in block 21, in which these enter the queue.
        run_to(19);
        submit_many(40, |_| REQUESTER, MODEL);
        run_to(20);
        assert_eq!(assigned_in(1).len(), 28);
        assert_eq!(assigned_in(1).len(), 12);
    });
}

// SPDX-License-Identifier: Apache-2.0
//! Whatever requesters do, everything happens in the block in which it is due; and the budgets of a block.
use crate::{mock::*, weights::MeasuredWeight, Event, State, MAX_STEPS};
use ergon_primitives::JobId;
use frame_support::{
    assert_ok,
    traits::Hooks,
    weights::{constants::WEIGHT_REF_TIME_PER_MILLIS, Weight},
};
use pallet_audits::AuditParameters;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Starts the next block, in which everything must happen that is due by then.
fn punctual_block() {
    next_block();
    let now = System::block_number();
    let late = crate::Jobs::<Test>::iter().find(|(_, job)| job.due.is_some_and(|due| due <= now));
    assert_eq!(late, None, "in block {now}");
}

fn in_state(wanted: State) -> Vec<JobId> {
    let mut jobs: Vec<_> = crate::Jobs::<Test>::iter()
        .filter(|(_, job)| job.state == wanted)
        .map(|(id, _)| id)
        .collect();
    jobs.sort();
    jobs
}

/// Every operator does at once what it was drawn for.
fn work() {
    for id in in_state(State::Assigned) {
        assert_ok!(answer(id));
    }
    for id in in_state(State::Auditing) {
        attest_all(id, &honest_header(id));
        assert_ok!(reveal(id));
    }
}

fn cancel(id: JobId) {
    assert_ok!(Jobs::cancel(signed(REQUESTER), id));
}

#[test]
fn a_flood_of_jobs_that_are_taken_back_delays_no_deadline() {
    Chain::default().build_and_execute(|| {
        Places::set(&100);
        MaxQueued::set(&20);
        for _ in 0..150 {
            (0..30).for_each(|_| cancel(submit()));
            submit_to(OTHER);
            punctual_block();
        }
        // Nobody answers: from block 25 on, three deadlines pass in each block.
        assert!(Missed::get().len() > 300, "{}", Missed::get().len());
    });
}

#[test]
fn a_flood_of_assigned_jobs_that_are_taken_back_delays_no_deadline() {
    Chain::default().build_and_execute(|| {
        Places::set(&100);
        // Jobs of a third party, which nobody answers, while everybody's draws are used up by the flood.
        let (mut theirs, mut cancelled) = (vec![], 0);
        for round in 0..200 {
            while Jobs::waiting(MODEL) < 5 {
                submit();
            }
            if round % 10 == 0 {
                theirs.push(submit_to(OTHER));
            }
            punctual_block();
            for id in in_state(State::Assigned) {
                if !theirs.contains(&id) {
                    cancel(id);
                    cancelled += 1;
                }
            }
        }
        assert!(cancelled > 400, "{cancelled}");
        assert!(Missed::get().len() >= 2 * theirs.len());
    });
}

/// Submits this many jobs a block for 120 blocks, which all get done, and in between as many again that are taken back.
fn sustained(jobs_per_block: u64) {
    for _ in 0..120 {
        for _ in 0..jobs_per_block {
            cancel(submit());
            submit();
        }
        punctual_block();
        work();
    }
    let submitted = 120 * jobs_per_block;
    // The delays of the assignment and of the audit.
    for _ in 0..10 {
        punctual_block();
        work();
    }
    let events = take_events();
    let count = |wanted: fn(&Event<Test>) -> bool| events.iter().filter(|event| wanted(event)).count() as u64;
    assert_eq!(
        count(|event| matches!(event, Event::Settled { credited: UNITS, .. })),
        submitted
    );
    assert_eq!(count(|event| matches!(event, Event::Reassigned { .. })), 0);
    assert!(Missed::get().is_empty());
    // The retention.
    for _ in 0..50 {
        punctual_block();
    }
    assert_eq!(crate::Jobs::<Test>::iter().count(), 0);
}

/// Sets so many assignments a block and budgets that just suffice, with which the work at the start of a block fits into half of one of
/// `milliseconds`.
fn set_budgets(assigned: u32, milliseconds: u64) {
    MaxAssignmentsPerBlock::set(&assigned);
    MaxDuePerBlock::set(&(assigned + MAX_STEPS));
    MaxPrunedPerBlock::set(&(2 * assigned + MAX_STEPS));
    Jobs::integrity_test();
    let most = Jobs::most_weight::<MeasuredWeight<Test>>();
    let half = Weight::from_parts(WEIGHT_REF_TIME_PER_MILLIS * milliseconds / 2, u64::MAX);
    assert!(most.all_lte(half), "{most} of {half}");
}

#[test]
fn as_many_jobs_as_can_be_assigned_are_audited_settled_and_forgotten_in_time() {
    Chain::default().build_and_execute(|| {
        MaxQueued::set(&1_024);
        Places::set(&1_000);
        set_budgets(28, 1_000);
        sustained(28);
    });
}

/// `make bench-chain` runs them.
#[test]
fn assigning_60_jobs_takes_at_most_half_of_a_block_of_a_public_network() {
    Chain::default().build_and_execute(|| set_budgets(60, 2_000));
}

#[test]
fn an_answer_with_many_auditors_takes_as_many_steps() {
    let audits = AuditParameters {
        auditors_per_job: 8,
        max_redraws: 0,
        ..Default::default()
    };
    Chain {
        audits,
        ..Default::default()
    }
    .build_and_execute(|| {
        Operators::set(&(1..=9).collect());
        Places::set(&100);
        // Two answers can be worked on in a block, or one after an empty block.
        MaxDuePerBlock::set(&16);
        let jobs: Vec<_> = (0..4).map(|_| submit()).collect();
        run_to(3);
        for id in &jobs {
            assert_ok!(answer(*id));
        }
        let audited = |block, count| {
            run_to(block);
            assert_eq!(in_state(State::Auditing).len(), count, "in block {block}");
        };
        audited(5, 0);
        audited(6, 2);
        audited(7, 4);
        // All auditors keep silent.
        let awaited = || jobs.iter().filter(|id| !job(**id).answer.unwrap().attested).count();
        run_to(11);
        assert_eq!((awaited(), Missed::get().len()), (4, 0));
        run_to(12);
        assert_eq!((awaited(), Missed::get().len()), (2, 16));
        // The others were drawn a block later. That nothing more is due at block 12 takes a step.
        run_to(13);
        assert_eq!((awaited(), Missed::get().len()), (1, 24));
        run_to(14);
        assert_eq!((awaited(), Missed::get().len()), (0, 32));
    });
}

#[test]
fn jobs_with_many_auditors_wait_in_the_queue_rather_than_delay_deadlines() {
    let audits = AuditParameters {
        auditors_per_job: 8,
        ..Default::default()
    };
    Chain {
        audits,
        ..Default::default()
    }
    .build_and_execute(|| {
        Operators::set(&(1..=9).collect());
        Places::set(&1000);
        // Four jobs can be assigned in a block, but auditors drawn for one answer.
        let mut latest = 0;
        for _ in 0..200 {
            while Jobs::waiting(MODEL) < 5 {
                submit();
            }
            next_block();
            let now = System::block_number();
            let late = |job: crate::Job<_, u64>| job.due.map(|due| (now + 1).saturating_sub(due));
            latest = latest.max(crate::Jobs::<Test>::iter_values().filter_map(late).max().unwrap_or(0));
            work();
        }
        // What was assigned within the audit delay of three blocks.
        assert!((1..=12).contains(&latest), "{latest}");
    });
}

#[test]
fn budgets_that_could_not_keep_up_are_refused() {
    Chain::default().build_and_execute(|| {
        let refused = || catch_unwind(AssertUnwindSafe(Jobs::integrity_test)).is_err();
        assert!(!refused());
        MaxDuePerBlock::set(&11);
        assert!(refused());
        MaxDuePerBlock::set(&12);
        MaxPrunedPerBlock::set(&15);
        assert!(refused());
        MaxPrunedPerBlock::set(&16);
        MaxAssignmentsPerBlock::set(&0);
        assert!(refused());
    });
}

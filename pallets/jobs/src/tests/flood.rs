// SPDX-License-Identifier: Apache-2.0
//! Whatever requesters do, everything happens in the block in which it is due; and the budgets of a block.
use crate::{mock::*, Event, State, MAX_STEPS};
use ergon_primitives::{JobId, H256};
use frame_support::{assert_ok, traits::Hooks, weights::Weight};
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

/// Sets so many assignments a block and budgets that just suffice.
fn set_budgets(assigned: u32) {
    MaxAssignmentsPerBlock::set(&assigned);
    MaxDuePerBlock::set(&(assigned + MAX_STEPS));
    MaxPrunedPerBlock::set(&(2 * assigned + MAX_STEPS));
    Jobs::integrity_test();
}

#[test]
fn as_many_jobs_as_can_be_assigned_are_audited_settled_and_forgotten_in_time() {
    Chain::default().build_and_execute(|| {
        MaxQueued::set(&1_024);
        Places::set(&1_000);
        set_budgets(28);
        sustained(28);
    });
}

/// Budgets for 100 assignments a block, whose start may weigh 70. Each operator that a draw looks at weighs 1, as does each step; a draw looks at
/// two, so that a turn may weigh 8 and a deadline 25, of the 28 of deadlines.
fn with_little_weight() {
    MaxQueued::set(&1_000);
    MaxWaitingModels::set(&64);
    Places::set(&1_000);
    Looked::set(&2);
    ServiceWeight::set(&Weight::from_parts(70, 0));
    MaxAssignmentsPerBlock::set(&100);
    MaxDuePerBlock::set(&108);
    MaxPrunedPerBlock::set(&208);
}

fn assigned() -> usize {
    in_state(State::Assigned).len()
}

#[test]
fn a_block_assigns_as_many_jobs_as_its_draws_leave_room_for() {
    Chain::default().build_and_execute(|| {
        with_little_weight();
        let busy = submit_to(BUSY);
        (0..100).for_each(|_| _ = submit());
        run_to(3);
        // Two were looked at for the first job in vain, and one for each of the others, until there was no room for another turn.
        assert_eq!(assigned(), 70 - 8 + 1 - 2);
        run_to(4);
        assert_eq!((assigned(), state(busy)), (100, State::Queued));
    });
}

/// Otherwise models that are looked at in vain could take up every block before others are looked at.
#[test]
fn models_that_a_block_had_no_room_to_look_at_come_first_in_the_next() {
    Chain::default().build_and_execute(|| {
        with_little_weight();
        let busy: Vec<_> = (1..=60).map(H256::from_low_u64_be).collect();
        MoreModels::set(&busy);
        Busy::set(&busy);
        for model in &busy {
            submit_to(*model);
        }
        let id = submit();
        // A block has room to look at half of them.
        run_to(3);
        assert_eq!(state(id), State::Queued);
        run_to(4);
        assert_eq!(state(id), State::Assigned);
    });
}

#[test]
fn deadlines_leave_weight_for_other_work_and_are_done_in_the_next_blocks() {
    let mut chain = Chain::default();
    chain.jobs.max_reassignments = 0;
    chain.build_and_execute(|| {
        (0..20).for_each(|_| _ = submit());
        Places::set(&1_000);
        MaxAssignmentsPerBlock::set(&20);
        run_to(3);
        assert_eq!(assigned(), 20);
        with_little_weight();
        run_to(8);
        // A missed deadline weighs a step and a miss.
        for block in 1..=10 {
            next_block();
            assert_eq!(Missed::get().len(), 2 * block);
        }
    });
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

// SPDX-License-Identifier: Apache-2.0
//! The first jobs of an operator that joined by a ticket.
use crate::{
    chain::{dev, run_block},
    market::{account, answer, audit_and_reveal, job, open_market, submit_prompt, wait_for, OPERATORS, STRANGER},
    quota::{join, unsigned},
};
use ergon_primitives::{traits::Parameters as _, ModelId};
use ergon_runtime::{compute, parameters::InForce, AccountId, RuntimeEvent, System};
use ergon_runtime_api::JobState;
use pallet_audits::AuditParameters;

/// Answers that end a probation here.
const REQUIRED: u32 = 2;

/// A market that `//Stranger` joins by a ticket. As few answers are audited as can be, but those on probation.
fn open_market_with_a_stranger() -> ModelId {
    let model = open_market();
    run_block(vec![unsigned(join(model))]);
    InForce::set(AuditParameters {
        rate: pallet_audits::MIN_RATE,
        probation_jobs: REQUIRED,
        ..Default::default()
    });
    model
}

/// What is left of somebody's probation.
fn left(path: &str) -> Option<u32> {
    compute::worker(account(path)).unwrap().probation
}

/// Runs a job to its end: its executor, and how many audited it.
fn run_job(model: ModelId, number: u32) -> (AccountId, usize) {
    let id = submit_prompt(model, &format!("How much is {number} and 1?"), Some(1));
    wait_for(id, JobState::Assigned);
    let header = answer(id);
    wait_for(id, JobState::Auditing);
    let auditors = job(id).auditors.len();
    audit_and_reveal(id, header);
    let end = if auditors > 0 {
        JobState::Settled
    } else {
        JobState::Unaudited
    };
    assert_eq!(job(id).state, end);
    (job(id).executor.unwrap(), auditors)
}

/// Whether the last block ended the stranger's probation.
fn ended() -> bool {
    let operator = account(STRANGER.0);
    let ended = RuntimeEvent::from(pallet_workers::Event::ProbationEnded { operator });
    System::read_events_no_consensus().any(|record| record.event == ended)
}

#[test]
fn a_newcomers_first_jobs_are_audited_though_nobody_elses_are_until_probation_ends() {
    dev().execute_with(|| {
        let model = open_market_with_a_stranger();
        assert_eq!(left(STRANGER.0), Some(REQUIRED));
        assert!(OPERATORS.iter().all(|(operator, _)| left(operator).is_none()));
        let (mut audits, mut others) = (vec![], 0);
        for number in 0..40 {
            let (executor, auditors) = run_job(model, number);
            if executor != account(STRANGER.0) {
                assert_eq!(auditors, 0);
                others += 1;
                continue;
            }
            audits.push(auditors);
            let past = audits.len() as u32;
            assert_eq!(ended(), past == REQUIRED);
            assert_eq!(left(STRANGER.0), REQUIRED.checked_sub(past).filter(|left| *left > 0));
            if past > REQUIRED && others > 0 {
                break;
            }
        }
        let (first, later) = audits.split_at(REQUIRED as usize);
        assert!(first.iter().all(|auditors| *auditors == 1));
        assert!(!later.is_empty() && later.iter().all(|auditors| *auditors == 0));
        assert!(others > 0);
    });
}

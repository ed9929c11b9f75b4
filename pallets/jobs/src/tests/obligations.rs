// SPDX-License-Identifier: Apache-2.0
//! Operators that are drawn are held to it until nothing can follow from it, on every path. That it is discharged exactly once is checked by the
//! mock, and for any sequence of actions by the property tests.
use crate::{mock::*, State};
use ergon_primitives::{
    commitment::{sealed, Header, Outcome, RejectReason},
    JobId,
};
use frame_support::assert_ok;

fn owes(operator: AccountId) -> bool {
    Owed::get().contains(&operator)
}

/// A job that got this far, and its executor, who owes something.
fn drawn(how: fn() -> JobId) -> (JobId, AccountId) {
    let id = how();
    assert!(owes(executor(id)));
    (id, executor(id))
}

fn ends(id: JobId, executor: AccountId, end: State) {
    assert_eq!(state(id), end);
    assert!(!owes(executor), "{end:?}");
    check_invariants();
}

#[test]
fn an_executor_owes_something_until_its_answer_has_settled() {
    Chain::default().build_and_execute(|| {
        let (id, executor) = drawn(assigned);
        assert_ok!(answer(id));
        assert!(owes(executor));
        run_to(6);
        attest_all(id, &honest_header(id));
        assert!(owes(executor) && owes(auditors(id)[0]));
        assert_ok!(reveal(id));
        ends(id, executor, State::Settled);
        assert!(Owed::get().is_empty());
    });
}

#[test]
fn a_rejection_that_stands_discharges_its_executor() {
    Chain::default().build_and_execute(|| {
        let (id, executor) = drawn(assigned);
        let outcome = Outcome::Rejected(RejectReason::InvalidPrompt);
        let header = Header::new(honest_header(id).answer_id, 0, outcome, b"", &[]);
        let seal = sealed(&SEAL, &header.root());
        let by = signed(hot(executor));
        assert_ok!(Jobs::submit_result(
            by.clone(),
            id,
            Default::default(),
            0,
            0,
            outcome,
            seal
        ));
        run_to(6);
        attest_all(id, &header);
        assert!(owes(executor));
        assert_ok!(Jobs::reveal(by, id, SEAL, header));
        ends(id, executor, State::Rejected);
    });
}

#[test]
fn a_missed_deadline_discharges_the_executor_each_time() {
    Chain::default().build_and_execute(|| {
        // Deadlines pass in blocks 9, 17 and 25.
        let (id, first) = drawn(assigned);
        run_to(9);
        ends(id, first, State::Queued);
        run_to(11);
        let second = executor(id);
        assert!(owes(second) && !owes(first));
        run_to(25);
        assert_eq!(state(id), State::Expired);
        assert!(Owed::get().is_empty());
    });
}

#[test]
fn a_cancelled_job_discharges_its_executor() {
    Chain::default().build_and_execute(|| {
        let (id, executor) = drawn(assigned);
        assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        ends(id, executor, State::Cancelled);
    });
}

#[test]
fn a_voided_job_discharges_its_executor() {
    Chain::default().build_and_execute(|| {
        // Nobody else serves the model, so there is no auditor, and nothing is revealed until block 12.
        Operators::set(&vec![1]);
        let (id, executor) = drawn(auditing);
        run_to(11);
        assert!(owes(executor));
        run_to(12);
        ends(id, executor, State::Voided);
    });
}

#[test]
fn a_disputed_job_discharges_nobody_before_it_is_forgotten() {
    Chain::default().build_and_execute(|| {
        // The executor keeps silent until block 12, and the dispute is kept for 80 blocks.
        let (id, executor) = drawn(attested);
        let auditor = auditors(id)[0];
        run_to(91);
        assert_eq!(state(id), State::Disputed);
        assert!(owes(executor) && owes(auditor));
        run_to(92);
        assert_eq!(Jobs::job(id), None);
        assert!(Owed::get().is_empty());
    });
}

// SPDX-License-Identifier: Apache-2.0
//! What requesters pay. That it is settled exactly once is checked by the mock, and for any sequence of actions by the property tests.
use crate::{mock::*, most_units, State};
use ergon_primitives::{
    commitment::{sealed, Header, Outcome, RejectReason},
    request::DecodeSettings,
    traits::Models,
    JobId, Units,
};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

/// Units reserved for a job of [`submit`]: 8 prompt tokens of 1 and 4 output tokens of 10.
const RESERVED: Units = 48;

/// The job is in this state, costs so much, and nothing is reserved for it any more.
fn costs(id: JobId, end: State, used: Units) {
    assert_eq!((state(id), job(id).reserved), (end, 0));
    settled_with(used);
}

fn settled_with(used: Units) {
    assert!(Reserved::get().is_empty());
    assert_eq!((Used::get(), GivenBack::get()), (used, Reservations::get() - used));
}

#[test]
fn submitting_reserves_the_most_units_that_the_job_can_take() {
    Chain::default().build_and_execute(|| {
        let id = submit();
        assert_eq!(job(id).reserved, RESERVED);
        assert_eq!(Reserved::get(), [(REQUESTER, RESERVED)]);
        // Neither more prompt nor more output than the context of 100.
        let terms = FakeModels::active(&MODEL).unwrap();
        assert_eq!(most_units(&terms, 1_000, 1_000), 100 + 100 * 10);
    });
}

#[test]
fn who_has_no_units_left_can_not_submit() {
    Chain::default().build_and_execute(|| {
        Budget::set(&RESERVED);
        submit();
        let another = Jobs::submit(signed(REQUESTER), OTHER, prompt(9), DecodeSettings::greedy(4), None);
        assert_noop!(another, DispatchError::Exhausted);
        assert_eq!((Jobs::waiting(OTHER), crate::NextJob::<Test>::get()), (0, 1));
    });
}

#[test]
fn a_request_that_is_refused_reserves_nothing() {
    Chain::default().build_and_execute(|| {
        MaxQueued::set(&1);
        submit();
        let settings = DecodeSettings::greedy(4);
        let refused = Jobs::submit(signed(REQUESTER), MODEL, prompt(9), settings, None);
        assert_noop!(refused, crate::Error::<Test>::QueueFull);
        assert_eq!(Reservations::get(), RESERVED);
    });
}

#[test]
fn a_settled_job_costs_the_units_of_its_answer() {
    Chain::default().build_and_execute(|| {
        let id = attested();
        assert_eq!(job(id).reserved, RESERVED);
        assert_ok!(reveal(id));
        costs(id, State::Settled, UNITS);
    });
}

#[test]
fn an_answer_that_earns_nothing_is_paid_for_all_the_same() {
    Chain::default().build_and_execute(|| {
        // Nobody else serves the model, so nobody checks the answer.
        Operators::set(&vec![1]);
        let id = auditing();
        assert_ok!(reveal(id));
        assert_eq!(job(id).units, 0);
        costs(id, State::Settled, UNITS);
    });
}

#[test]
fn a_rejected_job_costs_nothing() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let outcome = Outcome::Rejected(RejectReason::InvalidPrompt);
        let header = Header::new(honest_header(id).answer, 0, outcome, b"", &[]);
        let by = signed(hot(executor(id)));
        let seal = sealed(&SEAL, &header.root());
        let answered = Jobs::submit_result(by.clone(), id, Default::default(), 0, 0, outcome, seal);
        assert_ok!(answered);
        run_to(6);
        attest_all(id, &header);
        assert_ok!(Jobs::reveal(by, id, SEAL, header));
        costs(id, State::Rejected, 0);
    });
}

#[test]
fn a_job_taken_back_in_the_queue_costs_nothing_and_an_assigned_one_all_that_was_reserved() {
    Chain::default().build_and_execute(|| {
        let id = submit();
        assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        settled_with(0);
        let id = assigned();
        assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        costs(id, State::Cancelled, RESERVED);
    });
}

#[test]
fn a_job_that_nobody_answers_costs_nothing() {
    Chain::default().build_and_execute(|| {
        let (waiting, assigned) = (submit_to(LONELY), assigned());
        run_to(25);
        assert_eq!((state(waiting), state(assigned)), (State::Expired, State::Expired));
        settled_with(0);
    });
}

#[test]
fn a_job_that_waits_again_keeps_what_was_reserved() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        run_to(9);
        assert_eq!((state(id), job(id).reserved), (State::Queued, RESERVED));
        assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        settled_with(0);
    });
}

#[test]
fn a_voided_or_disputed_job_costs_nothing() {
    Chain::default().build_and_execute(|| {
        Operators::set(&vec![1]);
        let voided = auditing();
        run_to(10);
        costs(voided, State::Voided, 0);
        Operators::set(&vec![1, 2, 3]);
        let disputed = attested();
        run_to(System::block_number() + 4);
        costs(disputed, State::Disputed, 0);
    });
}

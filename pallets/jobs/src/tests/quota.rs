// SPDX-License-Identifier: Apache-2.0
//! What requesters pay. That it is settled exactly once is checked by the mock, and for any sequence of actions by the property tests.
use crate::{mock::*, State};
use ergon_primitives::{
    commitment::{sealed, Header, Outcome, RejectReason},
    request::DecodeSettings,
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
        assert_eq!(TERMS.bound(1_000, 1_000), 100 * 10);
        // And the block space that its life takes.
        assert_eq!(Lives::get(), [(REQUESTER, LifeWeight::get().ref_time())]);
    });
}

#[test]
fn a_requester_without_units_left_can_not_submit() {
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
        assert_eq!(job(id).credited, 0);
        costs(id, State::Unaudited, UNITS);
    });
}

#[test]
fn a_rejected_job_costs_nothing_but_its_units_come_back_only_later() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let outcome = Outcome::Rejected(RejectReason::InvalidPrompt);
        let header = Header::new(honest_header(id).answer_id, 0, outcome, b"", &[]);
        let by = signed(hot(executor(id)));
        let seal = sealed(&SEAL, &header.root());
        let answered = Jobs::submit_result(by.clone(), id, Default::default(), 0, 0, outcome, seal);
        assert_ok!(answered);
        run_to(6);
        attest_all(id, &header);
        assert_ok!(Jobs::reveal(by, id, SEAL, header));
        assert_eq!((state(id), job(id).reserved), (State::Rejected, RESERVED));
        run_to(System::block_number() + 10);
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
        let (waiting, assigned) = (submit_to(BUSY), assigned());
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
fn a_voided_or_disputed_job_costs_nothing_but_its_units_come_back_only_later() {
    Chain::default().build_and_execute(|| {
        Operators::set(&vec![1]);
        let voided = auditing();
        Operators::set(&vec![1, 2, 3]);
        run_to(12);
        assert_eq!((state(voided), job(voided).reserved), (State::Voided, RESERVED));
        run_to(21);
        assert_eq!(job(voided).reserved, RESERVED);
        run_to(22);
        costs(voided, State::Voided, 0);
        let disputed = attested();
        run_to(System::block_number() + 6);
        let since = System::block_number();
        assert_eq!((state(disputed), job(disputed).reserved), (State::Disputed, RESERVED));
        run_to(since + 9);
        assert_eq!(job(disputed).reserved, RESERVED);
        run_to(since + 10);
        costs(disputed, State::Disputed, 0);
        // They are kept as long as others: 50 blocks, and 80 of a dispute.
        run_to(61);
        assert_eq!(state(voided), State::Voided);
        run_to(62);
        assert_eq!(Jobs::job(voided), None);
        run_to(since + 79);
        assert_eq!(state(disputed), State::Disputed);
        run_to(since + 80);
        assert_eq!(Jobs::job(disputed), None);
    });
}

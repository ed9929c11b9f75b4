// SPDX-License-Identifier: Apache-2.0
//! Results of executors.
use crate::{mock::*, Answer, Error, Event, Outputs, State};
use ergon_primitives::{
    commitment::{output_hash, sealed, Outcome, RejectReason},
    request::MAX_OUTPUT_BYTES,
    H256,
};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchResult;

const REJECTED: Outcome = Outcome::Rejected(RejectReason::PromptTooLong);

/// The executor of job 0 answers.
fn result(output: &[u8], prompt_tokens: u32, output_tokens: u32, outcome: Outcome) -> DispatchResult {
    let output = output.to_vec().try_into().unwrap();
    Jobs::submit_result(
        signed(hot(executor(0))),
        0,
        output,
        prompt_tokens,
        output_tokens,
        outcome,
        H256::zero(),
    )
}

#[test]
fn an_answer_is_published_with_its_seal_and_takes_room_until_it_is_checked() {
    Chain::default().build_and_execute(|| {
        // Assigned in block 3.
        let id = assigned();
        let operator = executor(id);
        run_to(5);
        take_events();
        let seal = sealed(&SEAL, &honest_header(id).root());
        assert_ok!(answer(id));
        let published = Answer {
            prompt_tokens: 5,
            output_tokens: 2,
            outcome: COMPLETED,
            output_hash: output_hash(OUTPUT),
            sealed: seal,
            units: UNITS,
            at: 5,
            unsampled: false,
            creditable: false,
            auditors: 0,
            attested: false,
            matching: 0,
        };
        assert_eq!(job(id).answer, Some(published));
        assert_eq!(Jobs::output(id).unwrap().into_inner(), OUTPUT);
        // Auditors are drawn 3 blocks later.
        assert_eq!((state(id), job(id).since, job(id).due), (State::Answered, 5, Some(8)));
        assert_eq!(FakeWorkers::in_flight(operator), 1);
        assert!(Kept::get().is_empty(), "nothing is kept before it is checked");
        // It still has to reveal.
        assert_eq!(Jobs::jobs_of(operator), vec![id]);
        let answered = Event::Answered {
            job: id,
            operator,
            prompt_tokens: 5,
            output_tokens: 2,
            outcome: COMPLETED,
            sealed: seal,
        };
        assert_eq!(take_events(), vec![answered]);
    });
}

#[test]
fn only_the_executor_answers_and_only_once() {
    Chain::default().build_and_execute(|| {
        let id = submit();
        let header = ergon_primitives::commitment::Header::new(H256::zero(), 5, COMPLETED, OUTPUT, &[]);
        assert_noop!(answer_as(hot(1), id, &header), Error::<Test>::NotAssignedToYou);
        run_to(3);
        let operator = executor(id);
        let other = operator % 3 + 1;
        let header = honest_header(id);
        assert_noop!(answer_as(REQUESTER, id, &header), Error::<Test>::NotAWorker);
        // A cold key is no hot key.
        assert_noop!(answer_as(operator, id, &header), Error::<Test>::NotAWorker);
        assert_noop!(answer_as(hot(other), id, &header), Error::<Test>::NotAssignedToYou);
        assert_noop!(answer_as(hot(operator), id + 1, &header), Error::<Test>::UnknownJob);
        assert_ok!(answer(id));
        assert_noop!(answer(id), Error::<Test>::AlreadyAnswered);
    });
}

#[test]
fn each_wrong_result_has_its_own_error() {
    Chain::default().build_and_execute(|| {
        // The prompt has 8 bytes, `max_tokens` is 4.
        assigned();
        let too_long = vec![b'a'; MAX_OUTPUT_BYTES as usize + 1];
        assert_noop!(result(&too_long, 5, 2, COMPLETED), Error::<Test>::OutputTooLong);
        assert_noop!(result(OUTPUT, 0, 2, COMPLETED), Error::<Test>::PromptTokensOutOfRange);
        assert_noop!(result(OUTPUT, 9, 2, COMPLETED), Error::<Test>::PromptTokensOutOfRange);
        assert_noop!(result(OUTPUT, 5, 0, COMPLETED), Error::<Test>::OutputTokensOutOfRange);
        assert_noop!(result(OUTPUT, 5, 5, COMPLETED), Error::<Test>::OutputTokensOutOfRange);
        assert_noop!(result(OUTPUT, 0, 0, REJECTED), Error::<Test>::RejectionNotEmpty);
        assert_noop!(result(b"", 5, 0, REJECTED), Error::<Test>::RejectionNotEmpty);
        assert_noop!(result(b"", 0, 2, REJECTED), Error::<Test>::RejectionNotEmpty);
    });
}

#[test]
fn the_longest_answer_is_taken() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        assert_ok!(result(&vec![b'a'; MAX_OUTPUT_BYTES as usize], 8, 4, COMPLETED));
        assert_eq!(Outputs::<Test>::get(id).unwrap().len(), MAX_OUTPUT_BYTES as usize);
    });
}

#[test]
fn an_end_of_sequence_at_once_is_an_answer_without_text() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        assert_ok!(result(b"", 8, 1, COMPLETED));
        assert_eq!(state(id), State::Answered);
    });
}

#[test]
fn an_answer_in_the_last_block_before_the_deadline_counts() {
    Chain::default().build_and_execute(|| {
        // Due in block 9.
        let id = assigned();
        run_to(8);
        assert_ok!(answer(id));
        run_to(9);
        assert_eq!(state(id), State::Answered);
        assert!(Missed::get().is_empty());
    });
}

#[test]
fn tokens_that_exceed_the_context_are_refused() {
    Chain::default().build_and_execute(|| {
        let long = crate::UncheckedInput::Text(vec![b'a'; 90].try_into().unwrap());
        let settings = ergon_primitives::request::DecodeSettings::greedy(40);
        assert_ok!(Jobs::submit(signed(REQUESTER), MODEL, long, settings, None));
        run_to(3);
        assert_noop!(result(OUTPUT, 61, 40, COMPLETED), Error::<Test>::ContextExceeded);
        assert_noop!(result(OUTPUT, 90, 11, COMPLETED), Error::<Test>::ContextExceeded);
        assert_ok!(result(OUTPUT, 60, 40, COMPLETED));
        let job = job(0);
        assert_eq!((job.answer.unwrap().units, job.bound), (60 + 400, 60 + 400));
    });
}

#[test]
fn the_number_of_prompt_tokens_of_a_prompt_of_ids_is_theirs() {
    Chain::default().build_and_execute(|| {
        let ids = crate::UncheckedInput::Tokens(vec![7; 8].try_into().unwrap());
        let settings = ergon_primitives::request::DecodeSettings::greedy(4);
        assert_ok!(Jobs::submit(signed(REQUESTER), MODEL, ids, settings, None));
        run_to(3);
        for wrong in [0, 7, 9] {
            assert_noop!(
                result(OUTPUT, wrong, 2, COMPLETED),
                Error::<Test>::PromptTokensOutOfRange
            );
        }
        assert_ok!(result(OUTPUT, 8, 2, COMPLETED));
    });
}

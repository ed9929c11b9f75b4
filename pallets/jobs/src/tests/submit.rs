// SPDX-License-Identifier: Apache-2.0
//! Submitting, waiting and cancelling.
use crate::{mock::*, Error, Event, Inputs, Job, State, UncheckedInput, Waiting};
use codec::{Decode, Encode};
use ergon_primitives::{
    request::{
        prompt_hash, request_hash, DecodeSettings, Input, MAX_OUTPUT_TOKENS, MAX_PROMPT_BYTES, MAX_PROMPT_TOKENS,
    },
    H256,
};
use frame_support::{assert_noop, assert_ok};

fn text(length: u32) -> UncheckedInput {
    UncheckedInput::Text(vec![b'a'; length as usize].try_into().unwrap())
}

fn tokens(count: u32) -> UncheckedInput {
    UncheckedInput::Tokens(vec![7; count as usize].try_into().unwrap())
}

#[test]
fn a_submitted_job_waits_for_an_executor() {
    Chain::default().build_and_execute(|| {
        assert_ok!(Jobs::submit(
            signed(REQUESTER),
            MODEL,
            text(3),
            DecodeSettings::greedy(9),
            Some(5)
        ));
        let input = Input::Text(b"aaa".to_vec().try_into().unwrap());
        let expected = Job {
            requester: REQUESTER,
            newcomer: false,
            model: MODEL,
            terms: TERMS,
            request_hash: request_hash(&MODEL, &input, &DecodeSettings::greedy(9)),
            prompt_hash: prompt_hash(&MODEL, &input),
            settings: DecodeSettings::greedy(9),
            seed: Some(5),
            max_prompt_tokens: 3,
            is_tokenized: false,
            // 3 prompt tokens of 1 and 9 output tokens of 10.
            bound: 93,
            reserved: 93,
            submitted: 1,
            state: State::Queued,
            since: 1,
            due: Some(3),
            sampling_key: None,
            executor: None,
            room: 0,
            missed: Default::default(),
            answer: None,
            credited: 0,
        };
        assert_eq!(Jobs::job(0), Some(expected));
        assert_eq!(Jobs::input(0), Some(input));
        assert_eq!(Jobs::waiting(MODEL), 1);
        assert_eq!(
            take_events(),
            vec![Event::Submitted {
                job: 0,
                model: MODEL,
                requester: REQUESTER
            }]
        );
    });
}

#[test]
fn the_longest_prompts_are_taken() {
    Chain::default().build_and_execute(|| {
        assert_ok!(Jobs::submit(
            signed(REQUESTER),
            MODEL,
            text(MAX_PROMPT_BYTES),
            DecodeSettings::greedy(1),
            None
        ));
        assert_ok!(Jobs::submit(
            signed(REQUESTER),
            MODEL,
            tokens(MAX_PROMPT_TOKENS),
            DecodeSettings::greedy(1),
            None
        ));
        assert_eq!(job(0).max_prompt_tokens, MAX_PROMPT_BYTES);
        assert_eq!(job(1).max_prompt_tokens, MAX_PROMPT_TOKENS);
    });
}

#[test]
fn each_wrong_request_has_its_own_error() {
    Chain::default().build_and_execute(|| {
        let greedy = || DecodeSettings::greedy(4);
        let submit = |model, input, settings| Jobs::submit(signed(REQUESTER), model, input, settings, None);
        assert_noop!(submit(H256::zero(), text(1), greedy()), Error::<Test>::UnknownModel);
        abandon(OTHER);
        assert_noop!(submit(OTHER, text(1), greedy()), Error::<Test>::NobodyServes);
        assert_noop!(
            submit(MODEL, text(MAX_PROMPT_BYTES + 1), greedy()),
            Error::<Test>::PromptTooLong
        );
        assert_noop!(
            submit(MODEL, tokens(MAX_PROMPT_TOKENS + 1), greedy()),
            Error::<Test>::PromptTooLong
        );
        assert_noop!(submit(MODEL, text(0), greedy()), Error::<Test>::EmptyPrompt);
        assert_noop!(submit(MODEL, tokens(0), greedy()), Error::<Test>::EmptyPrompt);
        for max_tokens in [0, MAX_OUTPUT_TOKENS + 1] {
            assert_noop!(
                submit(MODEL, text(1), DecodeSettings::greedy(max_tokens)),
                Error::<Test>::MaxTokensOutOfRange
            );
        }
        let top_k = DecodeSettings { top_k: 0, ..greedy() };
        assert_noop!(submit(MODEL, text(1), top_k), Error::<Test>::TopKOutOfRange);
        let top_p = DecodeSettings {
            top_p_milli: 1001,
            ..greedy()
        };
        assert_noop!(submit(MODEL, text(1), top_p), Error::<Test>::TopPOutOfRange);
        let stop = DecodeSettings {
            stop: vec![Default::default()].try_into().unwrap(),
            ..greedy()
        };
        assert_noop!(submit(MODEL, text(1), stop), Error::<Test>::EmptyStopString);
    });
}

#[test]
fn a_call_is_encoded_like_one_with_a_checked_prompt() {
    // So that clients may encode the prompt by either type.
    let unchecked = text(20);
    let checked = Input::decode(&mut &unchecked.encode()[..]).unwrap();
    assert_eq!(Input::try_from(unchecked).unwrap(), checked);
    let unchecked = tokens(20);
    let checked = Input::decode(&mut &unchecked.encode()[..]).unwrap();
    assert_eq!(Input::try_from(unchecked).unwrap(), checked);
}

#[test]
fn a_full_queue_takes_no_more_until_a_job_leaves() {
    Chain::default().build_and_execute(|| {
        // A tenth of the places is for newcomers.
        let jobs: Vec<_> = (0..MaxQueued::get() * 9 / 10).map(|_| submit()).collect();
        let more = || Jobs::submit(signed(REQUESTER), MODEL, text(1), DecodeSettings::greedy(1), None);
        assert_noop!(more(), Error::<Test>::QueueFull);
        // Another model has a queue of its own.
        submit_to(OTHER);
        assert_ok!(Jobs::cancel(signed(REQUESTER), jobs[2]));
        assert_ok!(more());
        assert_noop!(more(), Error::<Test>::QueueFull);
    });
}

#[test]
fn jobs_leave_the_queue_from_any_place() {
    Chain::default().build_and_execute(|| {
        for leaving in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3], [2, 0, 3, 1]] {
            Places::set(&0);
            let jobs: Vec<_> = (0..4).map(|number| submit_by(REQUESTER + number % 2, MODEL)).collect();
            // Whether they wait for the delay or for their turn.
            run_to(System::block_number() + leaving[0] as u64);
            for (left, index) in leaving.into_iter().enumerate() {
                assert_eq!(Jobs::waiting(MODEL), 4 - left as u32);
                assert_ok!(Jobs::cancel(signed(REQUESTER + index as u64 % 2), jobs[index]));
                check_invariants();
            }
            assert!(Waiting::<Test>::get().is_empty());
        }
    });
}

#[test]
fn a_requester_cancels_until_the_job_is_answered() {
    Chain::default().build_and_execute(|| {
        let queued = submit();
        take_events();
        assert_noop!(Jobs::cancel(signed(REQUESTER + 1), queued), Error::<Test>::NotRequester);
        assert_noop!(Jobs::cancel(signed(REQUESTER), queued + 1), Error::<Test>::UnknownJob);
        assert_ok!(Jobs::cancel(signed(REQUESTER), queued));
        assert_eq!(take_events(), vec![Event::Cancelled { job: queued }]);
        assert_noop!(Jobs::cancel(signed(REQUESTER), queued), Error::<Test>::UnknownJob);

        let running = assigned();
        let operator = executor(running);
        assert_eq!(FakeWorkers::in_flight(operator), 1);
        assert_ok!(Jobs::cancel(signed(REQUESTER), running));
        assert_eq!(FakeWorkers::in_flight(operator), 0);
        assert!(Jobs::jobs_of(operator).is_empty());
        assert!(Missed::get().is_empty());
        assert_eq!(state(running), State::Cancelled);
        assert_noop!(Jobs::cancel(signed(REQUESTER), running), Error::<Test>::TooLateToCancel);
        assert_noop!(
            answer_as(hot(operator), running, &honest_header(running)),
            Error::<Test>::WrongState
        );

        let answered = assigned();
        assert_ok!(answer(answered));
        assert_noop!(
            Jobs::cancel(signed(REQUESTER), answered),
            Error::<Test>::TooLateToCancel
        );
    });
}

#[test]
fn a_job_that_is_cancelled_before_it_has_an_executor_leaves_no_trace() {
    Chain::default().build_and_execute(|| {
        let entries = || {
            let count = |prefix: &[u8]| {
                let mut key = prefix.to_vec();
                std::iter::from_fn(|| {
                    key = sp_io::storage::next_key(&key).filter(|next| next.starts_with(prefix))?;
                    Some(())
                })
                .count()
            };
            count(&frame_support::storage::storage_prefix(b"Jobs", b"")[..16])
        };
        // Also a job that an executor let wait: missed in block 9.
        let missed = assigned();
        run_to(9);
        assert_eq!(state(missed), State::Queued);
        let before = entries();
        let id = submit();
        assert!(entries() > before);
        assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        assert_eq!(entries(), before);
        assert_ok!(Jobs::cancel(signed(REQUESTER), missed));
        assert_eq!(Jobs::job(missed), None);
        take_events();
        run_to(100);
        assert!(take_events().is_empty());
    });
}

#[test]
fn a_job_is_forgotten_with_its_prompt_after_the_retention() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        // Cancelled in block 3, kept for 50 blocks.
        assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        run_to(52);
        assert_eq!(state(id), State::Cancelled);
        take_events();
        run_to(53);
        assert_eq!(take_events(), vec![Event::Pruned { job: id }]);
        assert_eq!(Jobs::job(id), None);
        assert!(!Inputs::<Test>::contains_key(id));
        assert_noop!(Jobs::cancel(signed(REQUESTER), id), Error::<Test>::UnknownJob);
    });
}

// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::{cpu::CpuBackend, model::TokenTable, testing};
use ergon_exact::sampling::{sample, Settings};
use ergon_primitives::{commitment::StopReason, request::MAX_OUTPUT_BYTES};
use proptest::prelude::*;
use std::sync::Arc;

fn go(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Backend of a random model whose token `id` stands for `text(id)`, without end-of-sequence tokens.
fn backend(text: impl Fn(u32) -> Vec<u8>) -> CpuBackend {
    let mut model = testing::model(testing::DIMENSIONS, true, 1);
    let texts: Vec<Vec<u8>> = (0..256).map(text).collect();
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as u32;
        Some(*end)
    });
    model.tokens = TokenTable::new(texts.concat(), std::iter::once(0).chain(ends).collect()).unwrap();
    model.manifest.end_of_sequence = Default::default();
    CpuBackend::new(Arc::new(model))
}

fn bytes() -> CpuBackend {
    backend(|id| vec![id as u8])
}

fn request(prompt: &[u32], max_tokens: u32) -> Request {
    Request {
        prompt: prompt.to_vec(),
        settings: DecodeSettings::greedy(max_tokens),
        sampling_key: H256::zero(),
    }
}

fn sampled(prompt: &[u32], max_tokens: u32, key: u8) -> Request {
    let mut request = request(prompt, max_tokens);
    request.settings = DecodeSettings {
        temperature_milli: 900,
        top_k: 40,
        top_p_milli: 950,
        ..request.settings
    };
    Request {
        sampling_key: H256::repeat_byte(key),
        ..request
    }
}

fn run(backend: &CpuBackend, request: &Request) -> Execution {
    execute(backend, request, &[], &mut go).unwrap()
}

#[test]
fn tokens_and_leaves_are_those_of_the_reference_model() {
    let backend = bytes();
    let request = sampled(&[9, 8, 7], 20, 1);
    let answer = run(&backend, &request);
    let all: Vec<u32> = request.prompt.iter().chain(&answer.tokens).copied().collect();
    let positions = testing::reference(backend.model(), &all[..all.len() - 1]);
    for (i, leaf) in answer.leaves.iter().enumerate() {
        let at = &positions[2 + i];
        let settings = Settings {
            temperature_milli: 900,
            top_k: 40,
            top_p_milli: 950,
        };
        let draw = draw(&request.sampling_key, i as u32);
        let logits = at.logits.as_ref().unwrap();
        assert_eq!(leaf.token, sample(&logits.mantissas, logits.exponent, settings, draw));
        assert_eq!(
            (leaf.position, leaf.token, leaf.hidden),
            (i as u32, answer.tokens[i], at.hidden.hash())
        );
    }
    assert_eq!((answer.tokens.len(), answer.prompt_tokens), (20, 3));
    assert_eq!(answer.outcome, Outcome::Completed(StopReason::Length));
    let text: Vec<u8> = answer.tokens.iter().map(|token| *token as u8).collect();
    assert_eq!(answer.output, text);
}

#[test]
fn the_key_decides_what_is_sampled() {
    let backend = bytes();
    assert_eq!(
        run(&backend, &sampled(&[5], 16, 1)),
        run(&backend, &sampled(&[5], 16, 1))
    );
    assert_ne!(
        run(&backend, &sampled(&[5], 16, 1)).tokens,
        run(&backend, &sampled(&[5], 16, 2)).tokens
    );
    let greedy = |key| Request {
        sampling_key: H256::repeat_byte(key),
        ..request(&[5], 16)
    };
    assert_eq!(run(&backend, &greedy(1)), run(&backend, &greedy(2)));
}

#[test]
fn no_hint_changes_an_answer() {
    let backend = bytes();
    for request in [request(&[1, 2, 3, 4, 5], 24), sampled(&[1], 24, 3)] {
        let answer = run(&backend, &request);
        let right = answer.tokens.clone();
        let mut hints = vec![
            right.clone(),
            right[..7].to_vec(),
            [&right[..], &[1, 2, 3]].concat(),
            vec![0; 300],
        ];
        hints.push(vec![u32::MAX; 5]);
        hints.push([&right[..9], &[u32::MAX, 4]].concat());
        for wrong in [0, 1, 11, 22, 23] {
            let mut hint = right.clone();
            hint[wrong] = (hint[wrong] + 1) % 256;
            hints.push(hint);
        }
        for hint in hints {
            assert_eq!(execute(&backend, &request, &hint, &mut go).unwrap(), answer, "{hint:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn hints_that_are_partly_right_change_nothing(seed in any::<u64>(), prompt in 1usize..20, flips in prop::collection::vec(0usize..30, 0..4)) {
        let backend = bytes();
        let request = sampled(&testing::Random::new(seed).tokens(prompt, 256), 30, 4);
        let answer = run(&backend, &request);
        let mut hint = answer.tokens.clone();
        flips.iter().for_each(|flip| hint[*flip] = (hint[*flip] + 7) % 256);
        prop_assert_eq!(execute(&backend, &request, &hint, &mut go).unwrap(), answer);
    }
}

#[test]
fn a_right_hint_needs_one_prefill_only() {
    let backend = bytes();
    let request = request(&[1, 2, 3], 40);
    let answer = run(&backend, &request);
    let mut calls = 0;
    let mut count = |_: Progress<'_>| {
        calls += 1;
        ControlFlow::Continue(())
    };
    execute(&backend, &request, &answer.tokens, &mut count).unwrap();
    // The call that ends the answer isn't reported.
    assert_eq!(calls, 0);
}

#[test]
fn a_prompt_longer_than_a_chunk_gives_the_same_answer_with_and_without_a_hint() {
    let mut dimensions = testing::DIMENSIONS;
    dimensions.context = 700;
    let backend = CpuBackend::new(Arc::new(testing::model(dimensions, true, 2)));
    let request = sampled(&testing::Random::new(8).tokens(CHUNK + 40, 256), 300, 5);
    let answer = run(&backend, &request);
    assert!(
        answer.tokens.len() > CHUNK - 40,
        "the answer must cross a chunk for this test"
    );
    for hint in [&answer.tokens[..], &answer.tokens[..CHUNK - 40], &answer.tokens[..100]] {
        assert_eq!(execute(&backend, &request, hint, &mut go).unwrap(), answer);
    }
    let all: Vec<u32> = request.prompt.iter().chain(&answer.tokens).copied().collect();
    let positions = testing::reference(backend.model(), &all[..all.len() - 1]);
    assert_eq!(
        answer.leaves.last().unwrap().hidden,
        positions.last().unwrap().hidden.hash()
    );
}

#[test]
fn an_end_of_sequence_token_is_the_last_leaf_and_no_text() {
    let plain = bytes();
    let request = request(&[7, 7], 30);
    let free = run(&plain, &request);
    let end = free.tokens[5];
    let first = free.tokens.iter().position(|token| *token == end).unwrap();
    let mut model = (**plain.model()).clone();
    model.manifest.end_of_sequence = vec![end].try_into().unwrap();
    let answer = run(&CpuBackend::new(Arc::new(model)), &request);
    assert_eq!(answer.outcome, Outcome::Completed(StopReason::EndOfSequence));
    assert_eq!(answer.tokens, free.tokens[..=first]);
    assert_eq!(answer.leaves, free.leaves[..=first]);
    assert_eq!(answer.output, free.output[..first]);
}

fn with_stops(base: &Request, stops: &[&[u8]]) -> Request {
    let mut request = base.clone();
    for stop in stops {
        request
            .settings
            .stop
            .try_push(stop.to_vec().try_into().unwrap())
            .unwrap();
    }
    request
}

#[test]
fn the_output_ends_before_the_stop_string_that_begins_first() {
    // Each token is four bytes, so stop strings begin and end inside of tokens.
    let backend = backend(|id| format!("<{id:02x}>").into_bytes());
    let base = sampled(&[3], 12, 6);
    let free = run(&backend, &base);
    let text = free.output.clone();
    let long = &text[9..15];
    let at = text.windows(6).position(|window| window == long).unwrap();
    let stopped = run(&backend, &with_stops(&base, &[b"zz", long]));
    assert_eq!(
        stopped.outcome,
        Outcome::Completed(StopReason::StopString { at: at as u32 })
    );
    assert_eq!(stopped.output, text[..at]);
    assert_eq!(stopped.leaves, free.leaves[..(at + 6).div_ceil(4)]);
    // Both end in the same token; the one that begins first counts, whatever the order.
    let (early, late) = (&text[13..15], &text[14..16]);
    let both = run(&backend, &with_stops(&base, &[late, early]));
    assert_eq!(both, run(&backend, &with_stops(&base, &[early, late])));
    let Outcome::Completed(StopReason::StopString { at }) = both.outcome else {
        panic!("{both:?}")
    };
    assert_eq!(both.output, text[..at as usize]);
    assert!(text[at as usize..].starts_with(early) || text[at as usize..].starts_with(late));
}

#[test]
fn a_stop_string_is_found_with_every_hint() {
    let backend = bytes();
    let base = sampled(&[3, 1], 40, 7);
    let free = run(&backend, &base);
    let request = with_stops(&base, &[&free.output[18..20]]);
    let answer = run(&backend, &request);
    assert!(matches!(
        answer.outcome,
        Outcome::Completed(StopReason::StopString { .. })
    ));
    for hint in [&free.tokens[..], &free.tokens[..19], &free.tokens[..20], &answer.tokens] {
        assert_eq!(execute(&backend, &request, hint, &mut go).unwrap(), answer);
    }
}

#[test]
fn text_is_cut_at_the_longest_output() {
    let backend = backend(|_| vec![b'x'; 1000]);
    let answer = run(&backend, &request(&[1], 100));
    assert_eq!(answer.outcome, Outcome::Completed(StopReason::Length));
    assert_eq!(
        (answer.output.len(), answer.tokens.len()),
        (MAX_OUTPUT_BYTES as usize, 17)
    );
}

#[test]
fn the_context_bounds_the_answer() {
    let backend = bytes();
    let prompt = testing::Random::new(9).tokens(250, 256);
    assert_eq!(run(&backend, &request(&prompt, 100)).tokens.len(), 6);
    let prompt = testing::Random::new(9).tokens(255, 256);
    assert_eq!(run(&backend, &request(&prompt, 100)).tokens.len(), 1);
}

#[test]
fn prompts_that_can_not_be_answered_are_rejected() {
    let backend = bytes();
    let too_long = run(&backend, &request(&[1; 256], 1));
    assert_eq!(too_long, Execution::rejected(RejectReason::PromptTooLong, 256));
    for prompt in [&[][..], &[1, 256, 2]] {
        let answer = run(&backend, &request(prompt, 1));
        assert_eq!(
            answer,
            Execution::rejected(RejectReason::InvalidPrompt, prompt.len() as u32)
        );
    }
    let refused = execute(&backend, &request(&[1], 0), &[], &mut go);
    assert!(matches!(
        refused,
        Err(GenerateError::Settings(SettingsError::MaxTokens))
    ));
}

#[test]
fn an_execution_can_be_cancelled_between_tokens() {
    let backend = bytes();
    let mut stop_at_5 = |progress: Progress<'_>| {
        if progress.tokens.len() == 5 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    assert!(matches!(
        execute(&backend, &request(&[1], 50), &[], &mut stop_at_5),
        Err(GenerateError::Cancelled)
    ));
}

#[test]
fn what_may_begin_a_stop_string_is_not_shown_before_it_is_settled() {
    let backend = bytes();
    let base = sampled(&[3, 1], 40, 7);
    let free = run(&backend, &base);
    let request = with_stops(&base, &[&free.output[10..14], &free.output[12..16]]);
    let mut shown = Vec::new();
    let mut collect = |progress: Progress<'_>| {
        assert!(progress.output.starts_with(&shown), "shown text never changes");
        shown = progress.output.to_vec();
        ControlFlow::Continue(())
    };
    let answer = execute(&backend, &request, &[], &mut collect).unwrap();
    assert_eq!(
        shown, answer.output,
        "the stop string, which began to appear, was never shown"
    );
}

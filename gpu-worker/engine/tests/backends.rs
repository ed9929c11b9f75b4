// SPDX-License-Identifier: Apache-2.0
//! Whole generations of small random models: every backend and adapter gives the bits of `ergon_exact`, however a sequence is cut.

use ergon_engine::{
    backend::{Backend, Error, Position, Run, PAGE},
    cpu::CpuBackend,
    gpu::{testing::vulkan_adapters, WgpuBackend},
    model::Model,
    testing::{model, model_of, reference, Random, DIMENSIONS},
};
use ergon_primitives::manifest::{Architecture, Dimensions};
use std::sync::Arc;

/// Every size but the context is off the multiples that kernels like: 16 columns, 32 rows, powers of two.
const ODD: Dimensions = Dimensions {
    layers: 2,
    hidden: 36,
    feed_forward: 52,
    heads: 6,
    kv_heads: 3,
    head_dim: 12,
    vocabulary: 76,
    context: 160,
};

fn outputs(backend: &dyn Backend, tokens: &[u32], cuts: &[usize]) -> Vec<Position> {
    let mut sequence = backend.sequence(tokens.len()).unwrap();
    let mut rest = tokens;
    let mut outputs = Vec::new();
    for cut in cuts {
        let (head, tail) = rest.split_at(*cut);
        outputs.extend(sequence.forward(head, head.len()).unwrap());
        rest = tail;
    }
    outputs.extend(sequence.forward(rest, rest.len()).unwrap());
    outputs
}

fn backends(dimensions: Dimensions, tied: bool) -> Vec<Box<dyn Backend>> {
    backends_of(model(dimensions, tied, 7))
}

fn backends_of(model: Model) -> Vec<Box<dyn Backend>> {
    let model = Arc::new(model);
    let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(CpuBackend::new(model.clone()))];
    for adapter in vulkan_adapters() {
        backends.push(Box::new(WgpuBackend::new(model.clone(), &adapter).unwrap()));
    }
    backends
}

#[test]
fn every_backend_equals_the_reference_however_a_sequence_is_cut() {
    for (dimensions, tied) in [(DIMENSIONS, true), (ODD, false)] {
        let tokens = Random::new(1).tokens(150, dimensions.vocabulary);
        let expected = reference(&model(dimensions, tied, 7), &tokens);
        for backend in backends(dimensions, tied) {
            for cuts in [&[][..], &[1; 20], &[2, 3, 4, 5, 6, 7], &[64, 63], &[149]] {
                let found = outputs(&*backend, &tokens, cuts);
                let differing = found.iter().zip(&expected).position(|(a, b)| a != b);
                assert_eq!(differing, None, "{} cut at {cuts:?}", backend.name());
                assert_eq!(found.len(), expected.len());
            }
        }
    }
}

#[test]
fn biases_and_norms_of_heads_equal_the_reference_on_every_backend() {
    for (architecture, dimensions) in [
        (Architecture::Qwen2, DIMENSIONS),
        (Architecture::Qwen2, ODD),
        (Architecture::Qwen3, DIMENSIONS),
        (Architecture::Qwen3, ODD),
    ] {
        let model = model_of(architecture, dimensions, dimensions == ODD, 7);
        let tokens = Random::new(3).tokens(70, dimensions.vocabulary);
        let expected = reference(&model, &tokens);
        for backend in backends_of(model) {
            for cuts in [&[][..], &[1; 10], &[64]] {
                assert!(
                    outputs(&*backend, &tokens, cuts) == expected,
                    "{architecture:?} on {} cut at {cuts:?}",
                    backend.name()
                );
            }
        }
    }
}

#[test]
fn a_truncated_sequence_continues_as_if_nothing_had_followed() {
    let tokens = Random::new(2).tokens(40, DIMENSIONS.vocabulary);
    let expected = reference(&model(DIMENSIONS, true, 7), &tokens);
    for backend in backends(DIMENSIONS, true) {
        let mut sequence = backend.sequence(64).unwrap();
        sequence.forward(&tokens[..20], 0).unwrap();
        sequence.forward(&[1; 30], 3).unwrap();
        sequence.truncate(20);
        sequence.truncate(50);
        assert_eq!(sequence.len(), 20);
        let found = sequence.forward(&tokens[20..], 2).unwrap();
        assert_eq!(found, expected[38..], "{}", backend.name());
    }
}

#[test]
fn what_does_not_fit_a_sequence_is_refused_and_changes_nothing() {
    for backend in backends(DIMENSIONS, true) {
        let mut sequence = backend.sequence(4).unwrap();
        let before = sequence.forward(&[5, 6, 7], 1).unwrap();
        let refused = [
            sequence.forward(&[256], 0),
            sequence.forward(&[1, 2], 0),
            sequence.forward(&[1], 2),
        ];
        assert!(matches!(refused[0], Err(Error::UnknownToken { token: 256, .. })));
        assert!(matches!(refused[1], Err(Error::CacheFull { needed: 5, capacity: 4 })));
        assert!(matches!(refused[2], Err(Error::Outputs { wanted: 2, tokens: 1 })));
        assert_eq!(sequence.len(), 3);
        sequence.truncate(2);
        assert_eq!(sequence.forward(&[7], 1).unwrap(), before, "{}", backend.name());
        assert!(matches!(
            backend.sequence(257),
            Err(Error::CacheFull {
                needed: 257,
                capacity: 256
            })
        ));
        assert!(backend.sequence(0).unwrap().forward(&[], 0).unwrap().is_empty());
    }
}

#[test]
fn sequences_of_one_backend_run_side_by_side() {
    let model = model(DIMENSIONS, true, 7);
    let tokens = [3, 4].map(|seed| Random::new(seed).tokens(30, DIMENSIONS.vocabulary));
    let expected = tokens.each_ref().map(|tokens| reference(&model, tokens));
    for backend in backends(DIMENSIONS, true) {
        std::thread::scope(|scope| {
            for (tokens, expected) in tokens.iter().zip(&expected) {
                let backend = &*backend;
                scope.spawn(move || {
                    // Each ends some of its passes while the other waits for the same device.
                    for _ in 0..5 {
                        assert!(outputs(backend, tokens, &[1; 20]) == *expected, "{}", backend.name());
                    }
                });
            }
        });
    }
}

/// A sequence that shares a cache with others.
struct Shared {
    tokens: Vec<u32>,
    pages: Vec<u32>,
    done: usize,
    expected: Vec<Position>,
}

#[test]
fn sequences_in_one_batch_give_what_each_gives_alone() {
    for (dimensions, tied) in [(DIMENSIONS, true), (ODD, false)] {
        let model = model(dimensions, tied, 7);
        for backend in backends(dimensions, tied) {
            let random = &mut Random::new(11);
            let mut pages: Vec<u32> = (0..20).collect();
            let mut cache = backend.cache(pages.len()).unwrap();
            let mut sequences: Vec<Shared> = [1, 31, 33, 64, 90, 150]
                .map(|len| {
                    let tokens = random.tokens(len, dimensions.vocabulary);
                    // Any pages, in any order.
                    let count = len.div_ceil(PAGE);
                    let pages = (0..count).map(|_| pages.swap_remove(random.next() as usize % pages.len()));
                    Shared {
                        pages: pages.collect(),
                        done: 0,
                        expected: reference(&model, &tokens),
                        tokens,
                    }
                })
                .into();
            while sequences.iter().any(|s| s.done < s.tokens.len()) {
                // Some wait, some decode, some take a chunk; now and then one takes more than fits a pass of a device.
                let most = [0, 1, 1, 7, 80];
                let runs: Vec<Run<'_>> = sequences
                    .iter()
                    .map(|s| {
                        let count = most[random.next() as usize % most.len()].min(s.tokens.len() - s.done);
                        Run {
                            pages: &s.pages,
                            first: s.done,
                            tokens: &s.tokens[s.done..s.done + count],
                            wanted: random.next() as usize % (count + 1),
                            logits: random.next().is_multiple_of(2),
                        }
                    })
                    .collect();
                let outputs = cache.forward(&runs).unwrap();
                let ends: Vec<usize> = runs.iter().map(|run| run.first + run.tokens.len()).collect();
                let wanted: Vec<(usize, bool)> = runs.iter().map(|run| (run.wanted, run.logits)).collect();
                for (i, s) in sequences.iter_mut().enumerate() {
                    s.done = ends[i];
                    let (wanted, logits) = wanted[i];
                    let mut expected = s.expected[ends[i] - wanted..ends[i]].to_vec();
                    if !logits {
                        expected.iter_mut().for_each(|position| position.logits = None);
                    }
                    assert!(outputs[i] == expected, "{}", backend.name());
                }
            }
        }
    }
}

#[test]
fn sequences_may_share_the_pages_of_a_common_beginning() {
    let model = model(DIMENSIONS, true, 7);
    let tokens = Random::new(12).tokens(2 * PAGE + 5, DIMENSIONS.vocabulary);
    let one = reference(&model, &tokens);
    for backend in backends(DIMENSIONS, true) {
        let mut cache = backend.cache(4).unwrap();
        let run = |pages, first, tokens| Run {
            pages,
            first,
            tokens,
            wanted: 1,
            logits: true,
        };
        cache.forward(&[run(&[3, 0, 1], 0, &tokens)]).unwrap();
        let mut other = tokens.clone();
        other[2 * PAGE] ^= 1;
        let expected = reference(&model, &other);
        // Both read pages 3 and 0 at once.
        let outputs = cache
            .forward(&[
                run(&[3, 0, 2], 2 * PAGE, &other[2 * PAGE..]),
                run(&[3, 0, 1], 2 * PAGE + 4, &tokens[2 * PAGE + 4..]),
            ])
            .unwrap();
        assert_eq!(outputs[0][0], expected[2 * PAGE + 4], "{}", backend.name());
        assert_eq!(outputs[1][0], one[2 * PAGE + 4], "{}", backend.name());
    }
}

#[test]
fn a_batch_with_a_run_that_does_not_fit_its_pages_is_refused() {
    for backend in backends(DIMENSIONS, true) {
        let mut cache = backend.cache(2).unwrap();
        let tokens = [1; PAGE + 1];
        let mut refused = |pages: &[u32], first, count| {
            let run = Run {
                pages,
                first,
                tokens: &tokens[..count],
                wanted: 0,
                logits: false,
            };
            cache.forward(&[run]).unwrap_err()
        };
        assert!(matches!(refused(&[2], 0, 1), Error::UnknownPage { page: 2, pages: 2 }));
        let full = refused(&[1], 0, PAGE + 1);
        assert!(
            matches!(
                full,
                Error::CacheFull {
                    needed: 33,
                    capacity: PAGE
                }
            ),
            "{full}"
        );
        let full = refused(&[0; 9], 256, 1);
        assert!(
            matches!(
                full,
                Error::CacheFull {
                    needed: 257,
                    capacity: 256
                }
            ),
            "{full}"
        );
    }
}

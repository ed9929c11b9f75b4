// SPDX-License-Identifier: Apache-2.0
//! Whole generations of small random models: every backend and adapter gives the bits of `ergon_exact`, however a sequence is cut.

use ergon_engine::{
    backend::{Backend, Error, Position},
    cpu::CpuBackend,
    gpu::{testing::vulkan_adapters, WgpuBackend},
    testing::{model, reference, Random, DIMENSIONS},
};
use ergon_primitives::manifest::Dimensions;
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
    let model = Arc::new(model(dimensions, tied, 7));
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
            sequence.forward(&[1, 256], 0),
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

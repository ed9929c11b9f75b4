// SPDX-License-Identifier: Apache-2.0
//! Tiny models of every decoder architecture: imported, their logits are those of double precision within a bound, and each part that an
//! architecture has counts.
use super::{
    float, gguf_file,
    tiny::{gguf, Tiny},
    try_import,
};
use ergon_engine::{
    cpu::CpuBackend,
    testing::{reference, Random},
    Backend, Model,
};
use ergon_primitives::manifest::Architecture;
use std::sync::Arc;

/// Most that the logits may err, root of the mean square relative to their size: int8 weights, keys and values err by some 0.4 % each, and the
/// steep softmax of random weights makes more of it.
const BOUND: f64 = 0.04;

fn imported(tiny: &Tiny) -> Model {
    let (_keep, path) = gguf_file(&gguf(&tiny.entries(), &tiny.gguf_tensors()));
    let (manifest, model) = try_import(&path).unwrap();
    assert_eq!(manifest.architecture, tiny.architecture);
    model
}

fn relative_error(found: &[Vec<f64>], exact: &[Vec<f64>]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let pairs = found.iter().flatten().zip(exact.iter().flatten());
    let error = squares(&mut pairs.map(|(found, exact)| found - exact));
    (error / squares(&mut exact.iter().flatten().copied())).sqrt()
}

#[test]
fn logits_of_an_imported_model_are_those_of_double_precision_within_what_int8_costs() {
    for (architecture, tied) in [
        (Architecture::Llama, true),
        (Architecture::Qwen2, true),
        (Architecture::Qwen2, false),
        (Architecture::Qwen3, true),
    ] {
        let tiny = Tiny {
            tied,
            ..Tiny::of(architecture, 11)
        };
        let model = imported(&tiny);
        let tokens = Random::new(12).tokens(40, 250);
        let positions = reference(&model, &tokens);
        let mut sequence = CpuBackend::new(Arc::new(model)).sequence(tokens.len()).unwrap();
        assert!(
            sequence.forward(&tokens, tokens.len()).unwrap() == positions,
            "{architecture:?}"
        );
        let found: Vec<Vec<f64>> = positions
            .iter()
            .map(|position| {
                let logits = position.logits.as_ref().unwrap();
                let unit = f64::from(logits.exponent).exp2();
                logits
                    .mantissas
                    .iter()
                    .map(|mantissa| f64::from(*mantissa) * unit)
                    .collect()
            })
            .collect();
        let tensors = tiny.tensors();
        let error = relative_error(&found, &float::logits(&tiny, &tensors, &tokens));
        assert!(error < BOUND, "{architecture:?}: {error}");

        for part in ["q.bias", "k.bias", "v.bias", "q_norm", "k_norm"] {
            let mut without = tiny.tensors();
            without.retain(|name, _| !name.ends_with(part));
            if without.len() < tensors.len() {
                let error = relative_error(&found, &float::logits(&tiny, &without, &tokens));
                assert!(error > 3.0 * BOUND, "{architecture:?} without {part}: {error}");
            }
        }
    }
}

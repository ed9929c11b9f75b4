// SPDX-License-Identifier: Apache-2.0
//! A whole generation of the real model: prefill of 64 tokens and 32 decoded ones have the same bits on the CPU and on every Vulkan adapter,
//! however the prompt is cut.
mod common;

use ergon_engine::{
    artifact::{Artifact, Verify},
    backend::{Backend, Position},
    cpu::CpuBackend,
    gpu::{testing::vulkan_adapters, WgpuBackend},
    tokenizer::Tokenizer,
    Model,
};
use std::sync::Arc;

const PROMPT: usize = 64;
const DECODED: usize = 32;

const TEXT: &str = "The river had risen in the night. By morning the lower fields were a grey lake, and the fence posts stood out \
    of it like the masts of small ships. Nobody in the village could remember water so high in June, and the old men, who \
    remembered everything, sat on the wall by the church and argued about the year 1947. What they agreed on in the end was";

/// Greedy generation with the prompt cut as `cuts` says: what the prompt's last token gives, then what each of `decoded` tokens does.
fn generate(backend: &dyn Backend, prompt: &[u32], cuts: &[usize], decoded: usize) -> Vec<Position> {
    let mut sequence = backend.sequence(PROMPT + decoded).unwrap();
    let (mut outputs, mut start) = (Vec::new(), 0);
    for cut in cuts {
        outputs = sequence.forward(&prompt[start..start + cut], 1).unwrap();
        start += cut;
    }
    for _ in 0..decoded {
        let token = outputs.last().expect("one is wanted").likeliest;
        outputs.extend(sequence.forward(&[token], 1).unwrap());
    }
    outputs
}

#[test]
fn a_generation_of_the_real_model_has_the_same_bits_on_every_backend() {
    let Some(path) = common::real_model() else {
        return;
    };
    let model: Arc<Model> = Arc::new(Artifact::load(&path, Verify::Skip).unwrap());
    let mut prompt = Tokenizer::from_json(model.tokenizer.as_bytes())
        .unwrap()
        .encode(TEXT)
        .unwrap();
    prompt.truncate(PROMPT);
    let cpu = CpuBackend::new(model.clone());
    let expected = generate(&cpu, &prompt, &[PROMPT], DECODED);
    assert_eq!(expected.len(), 1 + DECODED);
    let recut = generate(&cpu, &prompt, &[1, 30, 33], DECODED);
    assert!(recut == expected, "{} differs", cpu.name());
    for adapter in vulkan_adapters() {
        let backend = WgpuBackend::new(model.clone(), &adapter).unwrap();
        let whole = generate(&backend, &prompt, &[PROMPT], DECODED);
        assert!(whole == expected, "{} differs", backend.name());
        // The cache is the same if a few tokens after it are.
        let recut = generate(&backend, &prompt, &[2, 41, 1, 20], 2);
        assert!(recut == expected[..3], "{} differs with the prompt cut", backend.name());
    }
}

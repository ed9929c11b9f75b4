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
use ergon_exact::sampling::greedy;
use std::{sync::Arc, time::Instant};

const PROMPT: usize = 64;
const DECODED: usize = 32;

const TEXT: &str = "The river had risen in the night. By morning the lower fields were a grey lake, and the fence posts stood out \
    of it like the masts of small ships. Nobody in the village could remember water so high in June, and the old men, who \
    remembered everything, sat on the wall by the church and argued about the year 1947. What they agreed on in the end was";

/// Greedy generation with the prompt cut as `cuts` says. Gives the position after each call's last token, and the tokens.
fn generate(backend: &dyn Backend, prompt: &[u32], cuts: &[usize]) -> (Vec<Position>, Vec<u32>) {
    let mut sequence = backend.sequence(PROMPT + DECODED).unwrap();
    let mut tokens = prompt.to_vec();
    let (mut outputs, mut start) = (Vec::new(), 0);
    let began = Instant::now();
    for cut in cuts {
        outputs = sequence.forward(&prompt[start..start + cut], 1).unwrap();
        start += cut;
    }
    let prefilled = began.elapsed();
    while tokens.len() < PROMPT + DECODED {
        tokens.push(greedy(&outputs.last().expect("one is wanted").logits.mantissas));
        outputs.extend(sequence.forward(&tokens[tokens.len() - 1..], 1).unwrap());
    }
    println!(
        "{}: prefill {PROMPT} in {prefilled:.1?}, decode {DECODED} in {:.1?}",
        backend.name(),
        began.elapsed() - prefilled
    );
    (outputs, tokens)
}

#[test]
fn a_generation_of_the_real_model_has_the_same_bits_on_every_backend() {
    let Some(path) = common::real_file("ERGON_MODEL", "smollm2-135m-instruct.ergon") else {
        return;
    };
    let model: Arc<Model> = Arc::new(Artifact::load(&path, Verify::Skip).unwrap());
    let mut prompt = Tokenizer::from_json(model.tokenizer.as_bytes())
        .unwrap()
        .encode(TEXT)
        .unwrap();
    prompt.truncate(PROMPT);
    let cpu = CpuBackend::new(model.clone());
    let expected = generate(&cpu, &prompt, &[PROMPT]);
    assert_eq!((expected.0.len(), expected.1.len()), (1 + DECODED, PROMPT + DECODED));
    assert!(
        expected == generate(&cpu, &prompt, &[1, 30, 33]),
        "{} differs",
        cpu.name()
    );
    for adapter in vulkan_adapters() {
        let backend = WgpuBackend::new(model.clone(), &adapter).unwrap();
        for cuts in [&[PROMPT][..], &[3, 40, 1, 20]] {
            let found = generate(&backend, &prompt, cuts);
            assert!(
                found == expected,
                "{} differs with the prompt cut at {cuts:?}",
                backend.name()
            );
        }
    }
}

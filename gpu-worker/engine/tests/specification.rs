// SPDX-License-Identifier: Apache-2.0
//! Real models on the CPU backend against the specification, and re-execution of a real answer.
use common::real_model;
use ergon_engine::{
    artifact::{Artifact, Verify},
    cpu::CpuBackend,
    generate::{execute, Progress, Request},
    testing, Backend,
};
use ergon_primitives::{
    commitment::{Header, Outcome, StopReason},
    request::DecodeSettings,
    H256,
};
use std::{ops::ControlFlow, sync::Arc};

mod common;
#[path = "real/minilm.rs"]
mod minilm;

/// "1, 2, 3, 4, 5,"
const PROMPT: [u32; 14] = [33, 28, 216, 34, 28, 216, 35, 28, 216, 36, 28, 216, 37, 28];

fn backend() -> Option<CpuBackend> {
    let path = real_model()?;
    Some(CpuBackend::new(Arc::new(Artifact::load(&path, Verify::Skip).unwrap())))
}

fn go(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn the_real_model_equals_the_specification_bit_for_bit() {
    let Some(backend) = backend() else { return };
    let mut sequence = backend.sequence(PROMPT.len()).unwrap();
    let mut outputs = sequence.forward(&PROMPT[..9], 9).unwrap();
    for token in &PROMPT[9..] {
        outputs.extend(sequence.forward(&[*token], 1).unwrap());
    }
    assert!(outputs == testing::reference(backend.model(), &PROMPT));
}

#[test]
fn an_auditor_gets_the_root_of_the_executor() {
    let Some(backend) = backend() else { return };
    let settings = DecodeSettings {
        temperature_milli: 800,
        top_k: 40,
        top_p_milli: 950,
        ..DecodeSettings::greedy(24)
    };
    let request = Request {
        prompt: PROMPT.to_vec(),
        settings,
        sampling_key: H256::repeat_byte(7),
    };
    let answer = execute(&backend, &request, &[], &mut go).unwrap();
    assert_eq!(answer.outcome, Outcome::Completed(StopReason::Length));
    let root = |answer: &ergon_engine::generate::Execution| {
        let id = H256::repeat_byte(1);
        Header::new(id, answer.prompt_tokens, answer.outcome, &answer.output, &answer.leaves).root()
    };
    let mut wrong = answer.tokens.clone();
    wrong[11] += 1;
    for hint in [&answer.tokens, &wrong] {
        let audit = execute(&backend, &request, hint, &mut go).unwrap();
        assert_eq!(root(&audit), root(&answer));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The real SmolLM2-135M-Instruct: pinned roots, tokenizer, chat template, greedy text, perplexity.
use common::{model_file, real_file, real_model};
use ergon_engine::{
    artifact::{Artifact, Verify},
    chat::{ChatTemplate, Message},
    cpu::CpuBackend,
    import::{import, Options},
    perplexity::perplexity,
    testing::skip,
    tokenizer::{decode, Tokenizer},
    Backend, Model,
};
use serde::Deserialize;
use std::{
    ops::ControlFlow,
    path::Path,
    process::Command,
    sync::{Arc, OnceLock},
};

mod common;

/// These change only with the arithmetic's version, never with a machine or a release.
const WEIGHTS_ROOT: &str = "309ccf55cf47967e60083060577aedf3005c604a90c0735077684540f4728e8a";
const TOKENS_ROOT: &str = "50e94eaa25b02360aa5a0842b2dcb739c898622134096c37632265c5b74332b7";
const MODEL_ID: &str = "1e202becbef8438f38b197beb3da63319152aaf44bb483914cf3a8af4ca88db6";

/// What a single-precision model answers.
#[derive(Deserialize)]
struct Golden {
    prompts: Vec<GoldenPrompt>,
}

#[derive(Deserialize)]
struct GoldenPrompt {
    prompt: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    text: String,
}

fn golden() -> Vec<GoldenPrompt> {
    serde_json::from_str::<Golden>(include_str!("golden/smollm2.json"))
        .unwrap()
        .prompts
}

fn model() -> Option<Arc<Model>> {
    static MODEL: OnceLock<Option<Arc<Model>>> = OnceLock::new();
    let load = || {
        let path = real_model()?;
        Some(Arc::new(Artifact::load(&path, Verify::Full).unwrap()))
    };
    MODEL.get_or_init(load).clone()
}

/// Greedy tokens after `prompt`, the end of sequence included.
fn continue_greedily(model: &Arc<Model>, prompt: &[u32], count: usize) -> Vec<u32> {
    let backend = CpuBackend::new(model.clone());
    let mut sequence = backend.sequence(prompt.len() + count).unwrap();
    let mut input = prompt.to_vec();
    let mut answer = Vec::new();
    while answer.len() < count {
        let token = sequence.forward(&input, 1).unwrap()[0].likeliest;
        answer.push(token);
        if model.manifest.end_of_sequence.contains(&token) {
            break;
        }
        input = vec![token];
    }
    answer
}

#[test]
fn the_model_is_looked_for_where_make_puts_it() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let print = ["--eval", "print-model: ; @echo $(MODEL)", "print-model"];
    let make = Command::new("make")
        .env_remove("MAKEFLAGS")
        .args(["--silent", "--directory", root])
        .args(print)
        .output();
    match make {
        Ok(output) => {
            let path = String::from_utf8(output.stdout).unwrap();
            assert!(
                Path::new(path.trim()).ends_with(Path::new("models").join(model_file())),
                "{path}"
            );
        }
        Err(error) => skip(&format!("make can't be run: {error}")),
    }
}

#[test]
fn the_same_source_gives_the_pinned_roots() {
    let Some(gguf) = real_file("ERGON_GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let artifact = folder.path().join("imported.ergon");
    let manifest = import(
        &gguf,
        &artifact,
        &Options::default(),
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap();
    assert_eq!(hex::encode(manifest.weights_root), WEIGHTS_ROOT);
    assert_eq!(hex::encode(manifest.tokens_root), TOKENS_ROOT);
    assert_eq!(hex::encode(manifest.id()), MODEL_ID);
    Artifact::open(&artifact).unwrap().verify().unwrap();
}

#[test]
fn the_artifact_in_use_has_the_pinned_roots() {
    let Some(model) = model() else { return };
    assert_eq!(hex::encode(model.manifest.weights_root), WEIGHTS_ROOT);
    assert_eq!(hex::encode(model.manifest.id()), MODEL_ID);
}

#[test]
fn the_tokenizer_gives_the_golden_ids_and_the_table_gives_the_text_back() {
    let Some(model) = model() else { return };
    let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap();
    for golden in golden() {
        assert_eq!(
            tokenizer.encode(&golden.prompt).unwrap(),
            golden.prompt_ids,
            "{:?}",
            golden.prompt
        );
        assert_eq!(decode(&model.tokens, &golden.prompt_ids), golden.prompt.as_bytes());
        assert_eq!(decode(&model.tokens, &golden.greedy_ids), golden.text.as_bytes());
    }
}

#[test]
fn the_chat_template_gives_the_golden_prompts() {
    let Some(model) = model() else { return };
    let template = ChatTemplate::of(&model).unwrap().unwrap();
    let prompts: Vec<String> = golden().into_iter().map(|golden| golden.prompt).collect();
    for question in [
        "What is the capital of France?",
        "What is 2+2?",
        "Name three primary colors.",
    ] {
        let prompt = template.render(&[Message::user(question)], true).unwrap();
        assert!(prompts.contains(&prompt), "{prompt}");
    }
}

#[test]
fn counting_continues_as_in_single_precision() {
    let Some(model) = model() else { return };
    let golden = golden()
        .into_iter()
        .find(|golden| golden.prompt == "1, 2, 3, 4, 5,")
        .unwrap();
    assert_eq!(
        continue_greedily(&model, &golden.prompt_ids, golden.greedy_ids.len()),
        golden.greedy_ids
    );
}

#[test]
fn the_capital_of_france_is_paris() {
    let Some(model) = model() else { return };
    let golden = golden()
        .into_iter()
        .find(|golden| golden.prompt.contains("user\nWhat is the capital of France?"))
        .unwrap();
    let answer = continue_greedily(&model, &golden.prompt_ids, 32);
    let text = String::from_utf8(decode(&model.tokens, &answer)).unwrap();
    assert!(text.contains("Paris"), "{text}");
    assert_eq!(answer.last(), Some(&2), "{text}");
}

#[test]
fn perplexity_is_within_one_percent_of_single_precision() {
    let Some(model) = model() else { return };
    let Some(corpus) = real_file("ERGON_CORPUS", "2015_barack_obama_d.txt") else {
        return;
    };
    let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap();
    let tokens = tokenizer.encode(&std::fs::read_to_string(corpus).unwrap()).unwrap();
    let measured = perplexity(&CpuBackend::new(model), &tokens[..1024], 512, |_| ()).unwrap();
    eprintln!(
        "perplexity {:.4} over {} tokens; 21.767 in single precision",
        measured.value, measured.predicted
    );
    assert_eq!(measured.predicted, 1022);
    assert!(measured.value <= 21.90, "{}", measured.value);
}

// SPDX-License-Identifier: Apache-2.0
//! A Mistral with SentencePiece's tokens.
use super::{check_both_sources, folder, gguf_file, refusal, try_import};
use crate::tiny::{gguf, Entry, Tiny, END};
use ergon_engine::{
    tokenizer::{decode, Tokenizer},
    Model,
};
use safetensors::Dtype;
use serde_json::{json, Value};
use std::fs;
use tempfile::TempDir;

/// A folder with the `config.json` and the `tokenizer.json` of a Mistral, after `change` to the latter.
fn mistral(tiny: &Tiny, change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = folder(tiny, Dtype::F32, |v| v.to_le_bytes().to_vec(), 1);
    let mut config = tiny.config();
    (config["model_type"], config["sliding_window"]) = ("mistral".into(), Value::Null);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut tokenizer: Value = serde_json::from_slice(&tiny.tokenizer()).unwrap();
    change(&mut tokenizer);
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

/// The GGUF file's entries, with `entry` for the key, or without the key.
fn imported_with(key: &str, entry: Option<Entry>) -> Result<Model, String> {
    let tiny = Tiny::with_sentencepiece(true, 6);
    let mut entries = tiny.entries();
    entries.retain(|(name, _)| name != key);
    entries.extend(entry.map(|entry| (key.into(), entry)));
    let (_keep, path) = gguf_file(&gguf(&entries, &tiny.gguf_tensors()));
    try_import(&path)
        .map(|(_, model)| model)
        .map_err(|error| error.to_string())
}

fn tokenizer(model: &Model) -> Tokenizer {
    Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap()
}

#[test]
fn gguf_and_folder_of_a_mistral_give_the_same_model() {
    for prefix in [true, false] {
        let tiny = Tiny::with_sentencepiece(prefix, 6);
        check_both_sources(&tiny);
        let (_keep, path) = gguf_file(&gguf(&tiny.entries(), &tiny.gguf_tensors()));
        let (llama, model) = try_import(&path).unwrap();
        let (mistral, from_folder) = try_import(mistral(&tiny, |_| ()).path()).unwrap();
        assert_eq!(
            (llama.weights_root, llama.tokens_root),
            (mistral.weights_root, mistral.tokens_root)
        );
        for model in [model, from_folder] {
            let tokenizer = tokenizer(&model);
            let text = "<|start|>he hehe\u{e9}<|end|>he";
            let ids = tokenizer.encode(text).unwrap();
            let spaced = if prefix {
                "<|start|> he hehe\u{e9}<|end|> he"
            } else {
                text
            };
            assert_eq!(decode(&model.tokens, &ids), spaced.as_bytes());
            let [he, space_he] = ["he", "\u{2581}he"].map(|token| tokenizer.id(token).unwrap());
            let first = if prefix { space_he } else { he };
            assert_eq!(ids, [256, first, space_he, he, 0xc3, 0xa9, END, first]);
        }
    }
}

#[test]
fn a_definition_of_another_time_has_the_same_tokens() {
    let tiny = Tiny::with_sentencepiece(true, 6);
    let (legacy, _) = try_import(mistral(&tiny, |_| ()).path()).unwrap();
    let first = mistral(&tiny, |definition| {
        definition["normalizer"] = Value::Null;
        definition["pre_tokenizer"] =
            json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": false});
    });
    let (manifest, model) = try_import(first.path()).unwrap();
    assert_eq!(manifest.tokens_root, legacy.tokens_root);
    let he = tokenizer(&model).id("he").unwrap();
    assert_eq!(tokenizer(&model).encode("<|start|>he").unwrap(), [256, he]);
}

#[test]
fn a_gguf_file_puts_a_space_before_a_text_unless_it_says_otherwise() {
    let key = "tokenizer.ggml.add_space_prefix";
    let hello = |entry| tokenizer(&imported_with(key, entry).unwrap()).encode("he").unwrap();
    assert_eq!(hello(None), hello(Some(Entry::Bool(true))));
    assert_ne!(hello(None), hello(Some(Entry::Bool(false))));
    let error = imported_with(key, Some(Entry::U32(1))).unwrap_err();
    assert!(error.contains("no usable tokenizer.ggml.add_space_prefix"), "{error}");
}

#[test]
fn scores_and_types_that_do_not_fit_the_tokens_are_refused() {
    let tokens = Tiny::with_sentencepiece(true, 6).tokens();
    let size = tokens.len();
    let types = |change: fn(&mut Vec<i32>)| {
        let mut types: Vec<i32> = (0..size as i32).map(|id| if id < 256 { 6 } else { 1 }).collect();
        change(&mut types);
        Some(Entry::I32s(types))
    };
    let changed = |id: usize, token: &str| {
        let mut tokens = tokens.clone();
        tokens[id] = token.into();
        Some(Entry::Texts(tokens))
    };
    let mut undefined = vec![0.0; size];
    undefined[260] = f32::NAN;
    for (key, entry, problem) in [
        ("scores", None, "no usable tokenizer.ggml.scores"),
        (
            "scores",
            Some(Entry::I32s(vec![0; size])),
            "no usable tokenizer.ggml.scores",
        ),
        (
            "scores",
            Some(Entry::F32s(vec![0.0; size - 1])),
            "it has 264 tokens but 263 scores",
        ),
        (
            "scores",
            Some(Entry::F32s(undefined)),
            "the score of token 260 is undefined",
        ),
        (
            "token_type",
            types(|types| types.truncate(4)),
            "it has 264 tokens but 4 token types",
        ),
        (
            "token_type",
            types(|types| types[65] = 1),
            "token \"<0x41>\" is of type 1",
        ),
        (
            "token_type",
            types(|types| types[260] = 6),
            "token \"\u{2581}\" is of type 6",
        ),
        ("tokens", changed(0x41, "<0x42>"), "token <0x41> is missing"),
        ("tokens", changed(260, "_"), "token \u{2581} is missing"),
        ("tokens", changed(263, "he"), "tokens 258 and 263 are both \"he\""),
    ] {
        let error = imported_with(&format!("tokenizer.ggml.{key}"), entry).unwrap_err();
        assert!(error.contains(problem), "{key}: {error}");
    }
}

#[test]
fn a_folder_whose_tokenizer_does_something_else_is_refused_by_name() {
    let tiny = Tiny::with_sentencepiece(true, 6);
    let lower = mistral(&tiny, |definition| {
        definition["normalizer"] = json!({"type": "Lowercase"})
    });
    let error = refusal(lower.path());
    assert!(
        error.contains("a normalizer (Lowercase) other than Prepend and Replace of spaces"),
        "{error}"
    );
    assert!(
        error.contains("supported: byte-level BPE, SentencePiece BPE with byte fallback"),
        "{error}"
    );
}

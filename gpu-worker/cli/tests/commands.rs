// SPDX-License-Identifier: Apache-2.0
//! The binary as a user calls it: what goes to which stream, exit statuses, one-line errors.
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

#[path = "../../engine/tests/common/mod.rs"]
mod common;

fn worker(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_ergon-worker");
    Command::new(binary)
        .args(arguments)
        .env_remove("ERGON_MODEL")
        .output()
        .expect("the binary runs")
}

/// Standard error of a call that must fail with exit status 1 and one line.
fn one_line_error(arguments: &[&str]) -> String {
    let output = worker(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(output.stdout.is_empty());
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("error: "), "{error}");
    error
}

fn model() -> Option<PathBuf> {
    common::real_file("ERGON_MODEL", "smollm2-135m-instruct.ergon")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

#[test]
fn the_answer_is_on_standard_output_and_the_summary_on_standard_error() {
    let Some(model) = model() else { return };
    let question = "What is the capital of France?";
    let output = worker(&[
        "generate",
        "--model",
        text(&model),
        "--backend",
        "cpu",
        "--chat",
        question,
    ]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "The capital of France is Paris.\n"
    );
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(
        summary.contains("prompt 37 tokens") && summary.contains("tok/s") && summary.contains("cpu"),
        "{summary}"
    );
    assert!(summary.contains("ended by end of sequence"), "{summary}");
}

#[test]
fn sampling_is_reproducible_by_its_seed() {
    let Some(model) = model() else { return };
    let sample = |seed: &str| {
        let arguments = [
            "generate",
            "--model",
            text(&model),
            "--trust-artifact",
            "--backend",
            "cpu",
            "--prompt",
            "Once",
            "--seed",
            seed,
        ];
        let output = worker(&[&arguments[..], &["--temperature", "1.5", "--max-tokens", "12"]].concat());
        assert!(output.status.success());
        output.stdout
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn the_manifest_is_the_same_in_every_form() {
    let Some(model) = model() else { return };
    let info =
        |flag: &[&str]| String::from_utf8(worker(&[&["model", "info", text(&model)], flag].concat()).stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&info(&["--json", "--verify"])).unwrap();
    assert_eq!(json["manifest"], info(&["--manifest-hex"]).trim());
    let manifest = ergon_engine::manifest::from_hex(json["manifest"].as_str().unwrap()).unwrap();
    assert_eq!(json["id"], format!("{:?}", manifest.id()));
    assert!(info(&[]).contains(&format!("{:?}", manifest.weights_root)));
}

#[test]
fn bad_files_are_refused_in_one_line_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("bad.gguf"), folder.path().join("out.ergon"));
    let import = || one_line_error(&["model", "import", text(&file), "--out", text(&out)]);
    assert!(import().contains("is neither a GGUF file nor a folder"));
    fs::write(
        &file,
        b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\x01\0\0\0\0\0\0\0",
    )
    .unwrap();
    let error = import();
    assert!(
        error.contains("bad.gguf is malformed") && error.contains("fetch it again"),
        "{error}"
    );
    assert!(!out.exists());
    let error = one_line_error(&["generate", "--model", text(&file), "--prompt", "x"]);
    assert!(
        error.contains("bad.gguf") && error.contains("valid safetensors"),
        "{error}"
    );
    assert!(one_line_error(&["model", "info", text(&out)]).contains("out.ergon can't be read"));
}

#[test]
fn settings_out_of_range_are_refused_before_a_model_is_loaded() {
    let refused =
        |more: &[&str]| one_line_error(&[&["generate", "--model", "missing", "--prompt", "x"], more].concat());
    assert!(refused(&["--top-k", "65"]).contains("--top-k 1 to 64"));
    assert!(refused(&["--max-tokens", "0"]).contains("--max-tokens is 1 to 2048"));
    assert!(refused(&["--top-p", "0"]).contains("--top-p"));
    assert_eq!(worker(&["generate", "--model", "missing"]).status.code(), Some(2));
}

// SPDX-License-Identifier: Apache-2.0
//! The binary as a user calls it: what goes to which stream, exit statuses, one-line errors.
use ergon_engine::{gpu::testing::vulkan_adapters, testing::write_sparse_folder};
use ergon_primitives::manifest::Dimensions;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
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
    common::real_model()
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

#[test]
fn the_prompt_of_a_chat_is_printed_without_another_byte() {
    let Some(model) = model() else { return };
    let prompt = |more: &[&str]| {
        let chat = ["prompt", "--model", text(&model), "--chat", "What is 2+2?"];
        let output = worker(&[&chat[..], more].concat());
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    let turn = "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n";
    let by_template = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    for (more, system) in [(&[][..], by_template), (&["--system", "Count."], "Count.")] {
        let expected = format!("<|im_start|>system\n{system}<|im_end|>\n{turn}");
        assert_eq!(prompt(more), expected);
    }
}

#[test]
fn the_prompt_of_an_answer_is_shown_when_asked_for() {
    let Some(model) = model() else { return };
    let chat = [
        "generate",
        "--model",
        text(&model),
        "--trust-artifact",
        "--backend",
        "cpu",
    ];
    let output = worker(&[&chat[..], &["--chat", "Hi", "--max-tokens", "1", "--show-prompt"]].concat());
    assert!(output.status.success());
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(
        shown.contains("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        "{shown}"
    );
}

#[test]
fn a_prompt_is_not_made_of_an_altered_template() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    let altered = folder.path().join("altered.ergon");
    let mut bytes = fs::read(&model).unwrap();
    let at = bytes.windows(6).position(|window| window == b"SmolLM").unwrap();
    let header_end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    // The manifest has the model's name in hexadecimal, so this is the template.
    assert!(at < header_end);
    bytes[at] = b'Z';
    fs::write(&altered, bytes).unwrap();
    let error = one_line_error(&["prompt", "--model", text(&altered), "--chat", "Hi"]);
    assert!(error.contains("the chat template is corrupted"), "{error}");
}

#[test]
fn the_self_test_prints_equal_digests_of_everything_that_can_compute() {
    let Some(model) = model() else { return };
    let adapters = vulkan_adapters().len();
    let output = worker(&[
        "selftest",
        "--model",
        text(&model),
        "--trust-artifact",
        "--prefill",
        "4",
        "--decode",
        "1",
    ]);
    let (found, errors) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{found}{errors}");
    let mut lines: Vec<&str> = found.lines().collect();
    let count = lines
        .pop()
        .unwrap()
        .strip_suffix(" equal digests")
        .unwrap()
        .parse::<usize>();
    assert_eq!(count, Ok(lines.len()));
    assert!(lines.len() > adapters, "{found}");
    let digests: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().0).collect();
    assert!(digests[0].starts_with("0x") && digests[0].len() == 66, "{found}");
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{found}");
    assert!(
        lines[0].contains(" cpu ") && lines[1..].iter().all(|line| line.contains(" wgpu ")),
        "{found}"
    );
}

#[test]
fn a_second_worker_in_the_same_folder_is_refused_before_it_loads_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let (key, data) = (folder.path().join("hot.key"), folder.path().join("data"));
    assert!(worker(&["key", "generate", "--out", text(&key)]).status.success());
    let run = [
        "run",
        "--hot-key",
        text(&key),
        "--model",
        "missing.ergon",
        "--data-dir",
        text(&data),
    ];
    // What the first worker does for as long as it lives.
    fs::create_dir(&data).unwrap();
    let lock = fs::File::create(data.join("lock")).unwrap();
    lock.lock().unwrap();
    let error = one_line_error(&run);
    assert!(
        error.contains(text(&data)) && error.contains("in use by another worker"),
        "{error}"
    );
    drop(lock);
    let error = String::from_utf8(worker(&run).stderr).unwrap();
    assert!(error.contains("missing.ergon can't be read"), "{error}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_import_ends_soon_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("model"), folder.path().join("out"));
    fs::create_dir(&source).unwrap();
    fs::create_dir(&out).unwrap();
    // 500 million weights: the import takes seconds, the signal comes long before its end.
    let dimensions = Dimensions {
        layers: 32,
        hidden: 1024,
        feed_forward: 4096,
        heads: 16,
        kv_heads: 16,
        head_dim: 64,
        vocabulary: 64,
        context: 64,
    };
    write_sparse_folder(&source, &dimensions).unwrap();
    let import = Command::new(env!("CARGO_BIN_EXE_ergon-worker"))
        .args([
            "model",
            "import",
            text(&source),
            "--out",
            text(&out.join("model.ergon")),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let files = || fs::read_dir(&out).unwrap().count();
    let begun = Instant::now();
    while files() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the import doesn't begin");
        sleep(Duration::from_millis(2));
    }
    let kill = format!("kill -INT {}", import.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: the import was interrupted; nothing was written\n"
    );
    assert_eq!(files(), 0);
}

#[test]
fn texts_are_embedded_and_a_model_of_the_other_kind_is_refused() {
    let Some(config) = common::real_file("ERGON_MINILM", "all-MiniLM-L6-v2/config.json") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let artifact = folder.path().join("minilm.ergon");
    let source = config.parent().expect("a file in a folder");
    assert!(worker(&["model", "import", text(source), "--out", text(&artifact)])
        .status
        .success());
    let embed = |more: &[&str]| -> Vec<serde_json::Value> {
        let arguments = ["model", "embed", "--model", text(&artifact), "--backend", "cpu"];
        let output = worker(&[&arguments[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let found = embed(&["That is a happy person", "That is a very happy person"]);
    let values = |i: usize| -> Vec<f64> { serde_json::from_value(found[i]["embedding"].clone()).unwrap() };
    assert_eq!(
        (&found[0]["tokens"], &found[1]["tokens"], values(0).len()),
        (&7.into(), &8.into(), 384)
    );
    let cosine: f64 = values(0).iter().zip(values(1)).map(|(a, b)| a * b).sum();
    assert!((0.93..0.96).contains(&cosine), "{cosine}");
    let exact = embed(&["--exact", "That is a happy person"]);
    assert_eq!(exact[0]["hash"], found[0]["hash"]);
    let integer = exact[0]["embedding"][5].as_i64().unwrap();
    assert!((integer as f64 / f64::from(1 << 30) - values(0)[5]).abs() < 1e-7);

    let error = one_line_error(&["generate", "--model", text(&artifact), "--prompt", "x"]);
    assert!(error.contains("Bert") && error.contains("model embed"), "{error}");
    let long = "word ".repeat(300);
    let error = one_line_error(&["model", "embed", "--model", text(&artifact), &long]);
    assert!(error.contains("302 tokens, the model takes 1 to 256"), "{error}");
    let Some(decoder) = model() else { return };
    let error = one_line_error(&["model", "embed", "--model", text(&decoder), "x"]);
    assert!(
        error.contains("Llama") && error.contains("gives no embedding"),
        "{error}"
    );
}

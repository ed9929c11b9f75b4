// SPDX-License-Identifier: Apache-2.0
//! Files and texts by someone who means ill: the fuzz targets over their seeds and mutations of them, and the memory that an import takes.
//!
//! Everything here runs under an allocator that counts. Mutations are a fixed sequence, so a failure comes again. With `ERGON_FUZZ_CORPUS`
//! set to a folder, the seeds are written there for cargo-fuzz.
use ergon_engine::{
    artifact::{Artifact, Verify},
    testing::Random,
    tokenizer::{merges::MAX_MERGED, wordpiece::WordPiece, Tokenizer},
};
use fuzz::targets::Target;
use std::{
    env, fs,
    panic::{catch_unwind, AssertUnwindSafe},
    path::Path,
};

#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[cfg(target_os = "linux")]
#[path = "hostile/memory.rs"]
mod memory;
#[path = "hostile/seeds.rs"]
mod seeds;
#[allow(dead_code)]
mod tiny;

/// Inputs that a target begins with: those made here, and those that are committed.
fn seeds(target: &str, made: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = fs::read_dir(&committed)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap());
    let committed = entries.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).unwrap())
    });
    let mut seeds: Vec<_> = committed.chain(made).collect();
    seeds.sort();
    if let Some(corpus) = env::var_os("ERGON_FUZZ_CORPUS") {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder).unwrap();
        for (name, seed) in &seeds {
            fs::write(folder.join(name), seed).unwrap();
        }
    }
    seeds
}

/// Runs a target over all seeds and `rounds` mutations of each.
fn attack(target: &Target, made: Vec<(String, Vec<u8>)>, rounds: u64) {
    let name = target.name;
    let seeds = seeds(name, made);
    assert!(!seeds.is_empty());
    let run = |seed: &str, round: u64, input: &[u8]| {
        let survived = catch_unwind(AssertUnwindSafe(|| fuzz::check(target, input)));
        let head = String::from_utf8_lossy(&input[..input.len().min(4096)]);
        assert!(survived.is_ok(), "{name}, seed {seed}, round {round}: {head:?}");
    };
    for (number, (seed, bytes)) in seeds.iter().enumerate() {
        run(seed, 0, bytes);
        for round in 1..=rounds {
            let random = &mut Random::new(number as u64 * 1_000_003 + round);
            let mut input = bytes.clone();
            for _ in 0..1 + below(random, 4) {
                let other = &seeds[below(random, seeds.len())].1;
                mutate(random, &mut input, other);
            }
            run(seed, round, &input);
        }
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    (random.next() % bound.max(1) as u64) as usize
}

/// Changes `input` somewhere.
fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let at = below(random, input.len());
    let length = 1 + below(random, 16);
    let end = (at + length).min(input.len());
    match random.next() % 8 {
        0 if !input.is_empty() => input[at] ^= 1 << below(random, 8),
        1 if !input.is_empty() => input[at] = [0, 0x7f, 0x80, 0xff][below(random, 4)],
        2 => input.truncate(at),
        3 => drop(input.drain(at..end)),
        4 => {
            let numbers = [
                u64::MAX,
                1 << 63,
                1 << 40,
                1 << 32,
                (1 << 32) - 1,
                1 << 20,
                input.len() as u64,
                0,
            ];
            let number = numbers[below(random, numbers.len())].to_le_bytes();
            let width = [1, 2, 4, 8][below(random, 4)];
            let end = (at + width).min(input.len());
            input[at..end].copy_from_slice(&number[..end - at]);
        }
        5 => {
            let texts = [
                "18446744073709551615",
                "-1",
                "4294967296",
                "1e999",
                "null",
                "\"",
                "{",
                "[[[[",
                "\\u0000",
                "\n---\n",
            ];
            let text = texts[below(random, texts.len())];
            input.splice(at..at, text.bytes());
        }
        6 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        _ => {
            let from = below(random, other.len());
            let to = (from + length * 4).min(other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
    }
}

#[test]
fn no_gguf_file_panics_or_allocates_beyond_its_allowance() {
    let made = vec![
        ("model".into(), seeds::gguf(false)),
        ("wide".into(), seeds::gguf(true)),
        ("sentencepiece".into(), seeds::sentencepiece_gguf()),
    ];
    attack(&fuzz::targets::GGUF, made, 400);
}

#[test]
fn a_vocabulary_with_as_many_merges_as_can_be_is_imported_in_the_memory_that_its_size_allows() {
    let seed = seeds::runs_gguf(MAX_MERGED);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, &seed).unwrap();
    let peak = fuzz::allocation::peak_of(|| drop(seeds::imported(&path)));
    let allowed = fuzz::allocation::allowance(fuzz::allocation::PARSED, seed.len());
    assert!(peak <= allowed, "{peak} bytes were allocated, {allowed} are allowed");
}

#[test]
fn no_hugging_face_folder_panics_or_allocates_beyond_its_allowance() {
    let made = vec![
        ("single".into(), seeds::huggingface("llama", false)),
        ("sharded".into(), seeds::huggingface("llama", true)),
        ("qwen2".into(), seeds::huggingface("qwen2", false)),
        ("qwen3".into(), seeds::huggingface("qwen3", false)),
        ("sentencepiece".into(), seeds::sentencepiece_huggingface()),
        ("bert".into(), seeds::bert()),
    ];
    attack(&fuzz::targets::HUGGINGFACE, made, 300);
}

#[test]
fn no_artifact_panics_or_allocates_beyond_its_allowance() {
    let made = vec![
        ("model".into(), seeds::artifact(&seeds::huggingface("qwen2", false))),
        ("encoder".into(), seeds::artifact(&seeds::bert())),
    ];
    attack(&fuzz::targets::ARTIFACT, made, 400);
}

#[test]
fn no_chat_panics_or_allocates_beyond_its_allowance() {
    attack(&fuzz::targets::CHAT, vec![], 300);
}

#[test]
fn no_tokenizer_panics_or_allocates_beyond_its_allowance() {
    let made = vec![
        ("sentencepiece".into(), seeds::sentencepiece_tokenizer(false)),
        ("metaspace".into(), seeds::sentencepiece_tokenizer(true)),
        ("wordpiece".into(), seeds::wordpiece_tokenizer()),
    ];
    attack(&fuzz::targets::TOKENIZER, made, 200);
}

#[test]
fn the_seeds_are_models() {
    for (seed, file) in [
        (seeds::gguf(false), "model.gguf"),
        (seeds::gguf(true), "model.gguf"),
        (seeds::sentencepiece_gguf(), "model.gguf"),
        (seeds::artifact(&seeds::huggingface("llama", false)), "model.ergon"),
        (seeds::artifact(&seeds::huggingface("qwen2", false)), "model.ergon"),
        (seeds::artifact(&seeds::huggingface("qwen3", false)), "model.ergon"),
        (seeds::artifact(&seeds::bert()), "encoder.ergon"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        fs::write(&path, &seed).unwrap();
        assert!(seed.len() < 32 << 10, "{file} has {} bytes", seed.len());
        match file {
            "model.gguf" => drop(seeds::imported(&path)),
            "model.ergon" => drop(Artifact::load(&path, Verify::Full).unwrap()),
            _ => drop(Artifact::load_encoder(&path, Verify::Full).unwrap()),
        }
    }
    let definition = |seed: Vec<u8>| {
        let end = seed.windows(5).position(|bytes| bytes == fuzz::targets::SEPARATOR);
        seed[..end.unwrap()].to_vec()
    };
    for metaspace in [false, true] {
        Tokenizer::from_json(&definition(seeds::sentencepiece_tokenizer(metaspace))).unwrap();
    }
    WordPiece::from_json(&definition(seeds::wordpiece_tokenizer())).unwrap();
}

// SPDX-License-Identifier: Apache-2.0
//! Against what SentencePiece and `transformers` make of a small vocabulary: `fixtures/byte_fallback.py` writes it.
use super::*;
use crate::{
    model::TokenTable,
    tokenizer::{
        decode,
        definition::{Added, Definition, Splitting},
        merges, Tokenizer,
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::LazyLock};

/// Type of the pieces that are made by merging.
const NORMAL: i64 = 1;
const BYTE: i64 = 6;

#[derive(Deserialize)]
struct Fixture {
    /// Text, score and type by id.
    pieces: Vec<(String, f32, i64)>,
    merges: Vec<(String, String)>,
    /// Texts, their ids, and their ids without the space before them.
    cases: Vec<(String, Vec<u32>, Vec<u32>)>,
    definitions: BTreeMap<String, Defined>,
}

#[derive(Deserialize)]
struct Defined {
    definition: Value,
    cases: Vec<(String, Vec<u32>)>,
}

static FIXTURE: LazyLock<Fixture> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/byte_fallback.json")).unwrap());

fn tokens() -> Vec<String> {
    FIXTURE.pieces.iter().map(|(token, ..)| token.clone()).collect()
}

/// The tokenizer that is made of the pieces and their scores alone.
fn scored(prefix: bool) -> Tokenizer {
    let (tokens, pieces) = (tokens(), &FIXTURE.pieces);
    let scores: Vec<f32> = pieces.iter().map(|(_, score, _)| *score).collect();
    let added = |id: usize| ![NORMAL, BYTE].contains(&pieces[id].2);
    let definition = Definition {
        tokens: &tokens,
        merges: merges::by_score(&tokens, &scores, |id| pieces[id].2 == NORMAL).unwrap(),
        added: (0..pieces.len())
            .filter(|id| added(*id))
            .map(|id| Added {
                id: id as u32,
                special: true,
            })
            .collect(),
        splitting: Splitting::SentencePiece { prefix },
    };
    Tokenizer::from_json(&definition.to_json().unwrap()).unwrap()
}

/// A definition as `transformers` writes it, after `change`.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Result<Tokenizer, String> {
    let mut definition = FIXTURE.definitions[name].definition.clone();
    let vocabulary: BTreeMap<String, usize> = tokens().into_iter().zip(0..).collect();
    definition["model"]["vocab"] = json!(vocabulary);
    definition["model"]["merges"] = json!(FIXTURE.merges);
    change(&mut definition);
    Tokenizer::from_json(definition.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn defined(name: &str) -> Tokenizer {
    changed(name, |_| ()).unwrap()
}

/// Without the space before a text, and with it.
static SCORED: LazyLock<[(Tokenizer, TokenTable); 2]> = LazyLock::new(|| {
    [scored(false), scored(true)].map(|tokenizer| {
        let table = table(&tokenizer);
        (tokenizer, table)
    })
});

/// All definitions, with their tables.
static DEFINED: LazyLock<Vec<(&str, Tokenizer, TokenTable)>> = LazyLock::new(|| {
    let defined = FIXTURE.definitions.keys().map(|name| (name, defined(name)));
    let with_table = |(name, tokenizer): (&'static String, Tokenizer)| {
        let table = table(&tokenizer);
        (name.as_str(), tokenizer, table)
    };
    defined.map(with_table).collect()
});

fn table(tokenizer: &Tokenizer) -> TokenTable {
    tokenizer.token_table(FIXTURE.pieces.len() as u32).unwrap()
}

#[test]
fn a_vocabulary_with_scores_gives_the_ids_of_sentencepiece() {
    for (tokenizer, prefix) in [(scored(true), true), (scored(false), false)] {
        for (text, with, without) in &FIXTURE.cases {
            let ids = if prefix { with } else { without };
            assert_eq!(tokenizer.encode(text).unwrap(), *ids, "{text:?}, prefix: {prefix}");
        }
    }
}

#[test]
fn merges_by_score_are_those_of_transformers() {
    let (tokens, pieces) = (tokens(), &FIXTURE.pieces);
    let scores: Vec<f32> = pieces.iter().map(|(_, score, _)| *score).collect();
    let merges = merges::by_score(&tokens, &scores, |id| pieces[id].2 == NORMAL).unwrap();
    let expected: Vec<(&str, &str)> = FIXTURE.merges.iter().map(|(left, right)| (&**left, &**right)).collect();
    assert_eq!(merges, expected);
}

#[test]
fn every_definition_of_transformers_gives_its_ids() {
    for (name, Defined { cases, .. }) in &FIXTURE.definitions {
        let tokenizer = defined(name);
        for (text, ids) in cases {
            assert_eq!(tokenizer.encode(text).unwrap(), *ids, "{name}: {text:?}");
        }
    }
}

#[test]
fn an_answer_goes_on_without_a_space() {
    for (name, tokenizer, table) in DEFINED.iter() {
        for text in ["License", " License", "", "\nthe", "\u{e9}\u{1f980}", "  two"] {
            let ids = tokenizer.encode_continuation(text).unwrap();
            assert_eq!(decode(table, &ids), text.as_bytes(), "{name}: {text:?}");
        }
    }
    let tokenizer = defined("legacy");
    let license = tokenizer.encode("License").unwrap();
    assert_eq!(tokenizer.encode_continuation(" License").unwrap(), license);
}

#[test]
fn tokens_stand_for_bytes_texts_with_spaces_and_what_is_added_for_itself() {
    let tokenizer = scored(true);
    let table = table(&tokenizer);
    let bytes = |token: &str| table.get(tokenizer.id(token).unwrap()).unwrap().to_vec();
    assert_eq!(bytes("<0x0A>"), b"\n");
    assert_eq!(bytes("<0xFF>"), [255]);
    assert_eq!(bytes("\u{2581}copyright"), b" copyright");
    assert_eq!(bytes("\u{2581}\u{2581}"), b"  ");
    assert_eq!(bytes("<|user|>"), b"<|user|>");
    for token in ["<0x0a>", "<0x+1>", "<0x041>", "<0x41", "0x41>", "<0xGG>", "<0x>"] {
        assert_eq!(bytes_of(token), token.as_bytes());
    }
}

#[test]
fn older_forms_of_metaspace_mean_what_they_meant() {
    let ids = |pre_tokenizer: Value| {
        let tokenizer = changed("always, words", |definition| {
            definition["pre_tokenizer"] = pre_tokenizer
        });
        tokenizer.map(|tokenizer| tokenizer.encode("the</s>the").unwrap())
    };
    let metaspace = |more: Value| {
        let mut metaspace = json!({"type": "Metaspace", "replacement": "\u{2581}"});
        metaspace
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        metaspace
    };
    let always = defined("always, words").encode("the</s>the").unwrap();
    let never = defined("never, whole").encode("the</s>the").unwrap();
    assert_ne!(always, never);
    assert_eq!(ids(metaspace(json!({}))), Ok(always.clone()));
    assert_eq!(
        ids(metaspace(json!({"add_prefix_space": true, "str_rep": "\u{2581}"}))),
        Ok(always)
    );
    assert_eq!(
        ids(metaspace(json!({"add_prefix_space": false, "split": false}))),
        Ok(never)
    );
    for (more, problem) in [
        (
            json!({"add_prefix_space": false, "prepend_scheme": "first"}),
            "by prepend_scheme that it does",
        ),
        (json!({"replacement": "_"}), "Metaspace of another character"),
        (json!({"str_rep": "\u{2581}\u{2581}"}), "Metaspace of another character"),
        (
            json!({"prepend_scheme": "last"}),
            "such a pre-tokenizer (unknown variant `last`",
        ),
        (json!({"new": 1}), "such a pre-tokenizer (unknown field `new`"),
        (
            json!({"type": "Whitespace"}),
            "such a pre-tokenizer (unknown variant `Whitespace`",
        ),
    ] {
        let error = ids(metaspace(more)).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn other_parts_are_refused_by_name() {
    let replace = |content: &str| json!({"type": "Replace", "pattern": {"String": " "}, "content": content});
    let sequence = |kind: &str, steps: Value| json!({"type": "Sequence", kind: steps});
    let prepend = |text: &str| json!({"type": "Prepend", "prepend": text});
    let long = "\u{2581}".repeat(1000);
    for (part, value, problem) in [
        ("normalizer", Value::Null, "neither a normalizer nor Metaspace"),
        (
            "normalizer",
            json!({"type": "Lowercase"}),
            "a normalizer (Lowercase) other than",
        ),
        ("normalizer", prepend("\u{2581}"), "a normalizer (Prepend) other than"),
        ("normalizer", replace(&long), "a normalizer (Replace) other than"),
        (
            "normalizer",
            sequence("normalizers", json!([prepend(&long), replace("\u{2581}")])),
            "a normalizer (Sequence) other than",
        ),
        (
            "normalizer",
            sequence("normalizers", json!(vec![prepend("\u{2581}"); 1000])),
            "a normalizer (Sequence) other than",
        ),
        ("normalizer", json!(["Prepend"]), "a normalizer (of no type) other than"),
        (
            "pre_tokenizer",
            json!({"type": "Metaspace", "replacement": "\u{2581}"}),
            "both a normalizer and Metaspace",
        ),
        (
            "decoder",
            json!({"type": "WordPiece"}),
            "a decoder (WordPiece) other than",
        ),
        (
            "decoder",
            sequence("decoders", json!([{"type": "ByteFallback"}, {"type": "Fuse"}])),
            "a decoder (Sequence) other than",
        ),
        (
            "decoder",
            json!({"type": "Metaspace", "replacement": "_"}),
            "Metaspace of another character",
        ),
        (
            "decoder",
            json!({"type": "ByteLevel"}),
            "such a normalizer (unknown variant `Prepend`",
        ),
    ] {
        let error = changed("legacy", |definition| definition[part] = value).err().unwrap();
        assert!(error.contains(problem), "{part}: {error}");
        assert!(
            error.contains("supported: byte-level BPE, SentencePiece BPE with byte fallback"),
            "{error}"
        );
    }
    let without = changed("legacy", |definition| {
        definition["model"]["byte_fallback"] = json!(false)
    });
    assert!(without
        .err()
        .unwrap()
        .contains("neither a byte-level decoder nor byte fallback"));
}

#[test]
fn a_vocabulary_without_a_byte_or_the_space_is_refused() {
    for token in ["<0x00>", "<0xFF>", "<0xA0>"] {
        let error = changed("legacy", |definition| {
            definition["model"]["vocab"].as_object_mut().unwrap().remove(token);
        });
        let error = error.err().unwrap();
        assert!(error.contains(&format!("token {token} is missing")), "{error}");
    }
    let error = changed("legacy", |definition| {
        definition["model"]["merges"] = json!([]);
        definition["model"]["vocab"].as_object_mut().unwrap().remove("\u{2581}");
    });
    assert!(error.err().unwrap().contains("token \u{2581} is missing"));
}

/// Texts of everything that is treated in a way of its own.
fn texts() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec!["<s>", "</s>", "<|user|>", "<unk>", "\u{2581}", "<0x41>"]);
    let part = prop_oneof![
        any::<String>(),
        "[ \n\t]{0,6}",
        "[a-z ]{0,12}",
        special.prop_map(String::from)
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_bytes_of_a_texts_tokens_are_the_text_with_a_space_before_each_piece(text in texts()) {
        let pieces = |prefix: &str| {
            let mut spaced = text.replace("\u{2581}", " ");
            for token in ["<s>", "</s>", "<|user|>", "<unk>"] {
                spaced = spaced.replace(token, &format!("\u{0}{token}\u{0}"));
            }
            let is_added = |piece: &str| ["<s>", "</s>", "<|user|>", "<unk>"].contains(&piece);
            let piece = |piece: &str| if piece.is_empty() || is_added(piece) { piece.into() } else { format!("{prefix}{piece}") };
            spaced.split('\u{0}').map(piece).collect::<String>()
        };
        prop_assume!(!text.contains('\u{0}'));
        for ((tokenizer, table), prefix) in SCORED.iter().zip(["", " "]) {
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(String::from_utf8(decode(table, &ids)).unwrap(), pieces(prefix));
        }
    }
}

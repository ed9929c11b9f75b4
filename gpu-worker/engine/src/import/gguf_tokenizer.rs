// SPDX-License-Identifier: Apache-2.0
//! The tokenizer in a GGUF container's metadata, as a `tokenizer.json`.
//!
//! | `tokenizer.ggml.model` | tokenizer | what else is read, all of it `tokenizer.ggml.` |
//! |---|---|---|
//! | `gpt2` | byte-level BPE | `pre`, `tokens`, `token_type`, `merges` |
//! | `llama` | SentencePiece BPE with byte fallback | `tokens`, `token_type`, `scores`, `add_space_prefix` (true without it) |
use super::{
    gguf::{Gguf, GgufValue},
    ImportError,
};
use crate::tokenizer::{
    definition::{split_merge, Added, Definition, Splitting},
    merges,
    sentencepiece::is_byte_token,
};

/// Types of tokens, as llama.cpp numbers them.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const BYTE: i64 = 6;

/// The vocabulary as a `tokenizer.json`.
pub(super) fn tokenizer(gguf: &Gguf) -> Result<Vec<u8>, ImportError> {
    match text(gguf, "model")? {
        "gpt2" => byte_level(gguf),
        "llama" => sentencepiece(gguf),
        other => Err(ImportError::Unsupported(format!(
            "tokenizer {other} (tokenizer.ggml.model)"
        ))),
    }
}

fn text<'a>(gguf: &'a Gguf, key: &str) -> Result<&'a str, ImportError> {
    let value = gguf.text(&format!("tokenizer.ggml.{key}"));
    value.ok_or_else(|| missing(gguf, key))
}

/// Tokens and their types, one each.
struct Vocabulary<'a> {
    tokens: &'a [String],
    types: &'a [i64],
}

impl<'a> Vocabulary<'a> {
    fn read(gguf: &'a Gguf) -> Result<Self, ImportError> {
        let Some(GgufValue::Texts(tokens)) = gguf.values.get("tokenizer.ggml.tokens") else {
            return Err(missing(gguf, "tokens"));
        };
        let Some(GgufValue::Signeds(types)) = gguf.values.get("tokenizer.ggml.token_type") else {
            return Err(missing(gguf, "token_type"));
        };
        one_each(gguf, tokens, types, "token types")?;
        Ok(Self { tokens, types })
    }

    /// The tokenizer that recognises tokens of the types `added` by their text.
    fn define(
        &self,
        gguf: &Gguf,
        merges: Result<Vec<(&str, &str)>, String>,
        added: &[i64],
        splitting: Splitting,
    ) -> Result<Vec<u8>, ImportError> {
        let kinds = self.types.iter().enumerate();
        let added = kinds.filter(|(_, kind)| added.contains(kind)).map(|(id, kind)| Added {
            id: id as u32,
            special: *kind != USER_DEFINED,
        });
        let written = merges.and_then(|merges| {
            let definition = Definition {
                tokens: self.tokens,
                merges,
                added: added.collect(),
                splitting,
            };
            definition.to_json()
        });
        written.map_err(|problem| gguf.malformed(format!("its tokenizer is unusable ({problem})")))
    }
}

fn missing(gguf: &Gguf, key: &str) -> ImportError {
    gguf.malformed(format!("its metadata has no usable tokenizer.ggml.{key}"))
}

fn one_each<T>(gguf: &Gguf, tokens: &[String], others: &[T], name: &str) -> Result<(), ImportError> {
    if tokens.len() == others.len() {
        return Ok(());
    }
    let (tokens, others) = (tokens.len(), others.len());
    Err(gguf.malformed(format!("it has {tokens} tokens but {others} {name}")))
}

fn byte_level(gguf: &Gguf) -> Result<Vec<u8>, ImportError> {
    let splitting = match text(gguf, "pre")? {
        "smollm" => Splitting::SingleDigits,
        "gpt-2" => Splitting::Gpt2,
        "qwen2" => Splitting::Qwen2,
        other => {
            return Err(ImportError::Unsupported(format!(
                "pre-tokenizer {other} (tokenizer.ggml.pre)"
            )))
        }
    };
    let vocabulary = Vocabulary::read(gguf)?;
    let Some(GgufValue::Texts(merges)) = gguf.values.get("tokenizer.ggml.merges") else {
        return Err(missing(gguf, "merges"));
    };
    let merges = merges.iter().map(|merge| split_merge(merge)).collect();
    vocabulary.define(gguf, merges, &[CONTROL, USER_DEFINED], splitting)
}

fn sentencepiece(gguf: &Gguf) -> Result<Vec<u8>, ImportError> {
    let vocabulary = Vocabulary::read(gguf)?;
    let (tokens, types) = (vocabulary.tokens, vocabulary.types);
    let Some(GgufValue::F32s(scores)) = gguf.values.get("tokenizer.ggml.scores") else {
        return Err(missing(gguf, "scores"));
    };
    one_each(gguf, tokens, scores, "scores")?;
    let prefix = match gguf.values.get("tokenizer.ggml.add_space_prefix") {
        None => true,
        Some(GgufValue::Bool(prefix)) => *prefix,
        Some(_) => return Err(missing(gguf, "add_space_prefix")),
    };
    let whole = [UNKNOWN, CONTROL, USER_DEFINED];
    let mistaken = |(token, kind): &(&String, &i64)| !whole.contains(kind) && is_byte_token(token) != (**kind == BYTE);
    if let Some((token, kind)) = tokens.iter().zip(types).find(mistaken) {
        return Err(gguf.malformed(format!(
            "token {token:?} is of type {kind}, but {BYTE} is the type of <0x00> to <0xFF>"
        )));
    }
    // Tokens for bytes, and those that are recognised as a whole, are made of no others.
    let merges = merges::by_score(tokens, scores, |id| !whole.contains(&types[id]) && types[id] != BYTE);
    vocabulary.define(gguf, merges, &whole, Splitting::SentencePiece { prefix })
}

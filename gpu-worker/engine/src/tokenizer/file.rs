// SPDX-License-Identifier: Apache-2.0
//! Reading a `tokenizer.json`.
//!
//! The `tokenizers` crate trusts its definitions: it panics on some that are malformed, and warns where it reads another id than the
//! file says. So a file is read here, checked, and handed to the crate rewritten, with nothing in it but what is listed:
//!
//! The decoder says what the characters of a token stand for. Where it is byte-level, there may be:
//!
//! | part | what may be there |
//! |---|---|
//! | `normalizer` | none, `NFC`, `NFD`, `NFKC`, `NFKD`, or a `Sequence` of them |
//! | `pre_tokenizer` | none, `ByteLevel`, `Digits`, `Split`, or a `Sequence` of them |
//! | `decoder` | `ByteLevel` |
//! | `model` | `BPE` without dropout, and without a prefix or suffix of subwords |
//! | `added_tokens` | any, with the ids that the crate gives them, as long as none can take the begin of another |
//!
//! Where it isn't, but the model falls back to bytes, the definition is SentencePiece's: [`sentencepiece`] says what may be there. Ids are below [`MAX_VOCABULARY`], and no two tokens have the same. Truncation, padding and the post-processor, which adds tokens that the text doesn't name, are left out.
use super::{
    sentencepiece::{self, Parts},
    Kind, TokenizerError,
};
use ergon_primitives::manifest::MAX_VOCABULARY;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{json, Value};
use std::collections::HashMap;

/// Longest pattern of a `Split`, in bytes; published ones have up to about 500.
const MAX_PATTERN: usize = 1 << 12;

/// A definition.
#[derive(Deserialize)]
pub(super) struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    model: Value,
}

/// What is handed to the `tokenizers` crate.
#[derive(Serialize)]
struct Checked<'a, M> {
    version: &'static str,
    added_tokens: &'a [AddedToken],
    normalizer: Value,
    pre_tokenizer: Value,
    model: &'a M,
}

/// A token that is found in a text before anything else is done with it.
#[derive(Deserialize, Serialize)]
pub(super) struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Normalizer {
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Sequence {
        normalizers: Vec<Normalizer>,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum PreTokenizer {
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        trim_offsets: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Digits {
        individual_digits: bool,
    },
    Split {
        pattern: Pattern,
        behavior: Behavior,
        invert: bool,
    },
    Sequence {
        pretokenizers: Vec<PreTokenizer>,
    },
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, Serialize)]
enum Pattern {
    String(String),
    Regex(String),
}

#[derive(Deserialize, Serialize)]
enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

#[derive(Deserialize, Serialize)]
struct Bpe {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(skip_serializing)]
    dropout: Option<f64>,
    #[serde(skip_serializing)]
    continuing_subword_prefix: Option<String>,
    #[serde(skip_serializing)]
    end_of_word_suffix: Option<String>,
    unk_token: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    vocab: HashMap<String, u32>,
    #[serde(default)]
    merges: Vec<Merge>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Text(String),
}

impl File {
    /// Reads and checks a definition.
    pub fn read(json: &[u8]) -> Result<Self, TokenizerError> {
        serde_json::from_slice(json).map_err(|error| TokenizerError::Malformed(error.to_string()))
    }

    /// What its tokens stand for, and the definition for the `tokenizers` crate.
    pub fn checked(&mut self) -> Result<(Kind, Vec<u8>), TokenizerError> {
        let kind = self.model.get("type").and_then(Value::as_str).unwrap_or("BPE");
        if kind != "BPE" {
            return unsupported("a model that isn't BPE");
        }
        // Taken, for there may be many merges.
        let mut model: Bpe = part(self.model.take(), "model")?;
        model.check()?;
        let byte_level = self.decoder.get("type").and_then(Value::as_str) == Some("ByteLevel");
        let (kind, normalizer, pre_tokenizer) = match byte_level {
            true => {
                let normalizer: Option<Normalizer> = part(&self.normalizer, "normalizer")?;
                let pre_tokenizer: Option<PreTokenizer> = part(&self.pre_tokenizer, "pre-tokenizer")?;
                pre_tokenizer.as_ref().map_or(Ok(()), PreTokenizer::check)?;
                (Kind::ByteLevel, json!(normalizer), json!(pre_tokenizer))
            }
            false if model.byte_fallback => {
                let parts = Parts::read(&self.normalizer, &self.pre_tokenizer, &self.decoder)?;
                sentencepiece::check_vocabulary(&model.vocab)?;
                let prefixes = parts.prefixes;
                (Kind::SentencePiece { prefixes }, parts.normalizer, parts.pre_tokenizer)
            }
            false => return unsupported("neither a byte-level decoder nor byte fallback"),
        };
        check_tokens(&model.vocab, &self.added_tokens)?;
        Ok((kind, write(&self.added_tokens, normalizer, pre_tokenizer, &model)?))
    }

    /// Refuses a tokenizer that was made of this file but has an added token under another id.
    pub fn check_ids(&self, id: impl Fn(&str) -> Option<u32>) -> Result<(), TokenizerError> {
        check_ids(&self.added_tokens, id)
    }
}

/// What the `tokenizers` crate is given of checked parts.
pub(super) fn write<M: Serialize>(
    added_tokens: &[AddedToken],
    normalizer: Value,
    pre_tokenizer: Value,
    model: &M,
) -> Result<Vec<u8>, TokenizerError> {
    let file = Checked {
        version: "1.0",
        added_tokens,
        normalizer,
        pre_tokenizer,
        model,
    };
    serde_json::to_vec(&file).map_err(|error| TokenizerError::Malformed(error.to_string()))
}

/// Refuses ids out of range, ids that stand for two tokens, and added tokens on which the crate panics.
pub(super) fn check_tokens(vocabulary: &HashMap<String, u32>, added: &[AddedToken]) -> Result<(), TokenizerError> {
    let mut tokens: Vec<_> = vocabulary.iter().map(|(token, id)| (*id, token.as_str())).collect();
    tokens.extend(added.iter().map(|added| (added.id, added.content.as_str())));
    tokens.sort_unstable();
    tokens.dedup();
    if let Some((id, _)) = tokens.last().filter(|(id, _)| *id >= MAX_VOCABULARY) {
        return malformed(format!("it has token {id}, ids are below {MAX_VOCABULARY}"));
    }
    // Which of them stands in the table of tokens would be a matter of chance.
    if let Some([(id, one), (_, other)]) = tokens.array_windows().find(|[one, other]| one.0 == other.0) {
        return malformed(format!("tokens {one:?} and {other:?} both have id {id}"));
    }
    // One that takes the spaces after it may take the begin of another, which the crate then cuts out a second time.
    let keeps_its_begin = |added: &AddedToken| match added.content.chars().next() {
        Some(first) => first.is_ascii_graphic() || !added.normalized && !first.is_whitespace(),
        None => true,
    };
    match added.iter().find(|added| !keeps_its_begin(added)) {
        Some(AddedToken { content, .. }) if added.iter().any(|added| added.rstrip) => unsupported(format!(
            "added token {content:?} beside one that takes the spaces after it"
        )),
        _ => Ok(()),
    }
}

/// Refuses a tokenizer that was made of a file with these tokens but has one of them under another id.
pub(super) fn check_ids(added: &[AddedToken], id: impl Fn(&str) -> Option<u32>) -> Result<(), TokenizerError> {
    let differs = |added: &&AddedToken| id(&added.content) != Some(added.id);
    match added.iter().find(differs) {
        Some(AddedToken { id, content, .. }) => malformed(format!(
            "added token {content:?} has id {id}, which is not its place in the vocabulary"
        )),
        None => Ok(()),
    }
}

pub(super) fn unsupported<T>(what: impl Into<String>) -> Result<T, TokenizerError> {
    Err(TokenizerError::Unsupported(what.into()))
}

pub(super) fn malformed<T>(problem: impl Into<String>) -> Result<T, TokenizerError> {
    Err(TokenizerError::Malformed(problem.into()))
}

/// One part of a definition, as far as it is supported.
pub(super) fn part<'de, T: Deserialize<'de>>(
    value: impl Deserializer<'de, Error = serde_json::Error>,
    name: &str,
) -> Result<T, TokenizerError> {
    T::deserialize(value).or_else(|error| unsupported(format!("such a {name} ({error})")))
}

impl PreTokenizer {
    fn check(&self) -> Result<(), TokenizerError> {
        match self {
            Self::ByteLevel { .. } | Self::Digits { .. } => Ok(()),
            Self::Split {
                pattern: Pattern::String(pattern) | Pattern::Regex(pattern),
                ..
            } if pattern.len() > MAX_PATTERN => {
                let size = pattern.len();
                malformed(format!("a pattern has {size} bytes, at most {MAX_PATTERN} may be"))
            }
            Self::Split { .. } => Ok(()),
            Self::Sequence { pretokenizers } => pretokenizers.iter().try_for_each(Self::check),
        }
    }
}

impl Bpe {
    /// Also brings all merges into one form.
    fn check(&mut self) -> Result<(), TokenizerError> {
        self.kind = Some("BPE".into());
        let is_set = |affix: &Option<String>| affix.as_ref().is_some_and(|affix| !affix.is_empty());
        if is_set(&self.continuing_subword_prefix) || is_set(&self.end_of_word_suffix) {
            return unsupported("a prefix or suffix of subwords");
        }
        if self.dropout.is_some_and(|dropout| dropout != 0.0) {
            return unsupported("dropout, by which a text has no one set of tokens,");
        }
        for merge in &mut self.merges {
            if let Merge::Text(text) = merge {
                let Some((left, right)) = text.split_once(' ') else {
                    return malformed(format!("merge {text:?} has no space"));
                };
                *merge = Merge::Pair(left.into(), right.into());
            }
            let known = |token: &str| self.vocab.contains_key(token);
            let Merge::Pair(left, right) = merge else { continue };
            if !(known(left) && known(right) && known(&format!("{left}{right}"))) {
                return malformed("a merge joins or makes a token that is not in the vocabulary");
            }
        }
        Ok(())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! SentencePiece's BPE with byte fallback: the tokenizer of Llama 2, Mistral and their kin.
//!
//! In a token, `▁` (U+2581) stands for a space and every other character for itself; the tokens `<0x00>` to `<0xFF>` stand for a byte
//! each, and make up the characters that the vocabulary lacks. So a text's own `▁` becomes a space.
//!
//! A space is put before a text, since a word is learned with the space before it. It belongs to the prompt alone: an answer is the bytes
//! of its tokens, and if the first of them begins with a space, so does the answer. Where the space goes is up to the definition: `Prepend` puts it before every
//! piece of text between added tokens, `Metaspace` before every piece that doesn't begin with one, or before the first only.
//!
//! Of a definition, these parts are supported, exactly as `transformers` has written them over time:
//!
//! | part | what may be there |
//! |---|---|
//! | `normalizer` | `Replace` of a space by `▁`, in a `Sequence` or not, there perhaps after `Prepend` of `▁`; none with a `Metaspace` |
//! | `pre_tokenizer` | `Metaspace` of `▁`, if there is no normalizer |
//! | `decoder` | `Metaspace` of `▁`, or a `Sequence` of `Replace` of `▁` by a space, `ByteFallback`, `Fuse` and perhaps `Strip` of a space |
//! | `model` | `BPE` with `byte_fallback`, all 256 tokens for bytes, and `▁` |
use super::{
    file::{malformed, part, unsupported},
    TokenizerError,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::collections::HashMap;

/// What stands for a space.
pub const SPACE: char = '\u{2581}';

/// Parts for the `tokenizers` crate, and what they do.
#[derive(Debug)]
pub(super) struct Parts {
    pub normalizer: Value,
    pub pre_tokenizer: Value,
    /// Whether spaces are put before a text.
    pub prefixes: bool,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Scheme {
    Never,
    First,
    Always,
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Metaspace {
    Metaspace {
        replacement: char,
        /// An older name of the replacement.
        str_rep: Option<String>,
        /// An older form of the scheme.
        add_prefix_space: Option<bool>,
        prepend_scheme: Option<Scheme>,
        split: Option<bool>,
    },
}

impl Parts {
    /// Checks the parts of a definition.
    pub fn read(normalizer: &Value, pre_tokenizer: &Value, decoder: &Value) -> Result<Self, TokenizerError> {
        check_decoder(decoder)?;
        let metaspace: Option<Metaspace> = part(pre_tokenizer, "pre-tokenizer")?;
        let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
        let prepend = json!({"type": "Prepend", "prepend": SPACE});
        let sequence = |normalizers: &[&Value]| json!({"type": "Sequence", "normalizers": normalizers});
        let prefixes = match metaspace {
            Some(metaspace) if normalizer.is_null() => return metaspace.parts(),
            Some(_) => return unsupported("both a normalizer and Metaspace"),
            None if normalizer.is_null() => return unsupported("neither a normalizer nor Metaspace"),
            None if *normalizer == sequence(&[&prepend, &replace]) => true,
            None if [sequence(&[&replace]), replace].contains(normalizer) => false,
            None => {
                return unsupported(format!(
                    "a normalizer ({}) other than Prepend and Replace of spaces",
                    kind(normalizer)
                ))
            }
        };
        Ok(Self {
            normalizer: normalizer.clone(),
            pre_tokenizer: Value::Null,
            prefixes,
        })
    }
}

impl Metaspace {
    fn parts(self) -> Result<Parts, TokenizerError> {
        let Self::Metaspace {
            replacement,
            str_rep,
            add_prefix_space,
            prepend_scheme,
            split,
        } = self;
        if replacement != SPACE || str_rep.is_some_and(|text| !text.chars().eq([SPACE])) {
            return unsupported(format!("Metaspace of another character than {SPACE}"));
        }
        let scheme = match (prepend_scheme, add_prefix_space) {
            (Some(Scheme::First | Scheme::Always), Some(false)) => {
                return malformed(
                    "Metaspace says by add_prefix_space that it adds none, by prepend_scheme that it does",
                )
            }
            (Some(scheme), _) => scheme,
            (None, Some(false)) => Scheme::Never,
            (None, _) => Scheme::Always,
        };
        let split = split.unwrap_or(true);
        Ok(Parts {
            normalizer: Value::Null,
            pre_tokenizer: json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}),
            prefixes: !matches!(scheme, Scheme::Never),
        })
    }
}

/// What it is, for error messages.
fn kind(part: &Value) -> &str {
    part.get("type").and_then(Value::as_str).unwrap_or("of no type")
}

/// A decoder isn't used, but it says what the tokens stand for.
fn check_decoder(decoder: &Value) -> Result<(), TokenizerError> {
    if kind(decoder) == "Metaspace" {
        let metaspace: Metaspace = part(decoder, "decoder")?;
        return metaspace.parts().map(drop);
    }
    let steps = json!([
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    ]);
    let steps = steps.as_array().map_or(&[][..], Vec::as_slice);
    let sequence = |decoders: &[Value]| json!({"type": "Sequence", "decoders": decoders});
    if [sequence(steps), sequence(&steps[..3])].contains(decoder) {
        return Ok(());
    }
    unsupported(format!(
        "byte fallback and a decoder ({}) other than Replace of {SPACE}, ByteFallback, Fuse and Strip",
        kind(decoder)
    ))
}

/// Refuses a vocabulary that lacks a byte or the space.
pub(super) fn check_vocabulary(vocabulary: &HashMap<String, u32>) -> Result<(), TokenizerError> {
    let mut needed = (0..=255).map(byte_token).chain([SPACE.to_string()]);
    match needed.find(|token| !vocabulary.contains_key(token)) {
        Some(token) => malformed(format!(
            "token {token} is missing, without which not every text has tokens"
        )),
        None => Ok(()),
    }
}

/// Token that stands for a byte.
pub fn byte_token(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Byte that a token stands for, if it stands for one.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    (byte_token(byte) == token).then_some(byte)
}

/// Whether a token stands for a byte by its number.
pub fn is_byte_token(token: &str) -> bool {
    byte_of(token).is_some()
}

/// Bytes that a token stands for.
pub(super) fn bytes_of(token: &str) -> Vec<u8> {
    match byte_of(token) {
        Some(byte) => vec![byte],
        None => token.replace(SPACE, " ").into_bytes(),
    }
}

#[cfg(test)]
mod tests;

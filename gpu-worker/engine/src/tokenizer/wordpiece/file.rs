// SPDX-License-Identifier: Apache-2.0
//! Reading the `tokenizer.json` of an encoder: checked, and rewritten for the `tokenizers` crate, as that of a decoder is.
//!
//! | part | what may be there |
//! |---|---|
//! | `normalizer` | none, or `BertNormalizer` |
//! | `pre_tokenizer` | `BertPreTokenizer` |
//! | `post_processor` | none, or `TemplateProcessing`, of which `single` counts: the text once, and tokens of the vocabulary, at most [`MAX_AROUND`] |
//! | `model` | `WordPiece` with words of at most [`MAX_WORD`] characters and a prefix of at most [`MAX_PREFIX`] bytes |
//! | `added_tokens` | as for a decoder |
//!
//! The crate isn't given the template: it panics on one that names what isn't there.
use super::super::{
    file::{check_ids, check_tokens, malformed, part, unsupported, write, AddedToken},
    TokenizerError,
};
use serde::{de::IgnoredAny, Deserialize, Serialize};
use serde_json::{json, Value};
use std::collections::HashMap;

/// Most tokens that may stand around a text; BERT has two.
const MAX_AROUND: usize = 16;
/// Most characters of a word that is cut into pieces, which takes quadratic time; published tokenizers have 100.
const MAX_WORD: usize = 1 << 10;
/// Longest prefix of a piece that continues a word, in bytes; published tokenizers have `##`.
const MAX_PREFIX: usize = 16;

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
    post_processor: Value,
    model: Value,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Normalizer {
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum PreTokenizer {
    BertPreTokenizer,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Model {
    WordPiece {
        unk_token: String,
        continuing_subword_prefix: String,
        max_input_chars_per_word: usize,
        vocab: HashMap<String, u32>,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum PostProcessor {
    TemplateProcessing {
        single: Vec<Piece>,
        #[serde(rename = "pair")]
        _pair: IgnoredAny,
        special_tokens: HashMap<String, SpecialToken>,
    },
}

#[derive(Deserialize)]
enum Piece {
    Sequence { id: Sequence, type_id: u32 },
    SpecialToken { id: String, type_id: u32 },
}

#[derive(Deserialize)]
enum Sequence {
    A,
    B,
}

#[derive(Deserialize)]
struct SpecialToken {
    ids: Vec<u32>,
    tokens: Vec<String>,
}

impl File {
    /// Reads a definition.
    pub fn read(json: &[u8]) -> Result<Self, TokenizerError> {
        serde_json::from_slice(json).map_err(|error| TokenizerError::Malformed(error.to_string()))
    }

    /// The definition for the `tokenizers` crate.
    pub fn checked(&mut self) -> Result<Vec<u8>, TokenizerError> {
        if self.model.get("type").and_then(Value::as_str) != Some("WordPiece") {
            return Err(TokenizerError::NotWordPiece);
        }
        let model: Model = part(self.model.take(), "model")?;
        let normalizer: Option<Normalizer> = part(&self.normalizer, "normalizer")?;
        let pre_tokenizer: PreTokenizer = part(&self.pre_tokenizer, "pre-tokenizer")?;
        check_tokens(model.check()?, &self.added_tokens)?;
        write(&self.added_tokens, json!(normalizer), json!(pre_tokenizer), &model)
    }

    /// The tokens before and after a text. Refuses a tokenizer that was made of this file but has tokens under other ids.
    pub fn around(&self, id: impl Fn(&str) -> Option<u32>) -> Result<[Vec<u32>; 2], TokenizerError> {
        check_ids(&self.added_tokens, &id)?;
        let template: Option<PostProcessor> = part(&self.post_processor, "post-processor")?;
        let Some(PostProcessor::TemplateProcessing {
            single, special_tokens, ..
        }) = template
        else {
            return Ok(Default::default());
        };
        let (mut around, mut place) = ([vec![], vec![]], 0);
        for piece in single {
            let (Piece::Sequence { type_id, .. } | Piece::SpecialToken { type_id, .. }) = piece;
            if type_id != 0 {
                return unsupported("tokens of another type than the first");
            }
            match piece {
                Piece::Sequence { id: Sequence::A, .. } if place == 0 => place = 1,
                Piece::Sequence { .. } => return unsupported("a template of more than one text"),
                Piece::SpecialToken { id: name, .. } => {
                    let Some(token) = special_tokens.get(&name) else {
                        return malformed(format!(
                            "its template names {name:?}, which is none of its special tokens"
                        ));
                    };
                    if !token
                        .tokens
                        .iter()
                        .map(|token| id(token))
                        .eq(token.ids.iter().copied().map(Some))
                    {
                        return malformed(format!(
                            "its special token {name:?} has other ids than in the vocabulary"
                        ));
                    }
                    around[place].extend(&token.ids);
                    if around[place].len() > MAX_AROUND {
                        return malformed(format!("over {MAX_AROUND} tokens are to stand around a text"));
                    }
                }
            }
        }
        match place {
            0 => unsupported("a template without a text"),
            _ => Ok(around),
        }
    }
}

impl Model {
    /// Its vocabulary, if everything is within its bounds.
    fn check(&self) -> Result<&HashMap<String, u32>, TokenizerError> {
        let Self::WordPiece {
            unk_token,
            continuing_subword_prefix: prefix,
            max_input_chars_per_word: word,
            vocab,
        } = self;
        if prefix.len() > MAX_PREFIX {
            return malformed(format!(
                "its prefix has {} bytes, at most {MAX_PREFIX} may be",
                prefix.len()
            ));
        }
        if *word > MAX_WORD {
            return malformed(format!("words of {word} characters are cut, at most {MAX_WORD} may be"));
        }
        if !vocab.contains_key(unk_token) {
            return malformed(format!(
                "its token for unknown words, {unk_token:?}, is not in the vocabulary"
            ));
        }
        Ok(vocab)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Writing a `tokenizer.json` for a BPE vocabulary.
use super::sentencepiece::SPACE;
use serde::{ser::SerializeMap, Serialize, Serializer};

/// How text is cut before merging.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Splitting {
    /// GPT-2's pattern.
    Gpt2,
    /// Every digit alone, then GPT-2's pattern.
    SingleDigits,
    /// Qwen2's pattern, after Unicode normalization to NFC.
    Qwen2,
    /// Not at all: tokens are SentencePiece's, with `▁` for a space and a token for every byte.
    SentencePiece {
        /// Whether a space is put before every piece of text between added tokens.
        prefix: bool,
    },
}

/// Qwen2's pattern, as its published `tokenizer.json` has it.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A token that is recognised as a whole, before text is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Added {
    /// Its id.
    pub id: u32,
    /// Whether it is a control token.
    pub special: bool,
}

/// A vocabulary and its merges.
pub struct Definition<'a> {
    /// Tokens by id; if they are byte-level, in GPT-2's characters.
    pub tokens: &'a [String],
    /// Merges, best first.
    pub merges: Vec<(&'a str, &'a str)>,
    /// Added tokens, by id.
    pub added: Vec<Added>,
    /// How text is cut.
    pub splitting: Splitting,
}

impl Definition<'_> {
    /// The `tokenizer.json`; the same bytes for the same definition.
    pub fn to_json(&self) -> Result<Vec<u8>, String> {
        let added = self.added.iter().map(|added| {
            let content = self
                .tokens
                .get(added.id as usize)
                .ok_or(format!("there is no token {}", added.id))?;
            Ok(AddedToken {
                id: added.id,
                content,
                single_word: false,
                lstrip: false,
                rstrip: false,
                normalized: false,
                special: added.special,
            })
        });
        let file = File {
            version: "1.0",
            truncation: (),
            padding: (),
            added_tokens: added.collect::<Result<_, String>>()?,
            normalizer: self.splitting.normalizer(),
            pre_tokenizer: self.splitting.pre_tokenizer(),
            post_processor: (),
            decoder: self.splitting.decoder(),
            model: Model {
                kind: "BPE",
                ignore_merges: false,
                byte_fallback: matches!(self.splitting, Splitting::SentencePiece { .. }),
                vocab: Vocabulary(self.tokens),
                merges: &self.merges,
            },
        };
        serde_json::to_vec(&file).map_err(|error| error.to_string())
    }
}

/// The two tokens of a merge that is written with a space between them.
pub fn split_merge(merge: &str) -> Result<(&str, &str), String> {
    merge.split_once(' ').ok_or(format!("merge {merge:?} has no space"))
}

impl Splitting {
    fn normalizer(self) -> Option<Component> {
        match self {
            Self::Gpt2 | Self::SingleDigits => None,
            Self::Qwen2 => Some(Component::Nfc),
            Self::SentencePiece { prefix } => {
                let prepend = prefix.then_some(Component::Prepend { prepend: SPACE });
                let normalizers = prepend.into_iter().chain([replace(' ', SPACE)]).collect();
                Some(Component::Normalizers { normalizers })
            }
        }
    }

    fn pre_tokenizer(self) -> Option<Component> {
        let pretokenizers = match self {
            Self::Gpt2 => return Some(byte_level(true)),
            Self::SingleDigits => vec![
                Component::Digits {
                    individual_digits: true,
                },
                byte_level(true),
            ],
            Self::Qwen2 => vec![
                Component::Split {
                    pattern: Pattern::Regex(QWEN2),
                    behavior: "Isolated",
                    invert: false,
                },
                byte_level(false),
            ],
            Self::SentencePiece { .. } => return None,
        };
        Some(Component::Sequence { pretokenizers })
    }

    fn decoder(self) -> Component {
        let Self::SentencePiece { prefix } = self else {
            return byte_level(true);
        };
        let strip = prefix.then_some(Component::Strip {
            content: ' ',
            start: 1,
            stop: 0,
        });
        let steps = [replace(SPACE, ' '), Component::ByteFallback, Component::Fuse];
        Component::Decoders {
            decoders: steps.into_iter().chain(strip).collect(),
        }
    }
}

fn byte_level(use_regex: bool) -> Component {
    Component::ByteLevel {
        add_prefix_space: false,
        trim_offsets: true,
        use_regex,
    }
}

fn replace(char: char, content: char) -> Component {
    Component::Replace {
        pattern: Pattern::String(char),
        content,
    }
}

#[derive(Serialize)]
struct File<'a> {
    version: &'a str,
    truncation: (),
    padding: (),
    added_tokens: Vec<AddedToken<'a>>,
    normalizer: Option<Component>,
    pre_tokenizer: Option<Component>,
    post_processor: (),
    decoder: Component,
    model: Model<'a>,
}

#[derive(Serialize)]
struct AddedToken<'a> {
    id: u32,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Component {
    Sequence {
        pretokenizers: Vec<Component>,
    },
    #[serde(rename = "Sequence")]
    Normalizers {
        normalizers: Vec<Component>,
    },
    #[serde(rename = "Sequence")]
    Decoders {
        decoders: Vec<Component>,
    },
    Prepend {
        prepend: char,
    },
    Replace {
        pattern: Pattern,
        content: char,
    },
    ByteFallback,
    Fuse,
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    Digits {
        individual_digits: bool,
    },
    Split {
        pattern: Pattern,
        behavior: &'static str,
        invert: bool,
    },
    #[serde(rename = "NFC")]
    Nfc,
    ByteLevel {
        add_prefix_space: bool,
        trim_offsets: bool,
        use_regex: bool,
    },
}

#[derive(Serialize)]
enum Pattern {
    Regex(&'static str),
    String(char),
}

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: Vocabulary<'a>,
    merges: &'a [(&'a str, &'a str)],
}

struct Vocabulary<'a>(&'a [String]);

impl Serialize for Vocabulary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, token) in self.0.iter().enumerate() {
            map.serialize_entry(token, &id)?;
        }
        map.end()
    }
}

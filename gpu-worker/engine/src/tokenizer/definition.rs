// SPDX-License-Identifier: Apache-2.0
//! Writing a `tokenizer.json` for a byte-level BPE vocabulary.
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
    /// Tokens by id, in GPT-2's characters.
    pub tokens: &'a [String],
    /// Merges, best first: two tokens with a space between.
    pub merges: &'a [String],
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
        let merges = self
            .merges
            .iter()
            .map(|merge| merge.split_once(' ').ok_or(format!("merge {merge:?} has no space")));
        let byte_level = |use_regex| Component::ByteLevel {
            add_prefix_space: false,
            trim_offsets: true,
            use_regex,
        };
        let file = File {
            version: "1.0",
            truncation: (),
            padding: (),
            added_tokens: added.collect::<Result<_, String>>()?,
            normalizer: (self.splitting == Splitting::Qwen2).then_some(Component::Nfc),
            pre_tokenizer: match self.splitting {
                Splitting::Gpt2 => byte_level(true),
                Splitting::SingleDigits => Component::Sequence {
                    pretokenizers: vec![
                        Component::Digits {
                            individual_digits: true,
                        },
                        byte_level(true),
                    ],
                },
                Splitting::Qwen2 => Component::Sequence {
                    pretokenizers: vec![
                        Component::Split {
                            pattern: Pattern { regex: QWEN2 },
                            behavior: "Isolated",
                            invert: false,
                        },
                        byte_level(false),
                    ],
                },
            },
            post_processor: (),
            decoder: byte_level(true),
            model: Model {
                kind: "BPE",
                ignore_merges: false,
                byte_fallback: false,
                vocab: Vocabulary(self.tokens),
                merges: merges.collect::<Result<_, _>>()?,
            },
        };
        serde_json::to_vec(&file).map_err(|error| error.to_string())
    }
}

#[derive(Serialize)]
struct File<'a> {
    version: &'a str,
    truncation: (),
    padding: (),
    added_tokens: Vec<AddedToken<'a>>,
    normalizer: Option<Component>,
    pre_tokenizer: Component,
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
struct Pattern {
    #[serde(rename = "Regex")]
    regex: &'static str,
}

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: Vocabulary<'a>,
    merges: Vec<(&'a str, &'a str)>,
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

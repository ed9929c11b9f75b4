// SPDX-License-Identifier: Apache-2.0
//! Tiny decoders with random weights, and a writer of GGUF files.
use ergon_engine::{testing::Random, tokenizer::definition::Splitting};
use ergon_primitives::manifest::Architecture;
use half::f16;
use serde_json::{json, Value};
use std::collections::BTreeMap;

mod vocabulary;

pub const CHAT_TEMPLATE: &str = "{{ messages[0].content }}";
/// Id of the token `<|end|>`.
pub const END: u32 = 257;

pub const LAYERS: usize = 2;
pub const HIDDEN: usize = 64;
const INNER: usize = 96;
pub const HEADS: usize = 4;
pub const KV_HEADS: usize = 2;

/// Weights in Hugging Face's order of rows, exactly what the encodings of [`Tiny::gguf_tensors`] can express.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// A model to be written.
pub struct Tiny {
    pub architecture: Architecture,
    pub seed: u64,
    pub tied: bool,
    pub splitting: Splitting,
    /// Applied to every value.
    pub round: fn(f32) -> f32,
}

/// A tensor as it stands in a GGUF file.
pub struct GgufTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: u32,
    pub bytes: Vec<u8>,
    /// Dimensions and offset to claim instead.
    pub lie: Option<(Vec<u64>, u64)>,
}

/// A value in a GGUF file's metadata.
#[derive(Clone)]
pub enum Entry {
    U16(u16),
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
}

/// Kinds of tensors: how GGUF numbers them.
fn kind(name: &str) -> u32 {
    match name.rsplit('.').next() {
        Some("embed" | "head") => 8,
        Some("q" | "gate") => 3,
        Some("k" | "down") => 1,
        _ => 0,
    }
}

fn words(name: &str, huggingface: bool) -> String {
    let table = [
        ("attention_norm", "input_layernorm", "attn_norm"),
        ("q", "self_attn.q_proj", "attn_q"),
        ("k", "self_attn.k_proj", "attn_k"),
        ("v", "self_attn.v_proj", "attn_v"),
        ("q_norm", "self_attn.q_norm", "attn_q_norm"),
        ("k_norm", "self_attn.k_norm", "attn_k_norm"),
        ("o", "self_attn.o_proj", "attn_output"),
        ("ffn_norm", "post_attention_layernorm", "ffn_norm"),
        ("gate", "mlp.gate_proj", "ffn_gate"),
        ("up", "mlp.up_proj", "ffn_up"),
        ("down", "mlp.down_proj", "ffn_down"),
        ("embed", "model.embed_tokens", "token_embd"),
        ("final_norm", "model.norm", "output_norm"),
        ("head", "lm_head", "output"),
    ];
    let (name, kind) = name
        .strip_suffix(".bias")
        .map_or((name, "weight"), |name| (name, "bias"));
    let (prefix, part) = name.rsplit_once('.').unwrap_or(("", name));
    let (_, theirs, ggml) = table.iter().find(|row| row.0 == part).unwrap();
    let prefix = match (prefix.strip_prefix("layers."), huggingface) {
        (Some(layer), true) => format!("model.layers.{layer}."),
        (Some(layer), false) => format!("blk.{layer}."),
        (None, _) => String::new(),
    };
    format!("{prefix}{}.{kind}", if huggingface { theirs } else { ggml })
}

pub fn huggingface_name(name: &str) -> String {
    words(name, true)
}

impl Tiny {
    pub fn new(seed: u64) -> Self {
        Self {
            architecture: Architecture::Llama,
            seed,
            tied: true,
            splitting: Splitting::SingleDigits,
            round: |value| value,
        }
    }

    /// A model of this architecture.
    pub fn of(architecture: Architecture, seed: u64) -> Self {
        Self {
            architecture,
            ..Self::new(seed)
        }
    }

    /// A model with SentencePiece's tokens, which puts a space before a text if `prefix` is set.
    pub fn with_sentencepiece(prefix: bool, seed: u64) -> Self {
        Self {
            splitting: Splitting::SentencePiece { prefix },
            ..Self::new(seed)
        }
    }

    /// Width of a head: a Qwen3's is independent of the hidden size.
    pub fn head_dim(&self) -> usize {
        match self.architecture {
            Architecture::Qwen3 => 24,
            _ => HIDDEN / HEADS,
        }
    }

    /// What Hugging Face and llama.cpp call the architecture.
    fn model_type(&self) -> &'static str {
        match self.architecture {
            Architecture::Llama => "llama",
            Architecture::Qwen2 => "qwen2",
            Architecture::Qwen3 => "qwen3",
            Architecture::Bert => "bert",
        }
    }

    /// All tensors by their names in an artifact.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let random = &mut Random::new(self.seed);
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, shape: &[usize]| {
            let values = random_values(random, kind(&name), shape.iter().product());
            let values = values.into_iter().map(self.round).collect();
            tensors.insert(
                name,
                Tensor {
                    shape: shape.to_vec(),
                    values,
                },
            );
        };
        let vocabulary = self.tokens().len();
        add("embed".into(), &[vocabulary, HIDDEN]);
        add("final_norm".into(), &[HIDDEN]);
        if !self.tied {
            add("head".into(), &[vocabulary, HIDDEN]);
        }
        for i in 0..LAYERS {
            let dim = self.head_dim();
            let (q, kv) = (HEADS * dim, KV_HEADS * dim);
            let optional: &[(&str, &[usize])] = match self.architecture {
                Architecture::Qwen2 => &[("q.bias", &[q]), ("k.bias", &[kv]), ("v.bias", &[kv])],
                Architecture::Qwen3 => &[("q_norm", &[dim]), ("k_norm", &[dim])],
                _ => &[],
            };
            for (name, shape) in [
                ("attention_norm", &[HIDDEN][..]),
                ("q", &[q, HIDDEN]),
                ("k", &[kv, HIDDEN]),
                ("v", &[kv, HIDDEN]),
                ("o", &[HIDDEN, q]),
                ("ffn_norm", &[HIDDEN]),
                ("gate", &[INNER, HIDDEN]),
                ("up", &[INNER, HIDDEN]),
                ("down", &[HIDDEN, INNER]),
            ] {
                add(format!("layers.{i}.{name}"), shape);
            }
            for (name, shape) in optional {
                add(format!("layers.{i}.{name}"), shape);
            }
        }
        tensors
    }

    /// All tensors as llama.cpp stores them.
    pub fn gguf_tensors(&self) -> Vec<GgufTensor> {
        let stored = |(name, tensor): (String, Tensor)| {
            let permuted = matches!(name.rsplit('.').next(), Some("q" | "k"));
            let permuted = permuted && self.architecture == Architecture::Llama;
            let values = if permuted {
                interleave(&tensor, self.head_dim())
            } else {
                tensor.values
            };
            let kind = kind(&name);
            GgufTensor {
                name: words(&name, false),
                shape: tensor.shape,
                kind,
                bytes: encode(kind, &values),
                lie: None,
            }
        };
        self.tensors().into_iter().map(stored).collect()
    }

    pub fn config(&self) -> Value {
        json!({
            "model_type": self.model_type(), "hidden_act": "silu", "hidden_size": HIDDEN,
            "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS, "head_dim": self.head_dim(), "vocab_size": self.tokens().len(), "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": null, "tie_word_embeddings": self.tied,
            "attention_bias": false, "mlp_bias": false, "bos_token_id": 256, "eos_token_id": [END], "torch_dtype": "float32"
        })
    }

    /// Metadata of a GGUF file.
    pub fn entries(&self) -> Vec<(String, Entry)> {
        let number = |size: usize| Entry::U32(size as u32);
        let architecture = self.model_type();
        [
            ("general.architecture", Entry::Text(architecture.into())),
            ("llama.block_count", number(LAYERS)),
            ("llama.context_length", number(128)),
            ("llama.embedding_length", number(HIDDEN)),
            ("llama.feed_forward_length", number(INNER)),
            ("llama.attention.head_count", number(HEADS)),
            ("llama.attention.head_count_kv", number(KV_HEADS)),
            ("llama.attention.layer_norm_rms_epsilon", Entry::F32(1e-5)),
            ("llama.attention.key_length", number(self.head_dim())),
            ("llama.rope.freq_base", Entry::F32(10000.0)),
        ]
        .into_iter()
        .chain(self.tokenizer_entries())
        .map(|(key, entry)| (key.replace("llama.", &format!("{architecture}.")), entry))
        .collect()
    }
}

/// Values that `kind` can express exactly.
fn random_values(random: &mut Random, kind: u32, count: usize) -> Vec<f32> {
    let mut small = |bound: u64| (random.next() % bound) as f32;
    match kind {
        // Blocks of 32 under the scale 1/32 (minimum -1/4); the encoder below counts on both.
        8 => (0..count).map(|_| (small(255) - 127.0) / 32.0).collect(),
        3 => (0..count).map(|_| small(16) / 32.0 - 0.25).collect(),
        1 => (0..count).map(|_| (small(2001) - 1000.0) / 1024.0).collect(),
        _ => (0..count).map(|_| (small(2_000_001) - 1_000_000.0) / 1e6).collect(),
    }
}

fn encode(kind: u32, values: &[f32]) -> Vec<u8> {
    let half = |value: f32| f16::from_f32(value).to_le_bytes();
    let blocks = values.chunks(32);
    match kind {
        8 => blocks
            .flat_map(|block| {
                half(1.0 / 32.0)
                    .into_iter()
                    .chain(block.iter().map(|value| (value * 32.0) as i8 as u8))
                    .collect::<Vec<_>>()
            })
            .collect(),
        3 => blocks
            .flat_map(|block| {
                let q: Vec<u8> = block.iter().map(|value| ((value + 0.25) * 32.0) as u8).collect();
                let nibbles = (0..16).map(|i| q[i] | q[i + 16] << 4);
                half(1.0 / 32.0)
                    .into_iter()
                    .chain(half(-0.25))
                    .chain(nibbles)
                    .collect::<Vec<_>>()
            })
            .collect(),
        1 => values.iter().flat_map(|value| half(*value)).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// Halves of every head interleaved, as llama.cpp's converter does.
fn interleave(tensor: &Tensor, head_dim: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = tensor.values.chunks(tensor.shape[1]).collect();
    let order = rows
        .chunks(head_dim)
        .flat_map(|head| (0..head_dim / 2).flat_map(|i| [head[i], head[i + head_dim / 2]]));
    order.flatten().copied().collect()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let kind = |out: &mut Vec<u8>, kind: u32| out.extend(kind.to_le_bytes());
    match entry {
        Entry::U16(value) => {
            kind(out, 2);
            out.extend(value.to_le_bytes());
        }
        Entry::U32(value) => {
            kind(out, 4);
            out.extend(value.to_le_bytes());
        }
        Entry::F32(value) => {
            kind(out, 6);
            out.extend(value.to_le_bytes());
        }
        Entry::Bool(value) => {
            kind(out, 7);
            out.push(u8::from(*value));
        }
        Entry::Text(text) => {
            kind(out, 8);
            put_text(out, text);
        }
        Entry::Texts(texts) => {
            kind(out, 9);
            kind(out, 8);
            out.extend((texts.len() as u64).to_le_bytes());
            texts.iter().for_each(|text| put_text(out, text));
        }
        Entry::F32s(values) => {
            kind(out, 9);
            kind(out, 6);
            out.extend((values.len() as u64).to_le_bytes());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Entry::I32s(values) => {
            kind(out, 9);
            kind(out, 5);
            out.extend((values.len() as u64).to_le_bytes());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
}

/// A GGUF file.
pub fn gguf(entries: &[(String, Entry)], tensors: &[GgufTensor]) -> Vec<u8> {
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    for (key, entry) in entries {
        put_text(&mut out, key);
        put_entry(&mut out, entry);
    }
    let mut at = 0u64;
    for tensor in tensors {
        let honest = (tensor.shape.iter().rev().map(|size| *size as u64).collect(), at);
        let (dimensions, offset) = tensor.lie.clone().unwrap_or(honest);
        put_text(&mut out, &tensor.name);
        out.extend((dimensions.len() as u32).to_le_bytes());
        out.extend(dimensions.iter().flat_map(|size| size.to_le_bytes()));
        out.extend(tensor.kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
        at = (at + tensor.bytes.len() as u64).next_multiple_of(32);
    }
    for tensor in tensors {
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(&tensor.bytes);
    }
    out
}

// SPDX-License-Identifier: Apache-2.0
//! The smallest models that are imported.
use crate::{
    fuzz::targets::SEPARATOR,
    tiny::{self, Entry, GgufTensor},
};
use ergon_engine::{
    import::{import, Options},
    tokenizer::definition::{Added, Definition, Splitting},
};
use safetensors::{tensor::TensorView, Dtype};
use serde_json::json;
use std::{fs, ops::ControlFlow, path::Path};

const VOCABULARY: usize = 8;
const TOKENS: [&str; VOCABULARY] = ["a", "b", "c", "ab", "d", "e", "f", "<|end|>"];
const TEMPLATE: &str = "{{ messages[0].content }}";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// A GGUF file with one layer, a width of 32 and most encodings.
pub fn gguf() -> Vec<u8> {
    let number = Entry::U32;
    let text = |text: &str| Entry::Text(text.into());
    let entries = [
        ("general.architecture", text("llama")),
        ("llama.block_count", number(1)),
        ("llama.context_length", number(16)),
        ("llama.embedding_length", number(32)),
        ("llama.feed_forward_length", number(32)),
        ("llama.attention.head_count", number(2)),
        ("llama.attention.layer_norm_rms_epsilon", Entry::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", Entry::Texts(texts(&TOKENS))),
        ("tokenizer.ggml.token_type", Entry::I32s(vec![1, 1, 1, 1, 1, 1, 1, 3])),
        ("tokenizer.ggml.merges", Entry::Texts(texts(&["a b"]))),
        ("tokenizer.ggml.eos_token_id", number(7)),
        ("tokenizer.chat_template", text(TEMPLATE)),
    ];
    // GGML's numbers of the encodings, and the bytes that 32 weights take.
    let matrix = |(name, kind, block): (&str, u32, usize)| {
        let rows = if name == "token_embd" { VOCABULARY } else { 32 };
        let name = if name == "token_embd" {
            name.into()
        } else {
            format!("blk.0.{name}")
        };
        tensor(format!("{name}.weight"), vec![rows, 32], kind, rows * block)
    };
    let matrices = [
        ("token_embd", 8, 34),
        ("attn_q", 2, 18),
        ("attn_k", 3, 20),
        ("attn_v", 6, 22),
        ("attn_output", 7, 24),
        ("ffn_gate", 1, 64),
        ("ffn_up", 30, 64),
        ("ffn_down", 2, 18),
    ];
    let norms = ["blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"];
    let norms = norms.map(|name| tensor(name.into(), vec![32], 0, 128));
    let tensors: Vec<GgufTensor> = matrices.into_iter().map(matrix).chain(norms).collect();
    tiny::gguf(&entries.map(|(key, entry)| (key.to_string(), entry)), &tensors)
}

fn tensor(name: String, shape: Vec<usize>, kind: u32, size: usize) -> GgufTensor {
    GgufTensor {
        name,
        shape,
        kind,
        // As a float of any type, near 1 or 1/100.
        bytes: vec![0x3c; size],
        lie: None,
    }
}

/// A Hugging Face folder with one layer and a width of 4, as the target takes it.
pub fn huggingface(sharded: bool) -> Vec<u8> {
    let config = json!({
        "model_type": "llama", "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
        "vocab_size": VOCABULARY, "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
        "rope_theta": 10000.0, "eos_token_id": [7]
    });
    let definition = Definition {
        tokens: &texts(&TOKENS),
        merges: &texts(&["a b"]),
        added: vec![Added { id: 7, special: true }],
        splitting: Splitting::Gpt2,
    };
    let bytes = [0x3c; 4 * 4 * VOCABULARY];
    let view = |(name, dtype, shape): (&str, Dtype, &[usize])| {
        let size = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let name = name.replace('@', "model.layers.0.");
        (name, TensorView::new(dtype, shape.to_vec(), &bytes[..size]).unwrap())
    };
    let square: &[usize] = &[4, 4];
    let tensors = [
        ("model.embed_tokens.weight", Dtype::BF16, &[VOCABULARY, 4][..]),
        ("lm_head.weight", Dtype::F32, &[VOCABULARY, 4]),
        ("model.norm.weight", Dtype::F32, &[4]),
        ("@input_layernorm.weight", Dtype::F16, &[4]),
        ("@post_attention_layernorm.weight", Dtype::BF16, &[4]),
        ("@self_attn.q_proj.weight", Dtype::F32, square),
        ("@self_attn.k_proj.weight", Dtype::F16, square),
        ("@self_attn.v_proj.weight", Dtype::BF16, square),
        ("@self_attn.o_proj.weight", Dtype::F16, square),
        ("@mlp.gate_proj.weight", Dtype::BF16, square),
        ("@mlp.up_proj.weight", Dtype::F16, square),
        ("@mlp.down_proj.weight", Dtype::BF16, square),
    ];
    let index = match sharded {
        true => json!({"weight_map": {"model.norm.weight": "shard.safetensors"}}).to_string(),
        false => String::new(),
    };
    let weights = safetensors::serialize(tensors.map(view), None).unwrap();
    let parts = [
        config.to_string().into_bytes(),
        definition.to_json().unwrap(),
        index.into_bytes(),
        weights,
    ];
    parts.join(SEPARATOR)
}

/// The artifact of the smaller model.
pub fn artifact() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let parts = huggingface(false);
    let mut rest = &parts[..];
    for file in ["config.json", "tokenizer.json", "no-index", "model.safetensors"] {
        let cut = rest.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR);
        let (part, after) = cut.map_or((rest, &[][..]), |cut| (&rest[..cut], &rest[cut + SEPARATOR.len()..]));
        fs::write(folder.path().join(file), part).unwrap();
        rest = after;
    }
    fs::write(folder.path().join("chat_template.jinja"), TEMPLATE).unwrap();
    imported(folder.path())
}

/// The artifact of a model that is imported.
pub fn imported(source: &Path) -> Vec<u8> {
    let out = tempfile::tempdir().unwrap();
    let artifact = out.path().join("model.ergon");
    let options = Options {
        name: Some("seed".into()),
        context: None,
    };
    import(source, &artifact, &options, &mut |_| ControlFlow::Continue(())).unwrap();
    fs::read(artifact).unwrap()
}

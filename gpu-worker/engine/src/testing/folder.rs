// SPDX-License-Identifier: Apache-2.0
//! Models to import that are large and take no disk.
use crate::tokenizer::definition::{Definition, Splitting};
use ergon_primitives::manifest::Dimensions;
use serde_json::{json, Map, Value};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes a Hugging Face folder: a Llama of this shape whose weights, in BF16, are all zero and not stored. Its tokenizer knows one token.
pub fn write_sparse_folder(folder: &Path, dimensions: &Dimensions) -> io::Result<()> {
    let d = dimensions;
    let config = json!({
        "model_type": "llama", "hidden_size": d.hidden, "intermediate_size": d.feed_forward, "num_hidden_layers": d.layers,
        "num_attention_heads": d.heads, "num_key_value_heads": d.kv_heads, "head_dim": d.head_dim, "vocab_size": d.vocabulary,
        "max_position_embeddings": d.context, "rms_norm_eps": 1e-5, "tie_word_embeddings": true
    });
    fs::write(folder.join("config.json"), config.to_string())?;
    let tokenizer = Definition {
        tokens: &["a".into()],
        merges: vec![],
        added: vec![],
        splitting: Splitting::Gpt2,
    };
    fs::write(
        folder.join("tokenizer.json"),
        tokenizer.to_json().map_err(io::Error::other)?,
    )?;
    let (mut header, mut end) = (Map::new(), 0u64);
    for (name, shape) in tensors(d) {
        let start = end;
        end += 2 * shape.iter().map(|size| u64::from(*size)).product::<u64>();
        let tensor: Value = json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name, tensor);
    }
    let header = Value::Object(header).to_string();
    let mut file = File::create(folder.join("model.safetensors"))?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    file.set_len(8 + header.len() as u64 + end)
}

fn tensors(d: &Dimensions) -> Vec<(String, Vec<u32>)> {
    let (q, kv) = (d.heads * d.head_dim, d.kv_heads * d.head_dim);
    let layer = [
        ("input_layernorm", vec![d.hidden]),
        ("self_attn.q_proj", vec![q, d.hidden]),
        ("self_attn.k_proj", vec![kv, d.hidden]),
        ("self_attn.v_proj", vec![kv, d.hidden]),
        ("self_attn.o_proj", vec![d.hidden, q]),
        ("post_attention_layernorm", vec![d.hidden]),
        ("mlp.gate_proj", vec![d.feed_forward, d.hidden]),
        ("mlp.up_proj", vec![d.feed_forward, d.hidden]),
        ("mlp.down_proj", vec![d.hidden, d.feed_forward]),
    ];
    let layers = (0..d.layers).flat_map(|i| {
        let tensor = move |(part, shape): &(&str, Vec<u32>)| (format!("model.layers.{i}.{part}.weight"), shape.clone());
        layer.iter().map(tensor).collect::<Vec<_>>()
    });
    let ends = [
        ("model.embed_tokens.weight".to_string(), vec![d.vocabulary, d.hidden]),
        ("model.norm.weight".to_string(), vec![d.hidden]),
    ];
    layers.chain(ends).collect()
}

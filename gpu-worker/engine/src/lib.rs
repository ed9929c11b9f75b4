// SPDX-License-Identifier: Apache-2.0
//! Exact inference off chain: models, backends, generation.
//!
//! Everything between token ids and logits is integer arithmetic as `ergon_exact` defines it, so every backend, chunking and machine
//! gives the same bits. Floats appear only where a model is imported and where quality is reported.
//!
//! | module | holds |
//! |---|---|
//! | [`import`] | Hugging Face folders and GGUF files to one artifact |
//! | [`artifact`] | the artifact file: reading, writing, its Merkle roots |
//! | [`manifest`] | what the chain knows of a model, as text |
//! | [`model`] | a loaded model: quantized tensors, tables, token table |
//! | [`tokenizer`], [`chat`] | text to token ids, messages to a prompt |
//! | [`backend`] | the traits that every backend implements |
//! | [`sequence`] | one sequence with a KV cache of its own |
//! | [`encoder`] | models that give embeddings, and the trait of their backends |
//! | [`cpu`], [`gpu`] | the backends |
//! | [`generate`] | decoding, stop rules, leaves of the commitment, re-execution |
//! | [`serving`] | many requests at a time on one backend |
//! | [`logprobs`] | log-probabilities from the integer logits |
//! | [`perplexity`] | quality of a model |
//! | [`testing`] | random models and the whole-model reference |
pub mod artifact;
pub mod backend;
pub mod chat;
mod container;
pub mod cpu;
pub mod encoder;
pub mod generate;
pub mod gpu;
pub mod import;
pub mod logprobs;
pub mod manifest;
mod mapped;
pub mod model;
pub mod perplexity;
pub mod sequence;
pub mod serving;
pub mod testing;
pub mod tokenizer;

pub use backend::{Backend, Cache, Logits, PackedRow, Position, Run};
pub use encoder::{Embedding, Encoder, EncoderModel};
pub use model::Model;
pub use sequence::Sequence;

// SPDX-License-Identifier: Apache-2.0
//! The encoder in an artifact.
use super::{Artifact, ArtifactError, Verify, TOKENIZER};
use crate::{
    encoder::{EncoderLayer, EncoderModel},
    model::AttentionScale,
};
use ergon_primitives::manifest::{Architecture, Manifest};
use safetensors::Dtype;
use std::path::Path;

impl Artifact {
    /// Opens a file, checks it as `verify` says and gives the encoder.
    pub fn load_encoder(path: &Path, verify: Verify) -> Result<EncoderModel, ArtifactError> {
        let artifact = Self::open(path)?;
        if verify == Verify::Full {
            artifact.verify()?;
        }
        artifact.encoder()
    }

    /// The encoder. The large tensors stay in the mapped file.
    pub fn encoder(&self) -> Result<EncoderModel, ArtifactError> {
        let Manifest {
            architecture,
            dimensions: d,
            ..
        } = self.manifest();
        if *architecture != Architecture::Bert {
            return Err(ArtifactError::Kind {
                architecture: *architecture,
            });
        }
        let [hidden, inner, joined] = [d.hidden, d.feed_forward, d.heads * d.head_dim].map(|size| size as usize);
        let layer = |i: u32| -> Result<EncoderLayer, ArtifactError> {
            let linear = |name: &str, rows, columns| self.linear(&format!("layers.{i}.{name}"), rows, columns);
            let norm = |name: &str| self.norm(&format!("layers.{i}.{name}"), hidden);
            Ok(EncoderLayer {
                q: linear("q", joined, hidden)?,
                k: linear("k", joined, hidden)?,
                v: linear("v", joined, hidden)?,
                o: linear("o", hidden, joined)?,
                attention_norm: norm("attention_norm")?,
                up: linear("up", inner, hidden)?,
                down: linear("down", hidden, inner)?,
                ffn_norm: norm("ffn_norm")?,
            })
        };
        let [mantissa, shift] = self.array("attention.scale", Dtype::I32)?;
        let token_type = self.bias("token_type", hidden)?;
        let token_type = token_type.ok_or_else(|| self.refuse("token_type.bias", "it is missing".into()))?;
        let model = EncoderModel {
            manifest: self.manifest().clone(),
            embed: self.linear("embed", d.vocabulary as usize, hidden)?,
            positions: self.linear("positions", d.context.next_multiple_of(4) as usize, hidden)?,
            token_type,
            embed_norm: self.norm("embed_norm", hidden)?,
            layers: (0..d.layers).map(layer).collect::<Result<_, _>>()?,
            epsilon: self.array("norm.epsilon", Dtype::U64)?,
            attention_scale: AttentionScale { mantissa, shift },
            tokenizer: self.bytes(TOKENIZER)?,
        };
        model.check()?;
        Ok(model)
    }
}

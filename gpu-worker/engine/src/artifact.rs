// SPDX-License-Identifier: Apache-2.0
//! The artifact: one file that holds an imported model.
//!
//! A safetensors file with these tensors, all little endian (`V` tokens, `D` hidden, `N` rows, `K` columns, `hd` width of a head):
//!
//! | tensor | type and shape | holds |
//! |---|---|---|
//! | `embed.weight`, `embed.scale`, `embed.exponents` | I8 `[V, D]`, I32 `[V]`, I32 `[2]` | the embedding, and `[F, S]` |
//! | `layers.{i}.{q,k,v,o,gate,up,down}.{weight,scale,exponents}` | I8 `[N, K]`, I32 `[N]`, I32 `[2]` | projections |
//! | `layers.{i}.{attention_norm,ffn_norm}.{gain,exponent}` | I32 `[D]`, I32 `[1]` | gains of the norms |
//! | `layers.{i}.{q,k,v}.{bias,bias_exponent}` | I32 `[N]`, I32 `[1]` | biases, where the architecture has them |
//! | `layers.{i}.{q_norm,k_norm}.{gain,exponent}` | I32 `[hd]`, I32 `[1]` | gains of the norms of heads, where it has them |
//! | `head_norm.epsilon` | I32 `[2]` | mantissa and shift of their epsilon |
//! | `final_norm.{gain,exponent}` | I32 `[D]`, I32 `[1]` | gain of the last norm |
//! | `head.{weight,scale,exponents}` | as `embed` | the output head, only where it isn't the embedding |
//! | `norm.epsilon` | U64 `[32]` | epsilon at each pre-shift |
//! | `rope.cos`, `rope.sin` | I16 `[context, hd / 2]` | rotary tables in Q14 |
//! | `attention.scale` | I32 `[2]` | mantissa and shift |
//! | `tokens.bytes`, `tokens.offsets` | U8 `[n]`, U32 `[V + 1]` | bytes of every token |
//! | `tokenizer.json` | U8 `[n]` | definition of the tokenizer |
//!
//! An encoder has the following instead of `final_norm`, `head`, `rope` and the layers' `gate`; all its matrices and norms have biases:
//!
//! | tensor | type and shape | holds |
//! |---|---|---|
//! | `positions.{weight,scale,exponents}` | as a projection, `[context, D]` up to a multiple of 4 rows | the embedding of positions |
//! | `token_type.{bias,bias_exponent}` | I32 `[D]`, I32 `[1]` | the embedding of the first type of token |
//! | `embed_norm.{gain,exponent,bias,bias_exponent}` | I32 `[D]`, I32 `[1]`, twice | norm of their sum |
//!
//! [`crate::model`] and [`crate::encoder`] say what the numbers mean. The file's metadata has one entry, `ergon`: a JSON [`Description`]. The manifest in it
//! binds everything else: weights and tokens by the Merkle roots of [`roots`], tokenizer and chat template by their hashes.
//! [`Artifact::verify`] checks them all.
use crate::{
    container::{Container, Tensor},
    manifest,
    model::{AttentionScale, Bias, Bytes, HeadEpsilon, Layer, Linear, Model, ModelError, Norm, RopeTable, TokenTable},
};
use bytemuck::Pod;
use ergon_primitives::{
    hash,
    manifest::{Architecture, Manifest},
    H256,
};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

mod encoder;
pub mod roots;
mod writer;

use roots::WeightLeaves;
pub(crate) use writer::{Layout, Writer};

pub use crate::container::ContainerError;

/// Version of the layout that this code reads and writes.
pub const VERSION: u32 = 1;
/// Key of the description among the file's metadata.
pub(crate) const DESCRIPTION: &str = "ergon";
/// Tensor that holds the tokenizer's definition.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// What an artifact says of itself, in its header.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Description {
    /// Version of the layout, [`VERSION`].
    pub version: u32,
    /// The manifest: SCALE in hexadecimal.
    #[serde(with = "manifest::hexadecimal")]
    pub manifest: Manifest,
    /// Token at the beginning of a sequence, if the vocabulary names one.
    pub begin_of_sequence: Option<u32>,
    /// Chat template (Jinja), if there is one.
    pub chat_template: Option<String>,
    /// Root of each tensor's leaves; only locates damage, the manifest is what counts.
    pub tensor_roots: BTreeMap<String, H256>,
}

/// Whether the content is checked against the manifest when an artifact is loaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verify {
    /// Every byte.
    Full,
    /// Only shapes and ranges, for a fast start with a file that was verified before.
    Skip,
}

/// Why an artifact can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file is no safetensors container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The container holds something else.
    #[error("{path} is no Ergon artifact ({problem}); make one with `ergon-worker model import`")]
    NotAnArtifact {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The model is of another kind than what is asked for.
    #[error("the artifact holds a model of architecture {architecture:?}, which {}", if architecture.is_decoder() {
        "continues a text and gives no embedding; use `ergon-worker generate`"
    } else {
        "gives embeddings and no text; use `ergon-worker model embed`"
    })]
    Kind {
        /// Its architecture.
        architecture: Architecture,
    },
    /// A tensor is missing or has another type or shape.
    #[error("tensor {tensor} is not what an artifact holds: {problem}; import the model again")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// The tensors make no model.
    #[error("the tensors make no model: {0}")]
    Model(#[from] ModelError),
    /// The content is not what the manifest binds.
    #[error("{part} is corrupted: its content is not what the manifest binds; import the model again")]
    Corrupted {
        /// The part, with its place in the file where it is known.
        part: String,
    },
}

/// An artifact file, mapped into memory tensor by tensor.
pub struct Artifact {
    container: Container,
    description: Description,
}

impl Artifact {
    /// Maps a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, ArtifactError> {
        let container = Container::open(path)?;
        let refuse = |problem: String| ArtifactError::NotAnArtifact {
            path: path.into(),
            problem,
        };
        let text = container
            .metadata(DESCRIPTION)
            .ok_or_else(|| refuse("its header has no entry `ergon`".into()))?;
        let description: Description = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if description.version != VERSION {
            return Err(refuse(format!(
                "its layout is version {}, not {VERSION}",
                description.version
            )));
        }
        description.manifest.check().map_err(ModelError::Manifest)?;
        Ok(Self { container, description })
    }

    /// Opens a file, checks it as `verify` says and gives the model.
    pub fn load(path: &Path, verify: Verify) -> Result<Model, ArtifactError> {
        let artifact = Self::open(path)?;
        if verify == Verify::Full {
            artifact.verify()?;
        }
        artifact.model()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.container.path()
    }

    /// What the header says.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What the chain knows of the model.
    pub fn manifest(&self) -> &Manifest {
        &self.description.manifest
    }

    /// Checks every byte against the manifest, one tensor after another; O(size of the file).
    pub fn verify(&self) -> Result<(), ArtifactError> {
        let manifest = self.manifest();
        let mut leaves = WeightLeaves::default();
        for name in self.container.names() {
            let tensor = self.tensor(&name)?;
            let bytes = self.container.bytes(&tensor)?;
            leaves.add(&name, tensor.dtype, &tensor.shape, bytes.as_bytes());
        }
        if leaves.root() != manifest.weights_root {
            return Err(ArtifactError::Corrupted {
                part: self.damaged(&leaves.tensor_roots()),
            });
        }
        self.verify_texts()
    }

    /// Checks all but the weights against the manifest: token table, tokenizer, chat template.
    pub fn verify_texts(&self) -> Result<(), ArtifactError> {
        let manifest = self.manifest();
        let corrupted = |part: &str| {
            let part = format!("{}: {part}", self.path().display());
            Err(ArtifactError::Corrupted { part })
        };
        if roots::tokens_root(&self.tokens()?) != manifest.tokens_root {
            return corrupted("the token table");
        }
        if hash(&[self.bytes(TOKENIZER)?.as_bytes()]) != manifest.tokenizer {
            return corrupted("the tokenizer");
        }
        if manifest::chat_template_hash(self.description.chat_template.as_deref()) != manifest.chat_template {
            return corrupted("the chat template");
        }
        Ok(())
    }

    /// Names the first tensor that isn't what the importer wrote.
    fn damaged(&self, found: &BTreeMap<String, H256>) -> String {
        let written = &self.description.tensor_roots;
        let name = written
            .keys()
            .chain(found.keys())
            .find(|name| written.get(*name) != found.get(*name));
        let place = match name.and_then(|name| Some((name, self.container.tensor(name)?.range))) {
            Some((name, range)) => format!("tensor {name} (bytes {} to {} of the file)", range.start, range.end),
            None => name.map_or("a tensor".into(), |name| format!("tensor {name}")),
        };
        format!("{}: {place}", self.path().display())
    }

    /// The decoder. The large tensors stay in the mapped file.
    pub fn model(&self) -> Result<Model, ArtifactError> {
        let Manifest {
            architecture,
            dimensions: d,
            ..
        } = self.manifest();
        if !architecture.is_decoder() {
            return Err(ArtifactError::Kind {
                architecture: *architecture,
            });
        }
        let [hidden, inner, context] = [d.hidden, d.feed_forward, d.context].map(|size| size as usize);
        let [q, kv] = [d.heads * d.head_dim, d.kv_heads * d.head_dim].map(|size| size as usize);
        let vocabulary = d.vocabulary as usize;
        let layer = |i: u32| -> Result<Layer, ArtifactError> {
            let linear = |name: &str, rows, columns| self.linear(&format!("layers.{i}.{name}"), rows, columns);
            let norm = |name: &str| self.norm(&format!("layers.{i}.{name}"), hidden);
            let head_norm = |name: &str| {
                let name = format!("layers.{i}.{name}");
                let found = self.container.tensor(&format!("{name}.gain")).is_some();
                found.then(|| self.norm(&name, d.head_dim as usize)).transpose()
            };
            Ok(Layer {
                attention_norm: norm("attention_norm")?,
                q: linear("q", q, hidden)?,
                k: linear("k", kv, hidden)?,
                v: linear("v", kv, hidden)?,
                q_norm: head_norm("q_norm")?,
                k_norm: head_norm("k_norm")?,
                o: linear("o", hidden, q)?,
                ffn_norm: norm("ffn_norm")?,
                gate: linear("gate", inner, hidden)?,
                up: linear("up", inner, hidden)?,
                down: linear("down", hidden, inner)?,
            })
        };
        let has_head = self.container.tensor("head.weight").is_some();
        let [mantissa, shift] = self.array("attention.scale", Dtype::I32)?;
        let rope = |name| self.values(name, Dtype::I16, &[context, d.head_dim as usize / 2]);
        let model = Model {
            manifest: self.manifest().clone(),
            embed: self.linear("embed", vocabulary, hidden)?,
            layers: (0..d.layers).map(layer).collect::<Result<_, _>>()?,
            final_norm: self.norm("final_norm", hidden)?,
            head: has_head.then(|| self.linear("head", vocabulary, hidden)).transpose()?,
            epsilon: self.array("norm.epsilon", Dtype::U64)?,
            head_epsilon: self.head_epsilon()?,
            rope: RopeTable {
                cos: rope("rope.cos")?,
                sin: rope("rope.sin")?,
            },
            attention_scale: AttentionScale { mantissa, shift },
            tokens: self.tokens()?,
            tokenizer: self.bytes(TOKENIZER)?,
            chat_template: self.description.chat_template.clone(),
            begin_of_sequence: self.description.begin_of_sequence,
        };
        model.check()?;
        Ok(model)
    }

    fn linear(&self, name: &str, rows: usize, columns: usize) -> Result<Linear, ArtifactError> {
        let weight = self.expect(&format!("{name}.weight"), Dtype::I8, &[rows, columns])?;
        let scale = self.values(&format!("{name}.scale"), Dtype::I32, &[rows])?;
        let exponents = format!("{name}.exponents");
        let [f, s]: [i32; 2] = self.array(&exponents, Dtype::I32)?;
        let s = u32::try_from(s).map_err(|_| self.refuse(&exponents, "the shift is negative".into()))?;
        Ok(Linear::new(name, columns, weight, scale, f, s)?.with_bias(name, self.bias(name, rows)?)?)
    }

    /// Bias of a matrix or norm, if there is one.
    fn bias(&self, name: &str, rows: usize) -> Result<Option<Bias>, ArtifactError> {
        let tensor = format!("{name}.bias");
        if self.container.tensor(&tensor).is_none() {
            return Ok(None);
        }
        let [f] = self.array(&format!("{tensor}_exponent"), Dtype::I32)?;
        Ok(Some(Bias::new(&tensor, self.values(&tensor, Dtype::I32, &[rows])?, f)?))
    }

    fn head_epsilon(&self) -> Result<Option<HeadEpsilon>, ArtifactError> {
        let tensor = "head_norm.epsilon";
        if self.container.tensor(tensor).is_none() {
            return Ok(None);
        }
        let [mantissa, shift] = self.array(tensor, Dtype::I32)?;
        Ok(Some(HeadEpsilon { mantissa, shift }))
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, ArtifactError> {
        let [exponent] = self.array(&format!("{name}.exponent"), Dtype::I32)?;
        let gain = self.values(&format!("{name}.gain"), Dtype::I32, &[width])?;
        Ok(Norm::new(name, gain, exponent)?.with_bias(name, self.bias(name, width)?)?)
    }

    /// The bytes of every token.
    pub fn tokens(&self) -> Result<TokenTable, ArtifactError> {
        let offsets = self.values(
            "tokens.offsets",
            Dtype::U32,
            &[self.manifest().dimensions.vocabulary as usize + 1],
        )?;
        let bytes = self.bytes("tokens.bytes")?.as_bytes().to_vec();
        Ok(TokenTable::new(bytes, offsets)?)
    }

    fn tensor(&self, name: &str) -> Result<Tensor, ArtifactError> {
        self.container
            .tensor(name)
            .ok_or_else(|| self.refuse(name, "it is missing".into()))
    }

    fn bytes(&self, name: &str) -> Result<Bytes, ArtifactError> {
        Ok(self.container.bytes(&self.tensor(name)?)?)
    }

    fn expect(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Bytes, ArtifactError> {
        let tensor = self.tensor(name)?;
        if tensor.dtype != dtype || tensor.shape != shape {
            let problem = format!("it is {} {:?}, not {dtype} {shape:?}", tensor.dtype, tensor.shape);
            return Err(self.refuse(name, problem));
        }
        Ok(self.container.bytes(&tensor)?)
    }

    fn values<T: Pod>(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Vec<T>, ArtifactError> {
        Ok(bytemuck::pod_collect_to_vec(
            self.expect(name, dtype, shape)?.as_bytes(),
        ))
    }

    fn array<T: Pod, const N: usize>(&self, name: &str, dtype: Dtype) -> Result<[T; N], ArtifactError> {
        let values: Vec<T> = self.values(name, dtype, &[N])?;
        values
            .try_into()
            .map_err(|_| self.refuse(name, "it has another size".into()))
    }

    fn refuse(&self, name: &str, problem: String) -> ArtifactError {
        ArtifactError::Tensor {
            tensor: format!("{name} of {}", self.path().display()),
            problem,
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Import: a model as others publish it, to one artifact of integers.
//!
//! | source | what is read |
//! |---|---|
//! | Hugging Face folder | `config.json`, `model.safetensors` or its shards (F32, F16, BF16), `tokenizer.json`, `tokenizer_config.json` |
//! | GGUF, version 3 | everything is in the file, or in the files of a split model; weights F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K |
//!
//! This is the only place with floats between a published model and an answer, and it is reproducible: weights are decoded in IEEE single
//! precision, everything else is computed in IEEE double precision with additions, products, quotients, square roots and
//! roundings, which IEEE 754 defines to the bit; logarithms, powers and angles come from `libm`, which is plain Rust. So one source
//! gives one weights root on every machine.
//!
//! A source is first described ([`source::Source`]: configuration, tokenizer, where each tensor lies), then quantized tensor by
//! tensor, twice: once for scales, bounds and Merkle leaves, once while the file is written. So no more than one tensor is in memory.
//! Whatever the exact arithmetic doesn't cover is refused by name.
use crate::{
    artifact::{self, roots, roots::WeightLeaves, Description},
    manifest,
    model::{Linear, ModelError, Norm, TokenTable},
    tokenizer::{Tokenizer, TokenizerError},
};
use ergon_primitives::{
    hash,
    manifest::{Architecture, Manifest, ARITHMETIC_VERSION},
    H256,
};
use safetensors::{tensor::View, Dtype, SafeTensorError};
use source::{Source, SourceTensor};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

mod config;
mod dequantize;
mod gguf;
mod gguf_model;
mod huggingface;
mod quantize;
mod refusal;
mod shards;
mod source;
mod split;
mod tables;

/// What import supports, for error messages.
pub const SUPPORTED: &str = "supported: the decoders Llama and Mistral, without sliding window, RoPE scaling, biases or mixture of experts, with \
                             weights in F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K \
                             or Q6_K and a byte-level BPE tokenizer";

/// Why a model can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file can't be read.
    #[error("{path} can't be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The path holds no model.
    #[error("{0} is neither a GGUF file nor a folder with a config.json")]
    NotAModel(PathBuf),
    /// A file is damaged or lies about itself.
    #[error("{path} is malformed: {problem}; fetch it again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A model in several files doesn't come together.
    #[error("{path} {problem}; all files of the model belong into one folder")]
    Shard {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The model needs what the exact arithmetic doesn't have.
    #[error("{0} is not supported ({SUPPORTED})")]
    Unsupported(String),
    /// A tensor is missing, has another shape, or holds values that can't be quantized.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Its name in the source.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// The tokenizer can't be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The quantized model is outside of what the exact arithmetic is proven for.
    #[error("the quantized model is refused: {0}")]
    Model(#[from] ModelError),
    /// The artifact can't be written.
    #[error("{path} can't be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SafeTensorError,
    },
}

/// What the user may choose.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the model in the manifest; the source's own without it.
    pub name: Option<String>,
    /// Most positions; the source's own without it.
    pub context: Option<u32>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The tensor that was just finished.
    pub tensor: &'a str,
    /// Weights handled, over both passes.
    pub done: u64,
    /// Weights to handle, over both passes.
    pub total: u64,
}

/// Imports the model at `source` into the artifact file `artifact`, which is replaced at once when all went well. `observe` is told of
/// every finished matrix.
pub fn import(
    source: &Path,
    artifact: &Path,
    options: &Options,
    observe: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Manifest, ImportError> {
    let source = open(source, options)?;
    let total = 2 * source.tensors.values().map(SourceTensor::elements).sum::<u64>();
    let done = AtomicU64::new(0);
    let finished = |tensor: &str, elements: u64| {
        let done = done.fetch_add(elements, Ordering::Relaxed) + elements;
        observe(Progress { tensor, done, total });
    };
    let import = Import::quantize(&source, &finished)?;
    let manifest = import.manifest(&source)?;
    import.write(artifact, &source, &manifest)?;
    Ok(manifest)
}

/// Describes the model at `path`.
fn open(path: &Path, options: &Options) -> Result<Source, ImportError> {
    let mut source = if path.is_dir() {
        huggingface::open(path)?
    } else if path.is_file() {
        gguf_model::open(path)?
    } else {
        return Err(ImportError::NotAModel(path.into()));
    };
    if let Some(name) = &options.name {
        source.config.name.clone_from(name);
    }
    if let Some(context) = options.context {
        source.config.restrict_context(context)?;
    }
    source.check()?;
    Ok(source)
}

type Finished<'a> = &'a (dyn Fn(&str, u64) + Sync);

/// A tensor of the artifact: kept, or quantized anew whenever its bytes are needed.
enum Tensor<'a> {
    Kept {
        dtype: Dtype,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    },
    Weights {
        source: &'a SourceTensor,
        name: &'a str,
        finished: Finished<'a>,
    },
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Tensor::Kept { dtype, .. } => *dtype,
            Tensor::Weights { .. } => Dtype::I8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Tensor::Kept { shape, .. } => shape,
            Tensor::Weights { source, .. } => &source.shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Tensor::Kept { bytes, .. } => bytes.into(),
            Tensor::Weights { source, name, finished } => {
                let weights = quantize::weights(source);
                finished(name, source.elements());
                bytemuck::cast_vec::<i8, u8>(weights).into()
            }
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Tensor::Kept { bytes, .. } => bytes.len(),
            Tensor::Weights { source, .. } => source.shape.iter().product(),
        }
    }
}

/// Everything that will be in the artifact.
struct Import<'a> {
    tensors: BTreeMap<String, Tensor<'a>>,
    leaves: WeightLeaves,
    tokens_root: H256,
}

impl<'a> Import<'a> {
    /// First pass: scales, bounds, tables and leaves.
    fn quantize(source: &'a Source, finished: Finished<'a>) -> Result<Self, ImportError> {
        let mut import = Self {
            tensors: BTreeMap::new(),
            leaves: WeightLeaves::default(),
            tokens_root: H256::zero(),
        };
        for (name, tensor) in &source.tensors {
            match tensor.shape.len() {
                1 => import.norm(name, tensor, source.config.dimensions.hidden)?,
                _ => import.matrix(name, tensor, finished)?,
            }
        }
        import.tables(source);
        let tokens = Tokenizer::from_json(&source.tokenizer)?.token_table(source.config.dimensions.vocabulary)?;
        import.tokenizer(source, &tokens);
        Ok(import)
    }

    fn keep<T: bytemuck::NoUninit>(&mut self, name: String, dtype: Dtype, shape: &[usize], values: &[T]) {
        let bytes = bytemuck::cast_slice(values).to_vec();
        self.leaves.add(&name, dtype, shape, &bytes);
        self.tensors.insert(
            name,
            Tensor::Kept {
                dtype,
                shape: shape.to_vec(),
                bytes,
            },
        );
    }

    fn matrix(&mut self, name: &'a str, tensor: &'a SourceTensor, finished: Finished<'a>) -> Result<(), ImportError> {
        let matrix = quantize::matrix(tensor)?;
        let (columns, exponents) = (tensor.shape[1], [matrix.f, matrix.s as i32]);
        let weight = format!("{name}.weight");
        self.leaves
            .add(&weight, Dtype::I8, &tensor.shape, bytemuck::cast_slice(&matrix.weight));
        self.keep(
            format!("{name}.scale"),
            Dtype::I32,
            &[matrix.scale.len()],
            &matrix.scale,
        );
        self.keep(format!("{name}.exponents"), Dtype::I32, &[2], &exponents);
        self.tensors.insert(
            weight,
            Tensor::Weights {
                source: tensor,
                name,
                finished,
            },
        );
        finished(name, tensor.elements());
        // The loader's own checks, before anything is written.
        Linear::new(name, columns, matrix.weight.into(), matrix.scale, matrix.f, matrix.s)?;
        Ok(())
    }

    fn norm(&mut self, name: &str, tensor: &SourceTensor, hidden: u32) -> Result<(), ImportError> {
        let (gain, exponent) = quantize::gain(tensor, hidden)?;
        self.keep(format!("{name}.gain"), Dtype::I32, &tensor.shape, &gain);
        self.keep(format!("{name}.exponent"), Dtype::I32, &[1], &[exponent]);
        Norm::new(name, gain, exponent)?;
        Ok(())
    }

    fn tables(&mut self, source: &Source) {
        let (config, d) = (&source.config, &source.config.dimensions);
        self.keep(
            "norm.epsilon".into(),
            Dtype::U64,
            &[32],
            &tables::epsilon(config.epsilon, d.hidden),
        );
        let scale = tables::attention_scale(d.head_dim);
        self.keep(
            "attention.scale".into(),
            Dtype::I32,
            &[2],
            &[scale.mantissa, scale.shift],
        );
        let rope = tables::rope(config.rope_theta, d.head_dim, d.context);
        let shape = [d.context as usize, d.head_dim as usize / 2];
        self.keep("rope.cos".into(), Dtype::I16, &shape, &rope.cos);
        self.keep("rope.sin".into(), Dtype::I16, &shape, &rope.sin);
    }

    fn tokenizer(&mut self, source: &Source, tokens: &TokenTable) {
        self.tokens_root = roots::tokens_root(tokens);
        let (mut bytes, mut offsets) = (Vec::new(), vec![0u32]);
        for token in (0..tokens.len() as u32).filter_map(|id| tokens.get(id)) {
            bytes.extend_from_slice(token);
            offsets.push(bytes.len() as u32);
        }
        self.keep("tokens.bytes".into(), Dtype::U8, &[bytes.len()], &bytes);
        self.keep("tokens.offsets".into(), Dtype::U32, &[offsets.len()], &offsets);
        self.keep(
            artifact::TOKENIZER.into(),
            Dtype::U8,
            &[source.tokenizer.len()],
            &source.tokenizer,
        );
    }

    fn manifest(&self, source: &Source) -> Result<Manifest, ImportError> {
        let config = &source.config;
        let unsupported = |what: &str| ImportError::Unsupported(what.into());
        let manifest = Manifest {
            name: config
                .name
                .clone()
                .into_bytes()
                .try_into()
                .map_err(|_| unsupported("a name of more than 64 bytes; choose another with --name; it"))?,
            architecture: Architecture::Llama,
            dimensions: config.dimensions,
            arithmetic_version: ARITHMETIC_VERSION,
            weights_root: self.leaves.root(),
            tokens_root: self.tokens_root,
            tokenizer: hash(&[&source.tokenizer]),
            chat_template: manifest::chat_template_hash(config.chat_template.as_deref()),
            end_of_sequence: config
                .end_of_sequence
                .clone()
                .try_into()
                .map_err(|_| unsupported("a model with more than 8 end-of-sequence tokens"))?,
        };
        manifest.check().map_err(ModelError::Manifest)?;
        Ok(manifest)
    }

    /// Second pass: the file.
    fn write(&self, path: &Path, source: &Source, manifest: &Manifest) -> Result<(), ImportError> {
        let failed = |source| ImportError::Write {
            path: path.into(),
            source,
        };
        let description = Description {
            version: artifact::VERSION,
            manifest: manifest.clone(),
            begin_of_sequence: source.config.begin_of_sequence,
            chat_template: source.config.chat_template.clone(),
            tensor_roots: self.leaves.tensor_roots(),
        };
        let text = serde_json::to_string(&description).map_err(|error| failed(error.into()))?;
        let metadata = HashMap::from([(artifact::DESCRIPTION.to_string(), text)]);
        safetensors::serialize_to_file(&self.tensors, Some(metadata), path).map_err(failed)
    }
}

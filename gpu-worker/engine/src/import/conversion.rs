// SPDX-License-Identifier: Apache-2.0
//! From a described source to an artifact: one tensor after another is read, quantized, checked and written.
//!
//! What is in memory: one tensor as it is stored (mapped), the same one quantized, the tables and texts, and 32 bytes for each 4096 of the
//! artifact (its Merkle leaves).
use super::{quantize, source::Source, source::SourceTensor, tables, ImportError, Observe, Progress};
use crate::{
    artifact::{self, roots, Description, Layout, Writer},
    manifest,
    model::{check_epsilon, Bias, Linear, ModelError, Norm, Parts, TokenTable},
    tokenizer::{wordpiece::WordPiece, Tokenizer},
};
use bytemuck::{cast_slice, NoUninit};
use ergon_primitives::{
    hash,
    manifest::{Architecture, Manifest, ARITHMETIC_VERSION},
    H256,
};
use safetensors::Dtype;
use std::{collections::BTreeMap, io, path::Path};

/// Writes the artifact at `path`.
pub(super) fn convert(mut source: Source, path: &Path, observe: Observe<'_>) -> Result<Manifest, ImportError> {
    let failed = |source: io::Error| ImportError::Write {
        path: path.into(),
        source,
    };
    let vocabulary = source.config.dimensions.vocabulary;
    let tokens = match source.config.architecture {
        Architecture::Bert => WordPiece::from_json(&source.tokenizer)?.token_table(vocabulary)?,
        _ => Tokenizer::from_json(&source.tokenizer)?.token_table(vocabulary)?,
    };
    let mut manifest = manifest(&source, &tokens)?;
    let description = Description {
        version: artifact::VERSION,
        manifest: manifest.clone(),
        begin_of_sequence: source.config.begin_of_sequence,
        chat_template: source.config.chat_template.clone(),
        tensor_roots: BTreeMap::new(),
    };
    let mut conversion = Conversion {
        path,
        writer: Writer::create(path, layout(&source, &tokens), description).map_err(failed)?,
        done: 0,
        total: source.tensors.values().map(SourceTensor::elements).sum(),
        observe,
    };
    conversion.tables(&source)?;
    conversion.texts(&source, &tokens)?;
    // Each is dropped, and so unmapped, when it is done.
    for (name, tensor) in std::mem::take(&mut source.tensors) {
        conversion.tensor(&name, &tensor)?;
    }
    manifest.weights_root = conversion.writer.weights_root();
    conversion.writer.finish(manifest.weights_root).map_err(failed)?;
    Ok(manifest)
}

/// The manifest but for the weights root.
fn manifest(source: &Source, tokens: &TokenTable) -> Result<Manifest, ImportError> {
    let config = &source.config;
    let unsupported = |what: &str| ImportError::Unsupported(what.into());
    let manifest = Manifest {
        name: config
            .name
            .clone()
            .into_bytes()
            .try_into()
            .map_err(|_| unsupported("a name of more than 64 bytes; choose another with --name; it"))?,
        architecture: config.architecture,
        dimensions: config.dimensions,
        arithmetic_version: ARITHMETIC_VERSION,
        weights_root: H256::zero(),
        tokens_root: roots::tokens_root(tokens),
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

/// Type and shape of every tensor of the artifact.
fn layout(source: &Source, tokens: &TokenTable) -> Layout {
    let d = &source.config.dimensions;
    let rope = vec![d.context as usize, d.head_dim as usize / 2];
    let fixed = [
        ("norm.epsilon", Dtype::U64, vec![32]),
        ("attention.scale", Dtype::I32, vec![2]),
        ("tokens.bytes", Dtype::U8, vec![tokens.as_bytes().len()]),
        ("tokens.offsets", Dtype::U32, vec![tokens.offsets().len()]),
        (artifact::TOKENIZER, Dtype::U8, vec![source.tokenizer.len()]),
    ];
    let mut layout: Layout = fixed
        .into_iter()
        .map(|(name, dtype, shape)| (name.to_string(), (dtype, shape)))
        .collect();
    // An encoder's positions are learned.
    if source.config.architecture.is_decoder() {
        layout.insert("rope.cos".into(), (Dtype::I16, rope.clone()));
        layout.insert("rope.sin".into(), (Dtype::I16, rope));
    }
    if Parts::of(source.config.architecture).head_norms {
        layout.insert("head_norm.epsilon".into(), (Dtype::I32, vec![2]));
    }
    for (name, tensor) in &source.tensors {
        if name.ends_with(".bias") {
            layout.insert(name.clone(), (Dtype::I32, tensor.shape.clone()));
            layout.insert(format!("{name}_exponent"), (Dtype::I32, vec![1]));
            continue;
        }
        let mut add = |part, dtype, shape| layout.insert(format!("{name}.{part}"), (dtype, shape));
        if let [length] = tensor.shape[..] {
            add("gain", Dtype::I32, vec![length]);
            add("exponent", Dtype::I32, vec![1]);
        } else {
            add("weight", Dtype::I8, tensor.shape.clone());
            add("scale", Dtype::I32, tensor.shape[..1].to_vec());
            add("exponents", Dtype::I32, vec![2]);
        }
    }
    layout
}

/// An import under way.
struct Conversion<'a, 'o> {
    path: &'a Path,
    writer: Writer,
    done: u64,
    total: u64,
    observe: Observe<'o>,
}

impl Conversion<'_, '_> {
    fn write<T: NoUninit>(&mut self, name: &str, values: &[T]) -> Result<(), ImportError> {
        let written = self.writer.write(name, cast_slice(values));
        written.map_err(|source| ImportError::Write {
            path: self.path.into(),
            source,
        })
    }

    fn tensor(&mut self, name: &str, tensor: &SourceTensor) -> Result<(), ImportError> {
        match tensor.shape.len() {
            1 if name.ends_with(".bias") => self.bias(name, tensor)?,
            1 => self.norm(name, tensor)?,
            _ => self.matrix(name, tensor)?,
        }
        self.done += tensor.elements();
        let progress = Progress {
            tensor: name,
            done: self.done,
            total: self.total,
        };
        match (self.observe)(progress) {
            std::ops::ControlFlow::Continue(()) => Ok(()),
            std::ops::ControlFlow::Break(()) => Err(ImportError::Interrupted),
        }
    }

    fn matrix(&mut self, name: &str, tensor: &SourceTensor) -> Result<(), ImportError> {
        let quantize::Matrix { weight, scale, f, s } = quantize::matrix(tensor)?;
        self.write(&format!("{name}.weight"), &weight)?;
        self.write(&format!("{name}.scale"), &scale)?;
        self.write(&format!("{name}.exponents"), &[f, s as i32])?;
        // The loader's own checks.
        Linear::new(name, tensor.shape[1], weight.into(), scale, f, s)?;
        Ok(())
    }

    fn bias(&mut self, name: &str, tensor: &SourceTensor) -> Result<(), ImportError> {
        let (values, f) = quantize::bias(tensor)?;
        self.write(name, &values)?;
        self.write(&format!("{name}_exponent"), &[f])?;
        Bias::new(name, values, f)?;
        Ok(())
    }

    fn norm(&mut self, name: &str, tensor: &SourceTensor) -> Result<(), ImportError> {
        let (gain, exponent) = quantize::gain(tensor)?;
        self.write(&format!("{name}.gain"), &gain)?;
        self.write(&format!("{name}.exponent"), &[exponent])?;
        Norm::new(name, gain, exponent)?;
        Ok(())
    }

    fn tables(&mut self, source: &Source) -> Result<(), ImportError> {
        let (config, d) = (&source.config, &source.config.dimensions);
        let epsilon = match config.architecture {
            Architecture::Bert => tables::layer_norm_epsilon(config.epsilon, d.hidden),
            _ => tables::epsilon(config.epsilon, d.hidden),
        };
        check_epsilon(&epsilon)?;
        self.write("norm.epsilon", &epsilon)?;
        if Parts::of(config.architecture).head_norms {
            let epsilon = tables::head_epsilon(config.epsilon, d.head_dim);
            self.write("head_norm.epsilon", &[epsilon.mantissa, epsilon.shift])?;
        }
        let scale = tables::attention_scale(d.head_dim);
        self.write("attention.scale", &[scale.mantissa, scale.shift])?;
        if !config.architecture.is_decoder() {
            return Ok(());
        }
        let rope = tables::rope(config.rope_theta, d.head_dim, d.context);
        self.write("rope.cos", &rope.cos)?;
        self.write("rope.sin", &rope.sin)
    }

    fn texts(&mut self, source: &Source, tokens: &TokenTable) -> Result<(), ImportError> {
        self.write("tokens.bytes", tokens.as_bytes())?;
        self.write("tokens.offsets", tokens.offsets())?;
        self.write(artifact::TOKENIZER, &source.tokenizer)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Arguments that several subcommands share.
use crate::worker::{
    compute,
    config::{BackendChoice, LogFormat},
    logging,
};
use anyhow::bail;
use clap::Args;
use ergon_engine::{
    artifact::{Artifact, Verify},
    Backend, Encoder, EncoderModel, Model,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::PathBuf, sync::Arc};

/// Which model to load.
#[derive(Args, Debug)]
pub struct ModelArguments {
    /// Model artifact, as `ergon-worker model import` writes it.
    #[arg(long, value_name = "FILE", env = "ERGON_MODEL")]
    model: PathBuf,
    /// Skip hashing the artifact: start faster with a file that was checked before.
    #[arg(long)]
    trust_artifact: bool,
}

impl ModelArguments {
    /// Loads the model.
    pub fn load(&self) -> anyhow::Result<Arc<Model>> {
        let verify = if self.trust_artifact {
            Verify::Skip
        } else {
            Verify::Full
        };
        Ok(Arc::new(Artifact::load(&self.model, verify)?))
    }
}

/// How much of a model to compute.
#[derive(Args, Debug)]
pub struct FewerLayers {
    /// Only the first layers: real weights and real bits, but nonsense as text. For a check that is fast.
    #[arg(long, value_name = "NUMBER")]
    layers: Option<u32>,
}

impl FewerLayers {
    /// The model, or its first layers.
    pub fn of(&self, model: Arc<Model>) -> anyhow::Result<Arc<Model>> {
        let most = model.dimensions().layers;
        match self.layers {
            None => Ok(model),
            Some(layers) if (1..=most).contains(&layers) => Ok(Arc::new(model.first_layers(layers))),
            Some(_) => bail!("--layers: 1 to {most}, the layers of the model"),
        }
    }
}

/// What computes.
#[derive(Args, Debug)]
pub struct BackendArguments {
    /// What computes. `auto` takes a GPU if there is one, the CPU otherwise; all give the same bits.
    #[arg(long, default_value = "auto")]
    backend: BackendChoice,
    /// Adapter for wgpu: its number or a part of its name, as `ergon-worker adapters` shows them.
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

impl BackendArguments {
    /// Opens the backend.
    pub fn open(&self, model: Arc<Model>) -> anyhow::Result<Box<dyn Backend>> {
        logging::init(LogFormat::Text);
        compute::open(model, self.backend, self.adapter.as_deref())
    }

    /// Opens the backend of an encoder.
    pub fn open_encoder(&self, model: Arc<EncoderModel>) -> anyhow::Result<Box<dyn Encoder>> {
        logging::init(LogFormat::Text);
        compute::open_encoder(model, self.backend, self.adapter.as_deref())
    }
}

/// Progress bar on standard error; nothing where that is no terminal.
pub fn progress_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} + {eta}  {wide_msg}");
    ProgressBar::new(total).with_style(style.expect("the template is valid"))
}

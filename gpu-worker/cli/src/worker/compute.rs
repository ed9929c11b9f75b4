// SPDX-License-Identifier: Apache-2.0
//! The models that a worker serves, and answers by them.
use super::{
    answer::prompt_ids,
    config::{BackendChoice, Config},
    journal::Entry,
    plan::Work,
};
use anyhow::Context;
use ergon_engine::{
    artifact::{Artifact, Verify},
    backend,
    cpu::CpuBackend,
    generate::{execute, Execution, GenerateError, Request},
    gpu::{self, Kind, Selector, WgpuBackend},
    tokenizer::Tokenizer,
    Backend, Model,
};
use ergon_primitives::{
    commitment::{Header, Outcome},
    ModelId, H256,
};
use ergon_worker_chain::reader::Question;
use rand::{rngs::OsRng, TryRngCore};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};

/// How often a long computation says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// The worker doesn't serve the model.
    #[error("model {0:?} is not served")]
    UnknownModel(ModelId),
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] GenerateError),
    /// The system gives no randomness for the seal.
    #[error("no randomness from the system: {0}")]
    Randomness(String),
}

impl ComputeError {
    /// Whether the device is gone, so that no other computation can succeed either.
    pub fn is_device_lost(&self) -> bool {
        matches!(
            self,
            Self::Engine(GenerateError::Backend(backend::Error::DeviceLost(_)))
        )
    }
}

/// The models that a worker serves, each on its backend.
pub struct Models(BTreeMap<ModelId, Served>);

struct Served {
    backend: Box<dyn Backend>,
    tokenizer: Tokenizer,
}

impl Models {
    /// Loads the artifacts of a configuration.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        let mut models = BTreeMap::new();
        for path in &config.models {
            let began = Instant::now();
            let verify = if config.trust_artifact {
                Verify::Skip
            } else {
                Verify::Full
            };
            let artifact = path.display();
            tracing::info!(%artifact, hashed = verify == Verify::Full, "loading");
            let model = Artifact::load(path, verify).with_context(|| format!("model {artifact}"))?;
            let id = model.manifest.id();
            let served = Served::new(model, config).with_context(|| format!("model {artifact}"))?;
            let name = String::from_utf8_lossy(&served.backend.model().manifest.name).into_owned();
            let backend = served.backend.name();
            tracing::info!(name, model = ?id, backend, seconds = began.elapsed().as_secs_f32(), "model loaded");
            models.insert(id, served);
        }
        Ok(Self(models))
    }

    /// Names of the models.
    pub fn ids(&self) -> impl Iterator<Item = ModelId> + '_ {
        self.0.keys().copied()
    }

    /// Whether a model is served.
    pub fn contains(&self, model: &ModelId) -> bool {
        self.0.contains_key(model)
    }

    /// Answers a job, or finds out what its answer should have been. Returns early with an error once `stop` is set.
    pub fn answer(&self, work: &Work, question: &Question, stop: &AtomicBool) -> Result<Entry, ComputeError> {
        let task = &work.task;
        let served = self.0.get(&task.model).ok_or(ComputeError::UnknownModel(task.model))?;
        let began = Instant::now();
        let execution = match served.prompt(question) {
            Err(reason) => Execution::rejected(reason, 0),
            Ok(prompt) => {
                let request = Request {
                    prompt,
                    settings: task.settings.clone(),
                    sampling_key: task.sampling_key,
                };
                let hint = if work.audit { served.hint(question) } else { Vec::new() };
                served.execute(task.job, &request, &hint, stop)?
            }
        };
        let mut seal = H256::zero();
        OsRng
            .try_fill_bytes(&mut seal.0)
            .map_err(|error| ComputeError::Randomness(error.to_string()))?;
        let entry = entry(work, execution, seal);
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(
            job = task.job,
            what = if work.audit { "audit" } else { "execution" },
            prompt_tokens = entry.header.prompt_tokens,
            output_tokens = entry.header.output_tokens,
            outcome = ?entry.header.outcome,
            seconds,
            tokens_per_second = f64::from(entry.header.output_tokens) / seconds,
            backend = served.backend.name(),
            commitment = ?entry.header.root(),
            "computed"
        );
        Ok(entry)
    }
}

impl Served {
    fn new(model: Model, config: &Config) -> anyhow::Result<Self> {
        let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes())?;
        Ok(Self {
            backend: open(Arc::new(model), config.backend, config.adapter.as_deref())?,
            tokenizer,
        })
    }

    fn prompt(&self, question: &Question) -> Result<Vec<u32>, ergon_primitives::commitment::RejectReason> {
        let model = self.backend.model();
        let encode = |text: &str| self.tokenizer.encode(text).ok();
        prompt_ids(&question.input, encode, &model.tokens, model.dimensions().context)
    }

    /// The tokens that an executor has probably chosen: a guess that only saves time.
    fn hint(&self, question: &Question) -> Vec<u32> {
        let output = question.output.as_deref().unwrap_or_default();
        self.tokenizer
            .encode(&String::from_utf8_lossy(output))
            .unwrap_or_default()
    }

    fn execute(&self, job: u64, request: &Request, hint: &[u32], stop: &AtomicBool) -> Result<Execution, ComputeError> {
        let mut reported = Instant::now();
        let execution = execute(self.backend.as_ref(), request, hint, &mut |progress| {
            if stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                tracing::info!(
                    job,
                    processed = progress.processed,
                    output_tokens = progress.tokens.len(),
                    "computing"
                );
            }
            ControlFlow::Continue(())
        });
        match execution {
            Err(GenerateError::Cancelled) => Err(ComputeError::Stopped),
            other => Ok(other?),
        }
    }
}

/// The journal's entry for what was computed. A rejection has no tokens, not even those of the prompt.
fn entry(work: &Work, execution: Execution, seal: H256) -> Entry {
    let Execution {
        outcome,
        prompt_tokens,
        output,
        leaves,
        ..
    } = execution;
    let prompt_tokens = match outcome {
        Outcome::Completed(_) => prompt_tokens,
        Outcome::Rejected(_) => 0,
    };
    let header = Header::new(work.task.answer(), prompt_tokens, outcome, &output, &leaves);
    Entry {
        job: work.task.job,
        seal,
        header,
        output,
        leaves,
    }
}

/// Opens the backend that is asked for. `Auto` takes a real GPU if there is one that can hold the model.
pub fn open(model: Arc<Model>, choice: BackendChoice, adapter: Option<&str>) -> anyhow::Result<Box<dyn Backend>> {
    let selector: Selector = adapter.unwrap_or("auto").parse()?;
    if choice == BackendChoice::Cpu {
        return Ok(Box::new(CpuBackend::new(model)));
    }
    let wgpu = gpu::select(&selector).and_then(|adapter| {
        if choice == BackendChoice::Auto && selector == Selector::Best && adapter.kind == Kind::Software {
            return Ok(None);
        }
        WgpuBackend::new(model.clone(), &adapter).map(Some)
    });
    match wgpu {
        Ok(Some(backend)) => Ok(Box::new(backend)),
        Ok(None) => Ok(Box::new(CpuBackend::new(model))),
        Err(error) if choice == BackendChoice::Auto => {
            tracing::warn!("computing on the CPU, since no GPU can be used: {error}");
            Ok(Box::new(CpuBackend::new(model)))
        }
        Err(error) => Err(error).context("backend wgpu"),
    }
}

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
    backend::{self, page_bytes, PAGE},
    cpu::{CpuBackend, CpuEncoder},
    generate::{Execution, GenerateError, Request},
    gpu::{self, Adapter, GpuError, Kind, Selector, WgpuBackend, WgpuEncoder},
    serving::{self, Event, Server, StartError, Submission, SubmitError},
    tokenizer::Tokenizer,
    Backend, Encoder, EncoderModel, Model,
};
use ergon_primitives::{
    commitment::{Header, Outcome},
    JobId, ModelId, H256,
};
use ergon_worker_chain::reader::Question;
use rand::{rngs::OsRng, TryRngCore};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::RecvTimeoutError,
        Arc,
    },
    time::{Duration, Instant},
};

/// Most answers that are computed at a time. All share the device, and with more each would take longer than its deadline allows.
pub const MOST_COMPUTATIONS: usize = 8;
/// How often a long computation says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// How often a computation looks whether it was told to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);
/// A device that fails again within this time isn't trusted any more.
const TRUSTED_AFTER: Duration = Duration::from_secs(600);

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
    /// The engine doesn't take the request.
    #[error(transparent)]
    Refused(#[from] SubmitError),
    /// A defect in the worker.
    #[error("{0}")]
    Panicked(String),
    /// The system gives no randomness for the seal.
    #[error("no randomness from the system: {0}")]
    Randomness(String),
}

impl ComputeError {
    /// Whether no other computation can succeed either, since there is no device left.
    pub fn is_device_lost(&self) -> bool {
        matches!(
            self,
            Self::Engine(GenerateError::Backend(backend::Error::DeviceLost(_))) | Self::Refused(SubmitError::Stopped)
        )
    }
}

/// The models that a worker serves, each on its backend.
pub struct Models(BTreeMap<ModelId, Served>);

struct Served {
    model: Arc<Model>,
    server: Server,
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
            tracing::info!(model = ?id, seconds = began.elapsed().as_secs_f32(), "model loaded");
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
                served.execute(task.job, Submission { hint, ..request.into() }, stop)?
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
            commitment = ?entry.header.root(),
            "computed"
        );
        Ok(entry)
    }
}

impl Served {
    fn new(model: Model, config: &Config) -> anyhow::Result<Self> {
        let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes())?;
        let model = Arc::new(model);
        let d = model.dimensions();
        let name = String::from_utf8_lossy(&model.manifest.name).into_owned();
        // Whatever the chain may ask must fit.
        let context = page_bytes(d) * u64::from(d.context).div_ceil(PAGE as u64);
        let limits = serving::Config {
            kv_bytes: context.max(config.kv_cache_mib.saturating_mul(1 << 20)),
            most_running: MOST_COMPUTATIONS,
            most_waiting: MOST_COMPUTATIONS,
            step_time: Duration::from_millis(config.step_milliseconds),
            ..serving::Config::default()
        };
        let kv_cache_mib = limits.kv_bytes >> 20;
        let server = start(config.backend, limits, opener(model.clone(), config.adapter.clone()))
            .with_context(|| format!("{name} can't be served with {kv_cache_mib} MiB of KV cache"))?;
        tracing::info!(name, kv_cache_mib, "serving");
        Ok(Self {
            model,
            server,
            tokenizer,
        })
    }

    fn prompt(&self, question: &Question) -> Result<Vec<u32>, ergon_primitives::commitment::RejectReason> {
        let Self { model, tokenizer, .. } = self;
        prompt_ids(&question.input, tokenizer, &model.tokens, model.dimensions().context)
    }

    /// The tokens that an executor has probably chosen: a guess that only saves time.
    fn hint(&self, question: &Question) -> Vec<u32> {
        let output = question.output.as_deref().unwrap_or_default();
        self.tokenizer
            .encode_continuation(&String::from_utf8_lossy(output))
            .unwrap_or_default()
    }

    fn execute(&self, job: JobId, submission: Submission, stop: &AtomicBool) -> Result<Execution, ComputeError> {
        let handle = self.server.submit(submission)?;
        let (mut reported, mut output_tokens) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            match handle.next_within(STOP_INTERVAL) {
                Ok(Event::Tokens { tokens, .. }) => output_tokens += tokens.len(),
                Ok(Event::Finished { execution, .. }) => return Ok(execution),
                Ok(Event::Failed(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(GenerateError::Cancelled.into()),
            }
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                tracing::info!(job, output_tokens, "computing");
            }
        }
        Err(ComputeError::Stopped)
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
    choose::<Box<dyn Backend>>(
        choice,
        adapter,
        |adapter| Ok(Box::new(WgpuBackend::new(model.clone(), adapter)?)),
        || Box::new(CpuBackend::new(model.clone())),
    )
}

/// The same for an encoder.
pub fn open_encoder(
    model: Arc<EncoderModel>,
    choice: BackendChoice,
    adapter: Option<&str>,
) -> anyhow::Result<Box<dyn Encoder>> {
    choose::<Box<dyn Encoder>>(
        choice,
        adapter,
        |adapter| Ok(Box::new(WgpuEncoder::new(model.clone(), adapter)?)),
        || Box::new(CpuEncoder::new(model.clone())),
    )
}

fn choose<T>(
    choice: BackendChoice,
    adapter: Option<&str>,
    wgpu: impl Fn(&Adapter) -> Result<T, GpuError>,
    cpu: impl Fn() -> T,
) -> anyhow::Result<T> {
    let selector: Selector = adapter.unwrap_or("auto").parse()?;
    if choice == BackendChoice::Cpu {
        return Ok(cpu());
    }
    let found = gpu::select(&selector).and_then(|adapter| {
        if choice == BackendChoice::Auto && selector == Selector::Best && adapter.kind == Kind::Software {
            return Ok(None);
        }
        wgpu(&adapter).map(Some)
    });
    match found {
        Ok(found) => Ok(found.unwrap_or_else(cpu)),
        Err(error) if choice == BackendChoice::Auto => {
            tracing::warn!("computing on the CPU, since no GPU can be used: {error}");
            Ok(cpu())
        }
        Err(error) => Err(error).context("backend wgpu"),
    }
}

/// [`open`] for a model and an adapter.
fn opener(model: Arc<Model>, adapter: Option<String>) -> impl Open {
    move |choice| open(model.clone(), choice, adapter.as_deref())
}

/// Opens the backend that is asked for.
trait Open: Fn(BackendChoice) -> anyhow::Result<Box<dyn Backend>> + Clone + Send + 'static {}
impl<T: Fn(BackendChoice) -> anyhow::Result<Box<dyn Backend>> + Clone + Send + 'static> Open for T {}

/// Starts to serve on the backend that is asked for. `Auto` takes the CPU where the device has no room for the KV cache.
fn start(choice: BackendChoice, limits: serving::Config, open: impl Open) -> anyhow::Result<Server> {
    let start = |choice| -> anyhow::Result<Result<Server, StartError>> {
        let backend: Arc<dyn Backend> = open(choice)?.into();
        tracing::info!(backend = backend.name(), "backend open");
        let recover = recover(choice, TRUSTED_AFTER, open.clone());
        Ok(Server::start_with(backend, limits, recover))
    };
    match start(choice)? {
        Err(StartError::Backend(error)) if choice == BackendChoice::Auto && error.is_of_device() => {
            let kv_cache_mib = limits.kv_bytes >> 20;
            tracing::warn!(
                kv_cache_mib,
                "computing on the CPU, since the GPU has no room for the KV cache: {error}"
            );
            Ok(start(BackendChoice::Cpu)??)
        }
        started => Ok(started?),
    }
}

/// What to go on with when a backend has failed: the same device reopened, or the CPU if that can't be or fails again within `trusted_after`.
fn recover(
    choice: BackendChoice,
    trusted_after: Duration,
    open: impl Open,
) -> impl FnMut(&backend::Error) -> Option<Arc<dyn Backend>> {
    let mut failed: Option<Instant> = None;
    move |error| {
        if !error.is_of_device() {
            return None;
        }
        let soon = failed
            .replace(Instant::now())
            .is_some_and(|before| before.elapsed() < trusted_after);
        let choice = if soon { BackendChoice::Cpu } else { choice };
        let again = open(choice).or_else(|reason| {
            tracing::error!("computing on the CPU from now on: {reason:#}");
            open(BackendChoice::Cpu)
        });
        let again = again.inspect_err(|reason| tracing::error!("nothing is left to compute on: {reason:#}"));
        again.ok().map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_engine::{
        generate::execute,
        gpu::{include_software_adapters, testing::vulkan_adapters},
        testing,
    };
    use ergon_primitives::request::DecodeSettings;
    use std::{ops::ControlFlow, sync::Mutex};

    fn model() -> Arc<Model> {
        Arc::new(testing::model(testing::DIMENSIONS, true, 1))
    }

    fn lost() -> backend::Error {
        backend::Error::DeviceLost("gone".into())
    }

    #[test]
    fn a_failed_device_is_opened_again_and_replaced_by_the_cpu_if_it_fails_soon() {
        for adapter in vulkan_adapters() {
            let open = opener(model(), Some(adapter.name.clone()));
            let mut recover = recover(BackendChoice::Wgpu, TRUSTED_AFTER, open);
            assert_eq!(recover(&lost()).unwrap().name(), format!("wgpu/{}", adapter.name));
            for _ in 0..2 {
                assert!(recover(&lost()).unwrap().name().starts_with("cpu"));
            }
        }
    }

    #[test]
    fn a_device_that_worked_for_a_while_is_opened_again() {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let (list, model) = (opened.clone(), model());
        let open = move |choice| {
            list.lock().unwrap().push(choice);
            Ok(Box::new(CpuBackend::new(model.clone())) as Box<dyn Backend>)
        };
        let mut recover = recover(BackendChoice::Auto, Duration::ZERO, open);
        assert!(recover(&lost()).is_some() && recover(&lost()).is_some());
        assert_eq!(*opened.lock().unwrap(), [BackendChoice::Auto; 2]);
        // A defect would come again on every device.
        assert!(recover(&backend::Error::UnknownPage { page: 1, pages: 1 }).is_none());
    }

    #[test]
    fn a_device_that_can_not_be_opened_again_is_replaced_by_the_cpu() {
        // The first test that asks for adapters decides which ones there are for all.
        include_software_adapters();
        let open = opener(model(), Some("no such adapter".into()));
        let mut recover = recover(BackendChoice::Wgpu, TRUSTED_AFTER, open);
        assert!(recover(&lost()).unwrap().name().starts_with("cpu"));
    }

    #[test]
    fn a_gpu_without_room_for_the_kv_cache_is_replaced_by_the_cpu_where_that_may_be() {
        let model = model();
        let layers = u64::from(model.dimensions().layers);
        // No more than a binding may be a layer's.
        let limits = serving::Config {
            kv_bytes: layers * (129 << 20),
            ..serving::Config::default()
        };
        let request = Request {
            prompt: vec![1, 2, 3],
            settings: DecodeSettings::greedy(8),
            sampling_key: H256::zero(),
        };
        let cpu = CpuBackend::new(model.clone());
        let expected = execute(&cpu, &request, &[], &mut |_| ControlFlow::Continue(())).unwrap();
        for adapter in vulkan_adapters() {
            let open = opener(model.clone(), Some(adapter.name.clone()));
            let error = start(BackendChoice::Wgpu, limits, open.clone()).map(drop).unwrap_err();
            let error = format!("{error:#}");
            let limit = format!("{} gives a kernel at most {}", adapter.name, 128 << 20);
            assert!(
                error.contains("the KV cache of a layer") && error.contains(&limit),
                "{error}"
            );
            let server = start(BackendChoice::Auto, limits, open).unwrap();
            assert_eq!(server.submit(request.clone().into()).unwrap().wait().unwrap(), expected);
        }
    }
}

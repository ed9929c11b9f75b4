// SPDX-License-Identifier: Apache-2.0
//! Serving: many requests on one backend at the same time, each answered as if it were alone.
//!
//! **Terms.** A *request* has a prompt and decode settings. *Prefill* puts its prompt through the model, *decoding* one chosen token after the
//! other. The *KV cache* has keys and values of all positions, in pages of [`PAGE`] positions. A *step* is one call of the backend.
//!
//! **Answers.** The [`Execution`](crate::generate::Execution) of a request equals that of [`execute`](crate::generate::execute), leaf by leaf
//! and byte by byte, whatever else is served, however prompts are cut into chunks, whether keys and values are shared or not, and whether
//! the device was exchanged on the way. That follows from exact arithmetic: outputs depend on nothing but the tokens before them.
//!
//! **Life of a request.** [`Server::submit`] checks it and refuses what can't be answered, with the numbers, before anything is computed:
//! settings out of range, tokens that the model hasn't, a prompt that fills the context, positions that would not even fit an empty KV cache.
//! Then it *waits* in a queue of fixed size. It is *admitted* once all pages that it can ever need are free or promised to nobody, and then
//! *runs* to its end: it is never put back. It ends with its answer, an error of the backend, or because it was cancelled; its pages are free
//! from the next step on. One that is cancelled while it waits goes at the next step too, wherever in the queue it is.
//!
//! **Steps.** Requests join and leave between steps. In a step every request that decodes puts one token through the model. What is left of
//! `step_tokens` and `step_time` goes to those with several tokens to compute (a prompt, or a hint to check), round robin: first the one whose
//! turn was the longest time ago. All these rows read the weights once. How much fits `step_time` is measured step by step (`pace.rs`).
//!
//! **Fairness.** A decoding request gets a token in every step. No step has more than `step_tokens` tokens, nor more of prompts and hints than
//! fit `step_time`, or a page if that is more: that bounds how long they delay the others. Of `n` prompts in prefill each has a turn at least every `n` steps. Requests are admitted in the order they came;
//! one that waits for pages holds up those behind it, so a large request is never passed by for ever.
//!
//! **Back-pressure.** A full queue answers [`SubmitError::Busy`]. Nothing grows without bound: a request waits with its prompt, runs within its
//! pages, and has at most one event a token, of which there are at most `max_tokens`.
//!
//! **Prefix sharing.** A full page is kept after its request until its room is needed, and taken over by requests of the same *scope* that
//! begin with the same tokens (`pages.rs`). That changes no bit, but the time until an answer begins tells of it; hence scopes.
//!
//! **Text.** An event's text never cuts a character and holds nothing that may begin a stop string. Bytes that are no UTF-8 are U+FFFD
//! there; the output of the answer, which the commitment binds, is the raw bytes.
//!
//! **Failures.** If the device fails, [`Server::start_with`] lets go of it, asks for another backend (the same device reopened, say, or the
//! CPU), computes again what was running, and goes on where each answer stood; if there is none, the running requests end with the error and
//! the server has stopped. [`Server::start`] keeps its device: the running requests end with the error, and only after
//! [`Error::DeviceLost`] the server has stopped.
//!
//! ```
//! use ergon_engine::{cpu::CpuBackend, generate::Request, serving::{Config, Event, Server}, testing};
//! use ergon_primitives::{request::DecodeSettings, H256};
//! use std::sync::Arc;
//! let backend = CpuBackend::new(Arc::new(testing::model(testing::DIMENSIONS, true, 1)));
//! let server = Server::start(Arc::new(backend), Config::default())?;
//! let request = Request { prompt: vec![1, 2, 3], settings: DecodeSettings::greedy(8), sampling_key: H256::zero() };
//! for event in server.submit(request.into())? {
//!     match event {
//!         Event::Tokens { text, .. } => print!("{text}"),
//!         Event::Finished { execution, text } => println!("{text}: {:?}", execution.outcome),
//!         Event::Failed(error) => return Err(error.into()),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod job;
mod pace;
mod pages;
mod queue;
mod request;
mod scheduler;
#[cfg(test)]
mod tests;

pub use request::{Event, Handle, OutputToken, Submission, SubmitError};

use crate::{
    backend::{page_bytes, Backend, Error, PAGE},
    generate::GenerateError,
    model::Model,
};
use job::Job;
use queue::Queue;
use scheduler::Scheduler;
use std::{
    sync::{atomic::AtomicBool, mpsc, Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// Limits of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Bytes of KV cache, all of which are allocated at the start; whole pages are used.
    pub kv_bytes: u64,
    /// Most requests that run at a time; below `step_tokens`.
    pub most_running: usize,
    /// Most requests that wait.
    pub most_waiting: usize,
    /// Most tokens of a step: more is faster in all, fewer let the others wait less while a prompt is computed.
    pub step_tokens: usize,
    /// How long a step should take while a prompt or a hint is computed: it has as many of their tokens as fit, by how fast the last steps
    /// were, but at least [`PAGE`] if `step_tokens` lets it. Answers don't depend on it.
    pub step_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kv_bytes: 1 << 30,
            most_running: 16,
            most_waiting: 64,
            step_tokens: 256,
            step_time: Duration::from_millis(500),
        }
    }
}

/// Why a server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no room for a page.
    #[error("a KV cache of {kv_bytes} bytes has no room for a page of {page_bytes} bytes")]
    NoPage {
        /// Bytes of the cache.
        kv_bytes: u64,
        /// Bytes of a page.
        page_bytes: u64,
    },
    /// Prefill could wait for ever.
    #[error("{most_running} requests at a time leave no room in steps of {step_tokens} tokens")]
    Limits {
        /// Most requests at a time.
        most_running: usize,
        /// Most tokens of a step.
        step_tokens: usize,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] Error),
    /// The system gives no thread.
    #[error("no thread to serve on: {0}")]
    Thread(#[from] std::io::Error),
}

/// Where a server stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Requests that wait.
    pub waiting: usize,
    /// Requests that run.
    pub running: usize,
    /// Pages of the KV cache.
    pub pages: usize,
    /// Pages that running requests use.
    pub used_pages: usize,
    /// Pages that are kept for requests that begin the same way.
    pub kept_pages: usize,
    /// Tokens that went through the model.
    pub computed_tokens: u64,
    /// Tokens whose keys and values were taken over instead.
    pub shared_tokens: u64,
}

/// Answers requests on one backend, which a thread of its own has. Dropping it stops the thread after the step under way and cancels all
/// requests.
pub struct Server {
    model: Arc<Model>,
    queue: Arc<Queue>,
    stats: Arc<Mutex<Stats>>,
    pages: usize,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to serve.
    pub fn start(backend: Arc<dyn Backend>, config: Config) -> Result<Self, StartError> {
        Self::start_on(backend, config, None)
    }

    /// Starts to serve. `recover` gives another backend with the same model when a device has failed ([`Error::is_of_device`]) or has no
    /// room for the KV cache, and none if there is no use in trying again.
    ///
    /// By then the server holds nothing of the failed one, so that its memory is free if nobody else does.
    pub fn start_with(
        backend: Arc<dyn Backend>,
        config: Config,
        recover: impl FnMut(&Error) -> Option<Arc<dyn Backend>> + Send + 'static,
    ) -> Result<Self, StartError> {
        Self::start_on(backend, config, Some(Box::new(recover)))
    }

    fn start_on(backend: Arc<dyn Backend>, config: Config, recover: Option<Recover>) -> Result<Self, StartError> {
        let Config {
            kv_bytes,
            most_running,
            step_tokens,
            ..
        } = config;
        if most_running == 0 || most_running >= step_tokens {
            return Err(StartError::Limits {
                most_running,
                step_tokens,
            });
        }
        let model = backend.model().clone();
        let page_bytes = page_bytes(model.dimensions());
        // Pages are numbered by `u32`.
        let pages = (kv_bytes / page_bytes).min(u64::from(u32::MAX)) as usize;
        if pages == 0 {
            return Err(StartError::NoPage { kv_bytes, page_bytes });
        }
        let scheduler = Scheduler::new(backend.as_ref(), pages, config, pace::clock())?;
        let stats = Arc::new(Mutex::new(scheduler.stats()));
        let service = Service {
            scheduler,
            recover,
            queue: Arc::new(Queue::new(config.most_waiting)),
            stats: stats.clone(),
        };
        let queue = service.queue.clone();
        let thread = std::thread::Builder::new().name("ergon-serving".into());
        Ok(Self {
            model,
            queue,
            stats,
            pages,
            thread: Some(thread.spawn(move || service.run())?),
        })
    }

    /// Takes a request, or says why not.
    pub fn submit(&self, submission: Submission) -> Result<Handle, SubmitError> {
        let (sender, events) = mpsc::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let job = Job::new(&self.model, submission, sender, cancelled.clone())?;
        let positions = job.generation.positions();
        let bytes = |pages: usize| pages as u64 * page_bytes(self.model.dimensions());
        if positions.div_ceil(PAGE) > self.pages {
            return Err(SubmitError::TooLarge {
                positions,
                needed: bytes(positions.div_ceil(PAGE)),
                budget: bytes(self.pages),
            });
        }
        self.queue.push(job)?;
        Ok(Handle { events, cancelled })
    }

    /// Where it stands after the last step.
    pub fn stats(&self) -> Stats {
        let stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        Stats {
            waiting: stats.waiting + self.queue.len(),
            ..stats
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for job in self.queue.close() {
            job.fail(GenerateError::Cancelled);
        }
        // A panic was reported where it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Gives another backend when one has failed.
type Recover = Box<dyn FnMut(&Error) -> Option<Arc<dyn Backend>> + Send>;

/// What the thread has.
struct Service {
    scheduler: Scheduler,
    recover: Option<Recover>,
    queue: Arc<Queue>,
    stats: Arc<Mutex<Stats>>,
}

impl Service {
    fn run(mut self) {
        while !self.queue.is_closed() {
            if self.scheduler.is_idle() && !self.queue.wait() {
                return;
            }
            if let Err(error) = self.scheduler.step(&self.queue) {
                self.failed(error);
            }
            *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = self.scheduler.stats();
        }
    }

    fn failed(&mut self, error: Error) {
        tracing::error!(target: "ergon_engine::serving", %error, "the backend failed");
        let recovered = match &mut self.recover {
            Some(recover) if error.is_of_device() => recovered(&mut self.scheduler, recover, error),
            _ => Err(error),
        };
        let Err(error) = recovered else {
            return;
        };
        let has_stopped = self.scheduler.is_suspended() || matches!(error, Error::DeviceLost(_));
        let error = GenerateError::from(error);
        self.scheduler.fail(&error);
        if has_stopped {
            for job in self.queue.close() {
                job.fail(error.clone());
            }
        }
    }
}

/// Goes on with another backend, or gives why the last one failed.
fn recovered(scheduler: &mut Scheduler, recover: &mut Recover, mut error: Error) -> Result<(), Error> {
    // A reopened device needs the memory that the failed one has.
    scheduler.suspend();
    while let Some(backend) = recover(&error) {
        tracing::warn!(target: "ergon_engine::serving", backend = backend.name(), "computing again what was running");
        match scheduler.resume_on(backend.as_ref()) {
            Ok(()) => return Ok(()),
            Err(again) => error = again,
        }
        tracing::error!(target: "ergon_engine::serving", %error, "the backend failed");
    }
    Err(error)
}

impl Drop for Service {
    fn drop(&mut self) {
        // Also where the thread panics.
        self.queue.close();
        self.scheduler.fail(&GenerateError::Cancelled);
    }
}

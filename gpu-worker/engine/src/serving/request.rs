// SPDX-License-Identifier: Apache-2.0
//! What is asked of a server and what it says to it.
use crate::{
    generate::{Execution, GenerateError, Request},
    logprobs::{TokenLogprobs, MAX_TOP_LOGPROBS},
};
use ergon_primitives::{request::SettingsError, H256};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
        Arc,
    },
    time::Duration,
};

/// A request with everything that doesn't change its answer.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What to answer.
    pub request: Request,
    /// Somebody else's tokens for the same request: a guess that saves time, see [`generate`](crate::generate).
    pub hint: Vec<u32>,
    /// Gives log-probabilities of each token and of so many of the likeliest ones, at most [`MAX_TOP_LOGPROBS`].
    pub top_logprobs: Option<usize>,
    /// The keys and values of its tokens are shared only with requests of the same scope. How soon an answer begins tells whether its prompt was
    /// computed before, so those who may not know that of each other need scopes of their own.
    pub scope: H256,
}

impl From<Request> for Submission {
    fn from(request: Request) -> Self {
        Self {
            request,
            hint: Vec::new(),
            top_logprobs: None,
            scope: H256::zero(),
        }
    }
}

/// Why a request is not taken. Nothing was computed for it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubmitError {
    /// The settings are out of range.
    #[error("the decode settings are refused: {0:?}")]
    Settings(SettingsError),
    /// Too many log-probabilities are wanted.
    #[error("log-probabilities of {0} tokens are wanted, {MAX_TOP_LOGPROBS} is the most")]
    TopLogprobs(usize),
    /// The prompt is empty.
    #[error("the prompt has no token")]
    EmptyPrompt,
    /// The prompt has a token that the model hasn't.
    #[error("token {token} of the prompt is not among the model's {vocabulary} tokens")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Number of tokens of the model.
        vocabulary: u32,
    },
    /// The prompt leaves no room for an answer.
    #[error("a prompt of {prompt} tokens leaves no room for an answer in a context of {context}")]
    ContextOverflow {
        /// Tokens of the prompt.
        prompt: usize,
        /// Positions of the model's context.
        context: u32,
    },
    /// It would not even fit an empty KV cache.
    #[error("{positions} positions of prompt and answer take {needed} bytes of KV cache, the server has {budget}")]
    TooLarge {
        /// Most positions that it can need.
        positions: usize,
        /// Bytes that they take.
        needed: u64,
        /// Bytes of the KV cache.
        budget: u64,
    },
    /// The queue is full; later there may be room.
    #[error("busy: {waiting} requests are waiting")]
    Busy {
        /// Requests that wait.
        waiting: usize,
    },
    /// The server was stopped, or its device failed.
    #[error("the server has stopped")]
    Stopped,
}

/// A chosen token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutputToken {
    /// The token.
    pub token: u32,
    /// Log-probabilities at its position, if they are wanted.
    pub logprobs: Option<TokenLogprobs>,
}

/// What a server says to a request.
#[derive(Debug)]
pub enum Event {
    /// Tokens were chosen: one by a decode step, several where a hint was right.
    Tokens {
        /// The tokens.
        tokens: Vec<OutputToken>,
        /// Text that is certain now: no part of a character, nothing that may begin a stop string. Bytes that are no UTF-8 are U+FFFD.
        text: String,
    },
    /// The answer is complete; the last event.
    Finished {
        /// The answer, with its output as raw bytes.
        execution: Execution,
        /// The rest of the text.
        text: String,
    },
    /// There will be no answer; the last event.
    Failed(GenerateError),
}

/// A request under way: an iterator of its events, which waits for each. Dropping it cancels the request. A cancelled request may end without a
/// last event.
pub struct Handle {
    pub(super) events: Receiver<Event>,
    pub(super) cancelled: Arc<AtomicBool>,
}

impl Handle {
    /// Ends the request at the next step; its pages are free then.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The next event, if there is one within this time.
    ///
    /// [`RecvTimeoutError::Disconnected`] follows the last one.
    pub fn next_within(&self, time: Duration) -> Result<Event, RecvTimeoutError> {
        self.events.recv_timeout(time)
    }

    /// Waits for the answer.
    pub fn wait(self) -> Result<Execution, GenerateError> {
        for event in self.events.iter() {
            match event {
                Event::Tokens { .. } => {}
                Event::Finished { execution, .. } => return Ok(execution),
                Event::Failed(error) => return Err(error),
            }
        }
        Err(GenerateError::Cancelled)
    }
}

impl Iterator for Handle {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.events.recv().ok()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.cancel();
    }
}

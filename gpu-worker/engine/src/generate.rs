// SPDX-License-Identifier: Apache-2.0
//! Decoding: from a request to tokens, text, stop reason and the leaves of the commitment.
//!
//! For each output position the token is chosen by [`ergon_exact::sampling`] from the logits of the position before it, driven by
//! [`draw`]. Then, in this order:
//!
//! 1. An end-of-sequence token ends the answer; it is a leaf, its bytes are not in the output.
//! 2. The token's bytes are appended. If a stop string now stands in the text, the one that begins first ends the answer, and the output
//!    is cut where it begins (unless that is beyond [`MAX_OUTPUT_BYTES`](ergon_primitives::request::MAX_OUTPUT_BYTES)).
//! 3. Text longer than that is cut there and ends the answer; so does the last token that `max_tokens` or the model's
//!    context allows: [`StopReason::Length`](ergon_primitives::commitment::StopReason::Length).
//!
//! [`execute`] answers one request, [`serving`](crate::serving) many at once; both give the same answers.
//!
//! An answer depends on nothing but model, prompt, settings and key. A *hint*, somebody else's tokens for the same request, makes it
//! faster: prompt and hint go through the model in one prefill, and where the hint turns out to be wrong, decoding goes on step by step.
//! That is how an auditor re-executes an answer.
//!
//! ```
//! use ergon_engine::{cpu::CpuBackend, generate::{execute, Request}, testing};
//! use ergon_primitives::{request::DecodeSettings, H256};
//! # use std::{ops::ControlFlow, sync::Arc};
//! let backend = CpuBackend::new(Arc::new(testing::model(testing::DIMENSIONS, true, 1)));
//! let request = Request { prompt: vec![1, 2, 3], settings: DecodeSettings::greedy(8), sampling_key: H256::zero() };
//! let answer = execute(&backend, &request, &[], &mut |_| ControlFlow::Continue(()))?;
//! let audit = execute(&backend, &request, &answer.tokens, &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(answer, audit);
//! # Ok::<(), ergon_engine::generate::GenerateError>(())
//! ```
mod decoding;
mod generation;

pub(crate) use generation::{Accepted, Generation, Next};

use crate::{
    backend::{Backend, Error},
    model::Model,
};
use ergon_primitives::{
    commitment::{Leaf, Outcome, RejectReason},
    hash,
    request::{DecodeSettings, SettingsError},
    H256,
};
use std::ops::ControlFlow;

/// Tokens that go through the model between two calls of the progress function; also bounds the logits in memory.
const CHUNK: usize = 256;

/// What to answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Ids of the final prompt.
    pub prompt: Vec<u32>,
    /// How to decode.
    pub settings: DecodeSettings,
    /// Key of the sampling generator, see [`ergon_primitives::request::sampling_key`].
    pub sampling_key: H256,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Execution {
    /// How it ended.
    pub outcome: Outcome,
    /// Number of prompt tokens.
    pub prompt_tokens: u32,
    /// Chosen tokens, an end-of-sequence token included.
    pub tokens: Vec<u32>,
    /// Text of the answer; may end inside a character.
    pub output: Vec<u8>,
    /// One leaf a token.
    pub leaves: Vec<Leaf>,
}

impl Execution {
    /// A request that can't be answered.
    pub fn rejected(reason: RejectReason, prompt_tokens: u32) -> Self {
        Self {
            outcome: Outcome::Rejected(reason),
            prompt_tokens,
            tokens: vec![],
            output: vec![],
            leaves: vec![],
        }
    }
}

/// How far an execution is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Tokens of prompt, hint and output that went through the model.
    pub processed: usize,
    /// Output tokens so far.
    pub tokens: &'a [u32],
    /// Output that will stay: what may turn out to begin a stop string is held back.
    pub output: &'a [u8],
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GenerateError {
    /// The settings are out of range.
    #[error("the decode settings are refused: {0:?}")]
    Settings(SettingsError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] Error),
    /// Nobody wants the answer any more, or the server has stopped.
    #[error("cancelled")]
    Cancelled,
}

/// The sampling generator: BLAKE2b-256 of key and position (u32 LE), the first 8 bytes as a little-endian number.
pub fn draw(key: &H256, position: u32) -> u64 {
    let bytes = hash(&[&key.0, &position.to_le_bytes()]);
    u64::from_le_bytes(bytes.0[..8].try_into().expect("8 of 32 bytes"))
}

/// Answers `request`; the result is the same whatever the `hint`. `progress` may cancel.
pub fn execute(
    backend: &dyn Backend,
    request: &Request,
    hint: &[u32],
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Execution, GenerateError> {
    request.settings.check().map_err(GenerateError::Settings)?;
    let model = backend.model();
    if let Some(reason) = reject(model, &request.prompt) {
        return Ok(Execution::rejected(reason, request.prompt.len() as u32));
    }
    let mut generation = Generation::new(model.clone(), request.clone(), hint);
    let mut sequence = backend.sequence(generation.positions())?;
    if generation.is_greedy() {
        sequence = sequence.without_logits();
    }
    loop {
        let Next { tokens, wanted, .. } = generation.next(CHUNK);
        let count = tokens.len();
        let outputs = sequence.forward(tokens, wanted)?;
        if let Some(stop) = generation.accept(count, &outputs).stop {
            return Ok(generation.finish(stop));
        }
        sequence.truncate(generation.cached());
        if progress(generation.progress()).is_break() {
            return Err(GenerateError::Cancelled);
        }
    }
}

/// Why a prompt can't be answered, if so.
pub(crate) fn reject(model: &Model, prompt: &[u32]) -> Option<RejectReason> {
    let d = model.dimensions();
    if prompt.is_empty() || prompt.iter().any(|token| *token >= d.vocabulary) {
        return Some(RejectReason::InvalidPrompt);
    }
    (prompt.len() >= d.context as usize).then_some(RejectReason::PromptTooLong)
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;

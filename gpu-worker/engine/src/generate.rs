// SPDX-License-Identifier: Apache-2.0
//! Decoding: from a request to tokens, text, stop reason and the leaves of the commitment.
//!
//! For each output position the token is chosen by [`ergon_exact::sampling`] from the logits of the position before it, driven by
//! [`draw`]. Then, in this order:
//!
//! 1. An end-of-sequence token ends the answer; it is a leaf, its bytes are not in the output.
//! 2. The token's bytes are appended. If a stop string now stands in the text, the one that begins first ends the answer, and the output
//!    is cut where it begins (unless that is beyond [`MAX_OUTPUT_BYTES`]).
//! 3. Text longer than [`MAX_OUTPUT_BYTES`] is cut there and ends the answer; so does the last token that `max_tokens` or the model's
//!    context allows: [`StopReason::Length`].
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
use crate::{
    backend::{Backend, Error, Position},
    model::Model,
};
use ergon_exact::sampling::{sample, Settings};
use ergon_primitives::{
    commitment::{Leaf, Outcome, RejectReason, StopReason},
    hash,
    request::{DecodeSettings, SettingsError, MAX_OUTPUT_BYTES},
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
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The settings are out of range.
    #[error("the decode settings are refused: {0:?}")]
    Settings(SettingsError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] Error),
    /// The progress function said so.
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
    let mut decoding = Decoding::new(model, request);
    let prompt = request.prompt.len();
    // The last token is chosen but never goes through the model.
    let mut sequence = backend.sequence(prompt + decoding.limit - 1)?;
    let known = hint.iter().take_while(|token| **token < model.dimensions().vocabulary);
    let mut guess: Vec<u32> = request
        .prompt
        .iter()
        .chain(known.take(decoding.limit - 1))
        .copied()
        .collect();
    let mut pending = guess.clone();
    loop {
        let chunk: Vec<u32> = pending.drain(..pending.len().min(CHUNK)).collect();
        let wanted = (sequence.len() + chunk.len() + 1).saturating_sub(prompt);
        let outputs = sequence.forward(&chunk, wanted.min(chunk.len()))?;
        for output in &outputs {
            if let Some(stop) = decoding.choose(output) {
                return Ok(decoding.finish(stop));
            }
            let (token, at) = (decoding.last(), prompt + decoding.tokens.len() - 1);
            if guess.get(at) != Some(&token) {
                guess.clear();
                sequence.truncate(at);
                pending = vec![token];
                break;
            }
        }
        if progress(decoding.progress(sequence.len())).is_break() {
            return Err(GenerateError::Cancelled);
        }
    }
}

/// Why a prompt can't be answered, if so.
fn reject(model: &Model, prompt: &[u32]) -> Option<RejectReason> {
    let d = model.dimensions();
    if prompt.is_empty() || prompt.iter().any(|token| *token >= d.vocabulary) {
        return Some(RejectReason::InvalidPrompt);
    }
    (prompt.len() >= d.context as usize).then_some(RejectReason::PromptTooLong)
}

/// An answer as it grows.
struct Decoding<'a> {
    model: &'a Model,
    request: &'a Request,
    /// Most output tokens.
    limit: usize,
    tokens: Vec<u32>,
    output: Vec<u8>,
    leaves: Vec<Leaf>,
}

impl<'a> Decoding<'a> {
    fn new(model: &'a Model, request: &'a Request) -> Self {
        let room = model.dimensions().context as usize - request.prompt.len();
        let limit = room.min(request.settings.max_tokens as usize);
        Self {
            model,
            request,
            limit,
            tokens: vec![],
            output: vec![],
            leaves: vec![],
        }
    }

    fn last(&self) -> u32 {
        *self.tokens.last().expect("a token was chosen")
    }

    /// Chooses the next token from what the model gives at the position before it.
    fn choose(&mut self, at: &Position) -> Option<StopReason> {
        let DecodeSettings {
            temperature_milli,
            top_k,
            top_p_milli,
            ..
        } = self.request.settings;
        let position = self.tokens.len() as u32;
        let settings = Settings {
            temperature_milli,
            top_k,
            top_p_milli,
        };
        let draw = draw(&self.request.sampling_key, position);
        let token = sample(&at.logits.mantissas, at.logits.exponent, settings, draw);
        self.tokens.push(token);
        self.leaves.push(Leaf {
            position,
            token,
            hidden: at.hidden.hash(),
        });
        if self.model.manifest.end_of_sequence.contains(&token) {
            return Some(StopReason::EndOfSequence);
        }
        let bytes = self.model.tokens.get(token).unwrap_or_default();
        self.output.extend_from_slice(bytes);
        self.stop_string(bytes.len()).or_else(|| self.length())
    }

    /// Looks for stop strings that end in the last `new` bytes and cuts the output before the first.
    fn stop_string(&mut self, new: usize) -> Option<StopReason> {
        let begin = |stop: &[u8]| {
            let from = (self.output.len() - new).saturating_sub(stop.len() - 1);
            let at = self.output[from..]
                .windows(stop.len())
                .position(|window| window == stop)?;
            Some(from + at)
        };
        let at = self.request.settings.stop.iter().filter_map(|stop| begin(stop)).min()?;
        if at > MAX_OUTPUT_BYTES as usize {
            return None;
        }
        self.output.truncate(at);
        Some(StopReason::StopString { at: at as u32 })
    }

    fn length(&mut self) -> Option<StopReason> {
        let too_long = self.output.len() > MAX_OUTPUT_BYTES as usize;
        self.output.truncate(MAX_OUTPUT_BYTES as usize);
        (too_long || self.tokens.len() == self.limit).then_some(StopReason::Length)
    }

    fn progress(&self, processed: usize) -> Progress<'_> {
        let held = |stop: &[u8]| {
            (1..stop.len())
                .rev()
                .find(|len| self.output.ends_with(&stop[..*len]))
                .unwrap_or(0)
        };
        let held = self
            .request
            .settings
            .stop
            .iter()
            .map(|stop| held(stop))
            .max()
            .unwrap_or(0);
        Progress {
            processed,
            tokens: &self.tokens,
            output: &self.output[..self.output.len() - held],
        }
    }

    fn finish(self, stop: StopReason) -> Execution {
        Execution {
            outcome: Outcome::Completed(stop),
            prompt_tokens: self.request.prompt.len() as u32,
            tokens: self.tokens,
            output: self.output,
            leaves: self.leaves,
        }
    }
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;

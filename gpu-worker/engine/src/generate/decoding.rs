// SPDX-License-Identifier: Apache-2.0
//! An answer as it grows: choosing tokens, and what ends it.
use super::{draw, Execution, Request};
use crate::{
    backend::{Logits, Position},
    model::Model,
};
use ergon_exact::sampling::{sample, Settings};
use ergon_primitives::{
    commitment::{Leaf, Outcome, StopReason},
    request::{DecodeSettings, MAX_OUTPUT_BYTES},
};
use std::sync::Arc;

/// An answer as it grows.
pub(super) struct Decoding {
    model: Arc<Model>,
    request: Request,
    /// Most output tokens.
    pub limit: usize,
    pub tokens: Vec<u32>,
    output: Vec<u8>,
    leaves: Vec<Leaf>,
}

impl Decoding {
    pub fn new(model: Arc<Model>, request: Request) -> Self {
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

    pub fn is_greedy(&self) -> bool {
        self.request.settings.temperature_milli == 0
    }

    fn sample(&self, logits: &Logits) -> u32 {
        let DecodeSettings {
            temperature_milli,
            top_k,
            top_p_milli,
            ..
        } = self.request.settings;
        let settings = Settings {
            temperature_milli,
            top_k,
            top_p_milli,
        };
        let draw = draw(&self.request.sampling_key, self.tokens.len() as u32);
        sample(&logits.mantissas, logits.exponent, settings, draw)
    }

    /// Chooses the next token from what the model gives at the position before it; with the logits unless decoding is greedy.
    pub fn choose(&mut self, at: &Position) -> Option<StopReason> {
        let position = self.tokens.len() as u32;
        let token = if self.is_greedy() {
            at.likeliest
        } else {
            // Anything else in their place would be a wrong answer, for which an operator loses its weight.
            self.sample(at.logits.as_ref().expect("who isn't greedy asks for logits"))
        };
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

    /// Output that will stay: without what may turn out to begin a stop string.
    pub fn settled_output(&self) -> &[u8] {
        let begun = |stop: &[u8]| {
            (1..stop.len())
                .rev()
                .find(|len| self.output.ends_with(&stop[..*len]))
                .unwrap_or(0)
        };
        let stops = self.request.settings.stop.iter();
        let held = stops.map(|stop| begun(stop)).max().unwrap_or(0);
        &self.output[..self.output.len() - held]
    }

    pub fn output(&self) -> &[u8] {
        &self.output
    }

    pub fn prompt(&self) -> &[u32] {
        &self.request.prompt
    }

    pub fn finish(self, stop: StopReason) -> Execution {
        Execution {
            outcome: Outcome::Completed(stop),
            prompt_tokens: self.request.prompt.len() as u32,
            tokens: self.tokens,
            output: self.output,
            leaves: self.leaves,
        }
    }
}

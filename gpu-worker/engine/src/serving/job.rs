// SPDX-License-Identifier: Apache-2.0
//! A request on its way, with those who wait for it.
use super::request::{Event, OutputToken, Submission, SubmitError};
use crate::{
    backend::Position,
    generate::{reject, Accepted, GenerateError, Generation},
    logprobs::{TokenLogprobs, MAX_TOP_LOGPROBS},
    model::Model,
    tokenizer::Utf8Stream,
};
use ergon_primitives::{
    commitment::{RejectReason, StopReason},
    H256,
};
use std::sync::{
    atomic::{AtomicBool, Ordering},
    mpsc::Sender,
    Arc,
};

/// A request on its way.
pub(super) struct Job {
    pub generation: Generation,
    pub scope: H256,
    top_logprobs: Option<usize>,
    text: Utf8Stream,
    /// Bytes of the output that went into the text.
    shown: usize,
    events: Sender<Event>,
    cancelled: Arc<AtomicBool>,
}

impl Job {
    /// Job of a submission that is in order.
    pub fn new(
        model: &Arc<Model>,
        submission: Submission,
        events: Sender<Event>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Self, SubmitError> {
        let Submission {
            request,
            hint,
            top_logprobs,
            scope,
        } = submission;
        request.settings.check().map_err(SubmitError::Settings)?;
        if let Some(top) = top_logprobs.filter(|top| *top > MAX_TOP_LOGPROBS) {
            return Err(SubmitError::TopLogprobs(top));
        }
        check_prompt(model, &request.prompt)?;
        Ok(Self {
            generation: Generation::new(model.clone(), request, &hint),
            scope,
            top_logprobs,
            text: Utf8Stream::default(),
            shown: 0,
            events,
            cancelled,
        })
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether outputs are of use only with their logits.
    pub fn needs_logits(&self) -> bool {
        self.top_logprobs.is_some() || !self.generation.is_greedy()
    }

    /// Takes the outputs of the next `count` tokens and tells which tokens follow; gives why the answer is complete, if it is.
    pub fn accept(&mut self, count: usize, outputs: &[Position]) -> Option<StopReason> {
        let before = self.generation.chosen().len();
        let Accepted { chosen, stop } = self.generation.accept(count, outputs);
        if chosen == 0 {
            return None;
        }
        let tokens = self.generation.chosen()[before..].iter().zip(outputs);
        let tokens = tokens.map(|(token, at)| OutputToken {
            token: *token,
            logprobs: self
                .top_logprobs
                .zip(at.logits.as_ref())
                .map(|(top, logits)| TokenLogprobs::new(logits, *token, top)),
        });
        let tokens = tokens.collect();
        let output = match stop {
            Some(_) => self.generation.output(),
            None => self.generation.settled_output(),
        };
        let text = self.text.push(&output[self.shown..]);
        self.shown = output.len();
        self.send(Event::Tokens { tokens, text });
        stop
    }

    /// Tells the whole answer.
    pub fn finish(self, stop: StopReason) {
        let event = Event::Finished {
            execution: self.generation.finish(stop),
            text: self.text.finish(),
        };
        // Nobody may want it any more.
        let _ = self.events.send(event);
    }

    /// Tells that there will be no answer.
    pub fn fail(self, error: GenerateError) {
        self.send(Event::Failed(error));
    }

    fn send(&self, event: Event) {
        if self.events.send(event).is_err() {
            self.cancelled.store(true, Ordering::Relaxed);
        }
    }
}

fn check_prompt(model: &Model, prompt: &[u32]) -> Result<(), SubmitError> {
    let d = model.dimensions();
    match reject(model, prompt) {
        None => Ok(()),
        Some(RejectReason::PromptTooLong) => Err(SubmitError::ContextOverflow {
            prompt: prompt.len(),
            context: d.context,
        }),
        Some(RejectReason::InvalidPrompt) => {
            let unknown = prompt.iter().find(|token| **token >= d.vocabulary);
            Err(
                unknown.map_or(SubmitError::EmptyPrompt, |token| SubmitError::UnknownToken {
                    token: *token,
                    vocabulary: d.vocabulary,
                }),
            )
        }
    }
}

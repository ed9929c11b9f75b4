// SPDX-License-Identifier: Apache-2.0
//! What is measured, the same for both sides.
use ergon_engine::testing::Random;
use serde::{Deserialize, Serialize};

/// Sequences that take the same prompt and then go on together, one token a step each.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Tokens that each sequence goes on with, whatever it would choose itself.
    pub decode: Vec<u32>,
    /// Number of sequences.
    pub sequences: usize,
}

impl Work {
    /// Work of this size with random tokens.
    pub fn new(prompt: usize, decode: usize, sequences: usize, vocabulary: u32) -> Self {
        let mut random = Random::new(1);
        Self {
            prompt: random.tokens(prompt, vocabulary),
            decode: random.tokens(decode, vocabulary),
            sequences,
        }
    }

    /// Rates of all sequences together, tokens a second.
    pub fn rates(&self, times: Times) -> Rates {
        Rates {
            prefill: self.prompt.len() as f64 / times.prefill,
            decode: (self.decode.len() * self.sequences) as f64 / times.decode,
        }
    }
}

/// Seconds that a piece of work took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Times {
    /// Prompt of the first sequence, to its first choice.
    pub prefill: f64,
    /// All steps of all sequences.
    pub decode: f64,
}

/// Tokens a second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of a prompt.
    pub prefill: f64,
    /// Of all sequences that decode together.
    pub decode: f64,
}

/// Who does the work.
pub trait Side {
    /// Name to show.
    fn name(&self) -> String;

    /// Does the work once.
    fn measure(&mut self, work: &Work) -> anyhow::Result<Times>;
}

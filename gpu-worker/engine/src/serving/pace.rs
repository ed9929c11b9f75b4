// SPDX-License-Identifier: Apache-2.0
//! How much goes into a step, so that it takes about as long as it should on whatever device it runs.
//!
//! Tokens are weighed by their multiply-accumulates ([`Prices`]): the layers, the positions that a token attends to, and the output head where its
//! output is wanted. The *pace* is the work that fits the time a step should take. It follows from the steps that were measured: a step
//! that took too long, or had at least half of that work, gives the new one, at most twice what was done. A smaller step says nothing, since the
//! weights are read in every step, however few tokens there are. It begins with a page of tokens, so that an unknown device stalls nobody.
use super::Config;
use crate::backend::PAGE;
use ergon_primitives::units::Prices;
use std::time::{Duration, Instant};

/// Time since some moment.
pub(super) type Clock = Box<dyn Fn() -> Duration + Send>;

/// The time that passes.
pub(super) fn clock() -> Clock {
    let began = Instant::now();
    Box::new(move || began.elapsed())
}

/// How much work fits a step.
pub(super) struct Pace {
    clock: Clock,
    prices: Prices,
    config: Config,
    /// In multiply-accumulates.
    work: u64,
}

impl Pace {
    pub fn new(clock: Clock, prices: Prices, config: Config) -> Self {
        let mut pace = Self {
            clock,
            prices,
            config,
            work: 0,
        };
        pace.restart();
        pace
    }

    /// Forgets what was measured: the device is another one.
    pub fn restart(&mut self) {
        self.work = self.prices.prompt_token.saturating_mul(PAGE as u64);
    }

    /// An empty step.
    pub fn step(&self) -> Step {
        Step {
            began: (self.clock)(),
            prices: self.prices,
            tokens: self.config.step_tokens,
            work: self.work,
            least: PAGE,
            done: 0,
        }
    }

    /// Takes note of how long a step took.
    pub fn measure(&mut self, step: &Step) {
        let took = (self.clock)().saturating_sub(step.began);
        if took > self.config.step_time || step.done >= self.work / 2 {
            let fits = u128::from(step.done) * self.config.step_time.as_nanos() / took.as_nanos().max(1);
            self.work = u64::try_from(fits).unwrap_or(u64::MAX).min(step.done.saturating_mul(2));
        }
    }
}

/// What a step has, and has room for.
pub(super) struct Step {
    began: Duration,
    prices: Prices,
    /// Tokens that there is room for.
    tokens: usize,
    /// Work that there is time for.
    work: u64,
    /// Tokens of prompts and hints that there is room for whatever time they take, so that these go on beside any number of others.
    least: usize,
    /// Work that it has.
    done: u64,
}

impl Step {
    /// Adds a token that every step must have.
    pub fn decode(&mut self, position: usize) {
        self.tokens -= 1;
        self.add(self.cost(position, true));
    }

    /// Adds a token of a prompt or a hint, unless the step is full.
    pub fn prefill(&mut self, position: usize, wanted: bool) -> bool {
        let cost = self.cost(position, wanted);
        if self.tokens == 0 || (self.least == 0 && cost > self.work) {
            // What comes later has no better right to the rest.
            self.tokens = 0;
            return false;
        }
        self.tokens -= 1;
        self.least = self.least.saturating_sub(1);
        self.add(cost);
        true
    }

    fn add(&mut self, cost: u64) {
        self.work = self.work.saturating_sub(cost);
        self.done = self.done.saturating_add(cost);
    }

    /// Multiply-accumulates of the token at a position.
    fn cost(&self, position: usize, wanted: bool) -> u64 {
        let Prices {
            prompt_token,
            output_token,
            attended_position,
        } = self.prices;
        let token = if wanted { output_token } else { prompt_token };
        token.saturating_add(attended_position.saturating_mul(position as u64 + 1))
    }
}

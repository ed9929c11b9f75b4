// SPDX-License-Identifier: Apache-2.0
//! Our side: a backend of the engine.
use crate::work::{Side, Times, Work};
use ergon_engine::{
    backend::{Run, PAGE},
    Backend, Position,
};
use std::{hint::black_box, time::Instant};

/// A backend at work. As in serving, each step ends with the choice of a token and the hash of the final hidden state.
pub struct Ours<'a>(pub &'a dyn Backend);

impl Side for Ours<'_> {
    fn name(&self) -> String {
        format!("ergon on {}", self.0.name())
    }

    fn measure(&mut self, work: &Work) -> anyhow::Result<Times> {
        let each = (work.prompt.len() + work.decode.len()).div_ceil(PAGE);
        let mut cache = self.0.cache(each * work.sequences)?;
        let pages: Vec<u32> = (0..(each * work.sequences) as u32).collect();
        let mut prefill = 0.0;
        for (i, pages) in pages.chunks(each).enumerate() {
            let from = Instant::now();
            let run = Run {
                pages,
                first: 0,
                tokens: &work.prompt,
                wanted: 1,
                logits: false,
            };
            finish(&cache.forward(&[run])?);
            if i == 0 {
                prefill = from.elapsed().as_secs_f64();
            }
        }
        let from = Instant::now();
        for (i, token) in work.decode.iter().enumerate() {
            let step = |pages| Run {
                pages,
                first: work.prompt.len() + i,
                tokens: std::slice::from_ref(token),
                wanted: 1,
                logits: false,
            };
            let batch: Vec<_> = pages.chunks(each).map(step).collect();
            finish(&cache.forward(&batch)?);
        }
        Ok(Times {
            prefill,
            decode: from.elapsed().as_secs_f64(),
        })
    }
}

fn finish(outputs: &[Vec<Position>]) {
    for position in outputs.iter().flatten() {
        black_box((position.likeliest, position.hidden.hash()));
    }
}

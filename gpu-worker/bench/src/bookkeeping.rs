// SPDX-License-Identifier: Apache-2.0
//! What answering costs beyond the model, which chooses the likeliest token itself: hashing leaves and the header, text and stop strings.
use ergon_engine::{
    backend::{Cache, Error, Run},
    generate::{execute, Request},
    testing::Random,
    Backend, Model, Position,
};
use ergon_primitives::{
    commitment::Header,
    request::{DecodeSettings, StopString},
    H256,
};
use std::{
    hint::black_box,
    ops::ControlFlow,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Instant,
};

/// Part of the time of decoding that is not spent in the backend, over `tokens` tokens after a prompt.
pub fn share(backend: &dyn Backend, prompt: usize, tokens: u32) -> anyhow::Result<f64> {
    let spent = Arc::new(AtomicU64::new(0));
    let timed = Timed {
        backend,
        spent: spent.clone(),
    };
    // As many as may be, of bytes that no text has.
    let stop = (1..=4).map(|byte| vec![0xf8, byte].try_into().expect("it is short"));
    let stop: Vec<StopString> = stop.collect();
    let request = Request {
        prompt: Random::new(2).tokens(prompt, backend.model().dimensions().vocabulary),
        settings: DecodeSettings {
            stop: stop.try_into().expect("so many may be"),
            ..DecodeSettings::greedy(tokens)
        },
        sampling_key: H256::zero(),
    };
    // From the first choice on, which follows the prompt.
    let mut from = None;
    let execution = execute(&timed, &request, &[], &mut |_| {
        from.get_or_insert_with(|| (Instant::now(), spent.load(Ordering::Relaxed)));
        ControlFlow::Continue(())
    })?;
    let (outcome, output) = (execution.outcome, &execution.output);
    let header = Header::new(
        H256::zero(),
        execution.prompt_tokens,
        outcome,
        output,
        &execution.leaves,
    );
    black_box(header.root());
    let (from, before) = from.expect("progress is told after the prompt");
    let in_backend = (spent.load(Ordering::Relaxed) - before) as f64;
    Ok(1.0 - in_backend / from.elapsed().as_nanos() as f64)
}

/// A backend that counts the nanoseconds spent in it.
struct Timed<'a> {
    backend: &'a dyn Backend,
    spent: Arc<AtomicU64>,
}

struct TimedCache {
    cache: Box<dyn Cache>,
    spent: Arc<AtomicU64>,
}

impl Backend for Timed<'_> {
    fn name(&self) -> String {
        self.backend.name()
    }

    fn model(&self) -> &Arc<Model> {
        self.backend.model()
    }

    fn cache(&self, pages: usize) -> Result<Box<dyn Cache>, Error> {
        Ok(Box::new(TimedCache {
            cache: self.backend.cache(pages)?,
            spent: self.spent.clone(),
        }))
    }
}

impl Cache for TimedCache {
    fn forward(&mut self, batch: &[Run<'_>]) -> Result<Vec<Vec<Position>>, Error> {
        let from = Instant::now();
        let outputs = self.cache.forward(batch);
        self.spent
            .fetch_add(from.elapsed().as_nanos() as u64, Ordering::Relaxed);
        outputs
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker ppl`: measures a model's quality.
use super::arguments::{progress_bar, BackendArguments, ModelArguments};
use anyhow::{bail, Context};
use clap::Args;
use ergon_engine::{perplexity::perplexity, tokenizer::Tokenizer};
use std::{fs, path::PathBuf, time::Instant};

/// Measures perplexity on a text: how well the model predicts each token from those before it. Lower is better.
#[derive(Args, Debug)]
pub struct PplCommand {
    #[command(flatten)]
    model: ModelArguments,
    /// Text to predict, UTF-8.
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Tokens of the text to use, from its beginning.
    #[arg(long, default_value_t = 1024)]
    tokens: usize,
    /// Tokens in a window; each window starts from scratch.
    #[arg(long, default_value_t = 512)]
    window: usize,
    #[command(flatten)]
    backend: BackendArguments,
}

impl PplCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let model = self.model.load()?;
        let context = model.dimensions().context as usize;
        if !(2..=context).contains(&self.window) {
            bail!(
                "--window: {} is not between 2 and the model's context of {context}",
                self.window
            );
        }
        let text = fs::read_to_string(&self.text).with_context(|| format!("{} can't be read", self.text.display()))?;
        let mut tokens = Tokenizer::from_json(model.tokenizer.as_bytes())?.encode(&text)?;
        tokens.truncate(self.tokens);
        if tokens.len() < 2 {
            bail!(
                "{} has fewer than two tokens to predict; raise --tokens or take a longer text",
                self.text.display()
            );
        }
        let backend = self.backend.open(model)?;
        let (bar, began) = (progress_bar(tokens.len() as u64), Instant::now());
        let measured = perplexity(backend.as_ref(), &tokens, self.window, |done| {
            bar.set_position(done as u64)
        })?;
        bar.finish_and_clear();
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "perplexity {:.4} over {} predicted tokens ({} tokens in windows of {}), {:.1} s ({:.1} tok/s) on {}",
            measured.value,
            measured.predicted,
            tokens.len(),
            self.window,
            seconds,
            tokens.len() as f64 / seconds,
            backend.name()
        );
        Ok(())
    }
}

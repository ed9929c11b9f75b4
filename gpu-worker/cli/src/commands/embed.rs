// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker model embed`: embeddings of texts.
use super::arguments::BackendArguments;
use anyhow::Context;
use clap::Args;
use ergon_engine::{
    artifact::{Artifact, Verify},
    tokenizer::wordpiece::WordPiece,
};
use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    sync::Arc,
};

/// Prints the embedding of each text, a JSON object a line: number of tokens, hash of the exact integers, values.
///
/// The values are unit vectors in single precision, for search by cosine; with --exact the integers themselves, in units of 2^-30. A text
/// with more tokens than the model takes is an error, not cut.
#[derive(Args, Debug)]
pub struct EmbedCommand {
    /// Artifact of an encoder, as `ergon-worker model import` writes it.
    #[arg(long, value_name = "FILE", env = "ERGON_MODEL")]
    model: PathBuf,
    #[command(flatten)]
    backend: BackendArguments,
    /// Print the exact integers.
    #[arg(long)]
    exact: bool,
    /// Use the artifact without checking every byte against its manifest.
    #[arg(long)]
    trust_artifact: bool,
    /// Texts; without any, each line of standard input is one.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
}

impl EmbedCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let verify = if self.trust_artifact {
            Verify::Skip
        } else {
            Verify::Full
        };
        let model = Arc::new(Artifact::load_encoder(&self.model, verify)?);
        let encoder = self.backend.open_encoder(model)?;
        let tokenizer = WordPiece::from_json(encoder.model().tokenizer.as_bytes())?;
        let mut stdout = io::stdout().lock();
        let mut print = |text: &str| -> anyhow::Result<()> {
            let tokens = tokenizer.encode(text)?;
            let embedding = encoder.encode(&tokens).with_context(|| format!("{text:.40?}"))?;
            let values = match self.exact {
                true => serde_json::to_string(&embedding.mantissas)?,
                false => serde_json::to_string(&embedding.to_f32())?,
            };
            let (count, hash) = (tokens.len(), embedding.hash());
            writeln!(
                stdout,
                r#"{{"tokens": {count}, "hash": "{hash:?}", "embedding": {values}}}"#
            )?;
            Ok(stdout.flush()?)
        };
        if !self.texts.is_empty() {
            return self.texts.iter().try_for_each(|text| print(text));
        }
        io::stdin().lock().lines().try_for_each(|line| print(&line?))
    }
}

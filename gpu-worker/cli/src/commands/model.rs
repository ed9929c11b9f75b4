// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker model`: makes model artifacts and shows what is in them.
use super::{arguments::progress_bar, embed::EmbedCommand, run::stop_signal};
use clap::{Args, Subcommand};
use ergon_engine::{
    artifact::Artifact,
    import::{import, Options},
    manifest,
};
use ergon_primitives::manifest::Manifest;
use serde_json::json;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
};

/// Makes model artifacts and shows what is in them.
#[derive(Args, Debug)]
pub struct ModelCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Quantizes a model to an artifact. The same source gives the same artifact on every machine.
    ///
    /// Sources: a GGUF file (version 3, split ones by any of their files; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K) or a
    /// Hugging Face folder (config.json, model.safetensors or its shards in F32, F16 or BF16, tokenizer.json) of a Llama, Mistral, Qwen2 or
    /// Qwen3 model or a BERT encoder. Whatever can't be computed exactly is refused by name.
    Import {
        /// GGUF file or Hugging Face folder.
        source: PathBuf,
        /// Artifact to write; an old one is replaced when all went well.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Name in the manifest [default: that of the file or folder].
        #[arg(long)]
        name: Option<String>,
        /// Most positions, fewer than the model's own: smaller tables and KV caches.
        #[arg(long, value_name = "TOKENS")]
        context: Option<u32>,
    },
    Embed(EmbedCommand),
    /// Shows what an artifact holds.
    Info {
        /// The artifact.
        #[arg(env = "ERGON_MODEL")]
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print only the manifest, SCALE in hexadecimal, as `models.register` takes it.
        #[arg(long, conflicts_with = "json")]
        manifest_hex: bool,
        /// Check every byte against the manifest first.
        #[arg(long)]
        verify: bool,
    },
}

impl ModelCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Embed(command) => command.run()?,
            Action::Import {
                source,
                out,
                name,
                context,
            } => {
                let manifest = import_unless_stopped(&source, &out, &Options { name, context })?;
                print_manifest(&manifest);
                println!(
                    "artifact        {} ({} bytes)",
                    out.display(),
                    std::fs::metadata(&out)?.len()
                );
            }
            Action::Info {
                file,
                json,
                manifest_hex,
                verify,
            } => {
                let artifact = Artifact::open(&file)?;
                if verify {
                    artifact.verify()?;
                }
                match (json, manifest_hex) {
                    (true, _) => println!("{:#}", as_json(artifact.manifest())),
                    (_, true) => println!("{}", manifest::to_hex(artifact.manifest())),
                    _ => print_manifest(artifact.manifest()),
                }
            }
        }
        Ok(())
    }
}

/// Imports with a progress bar. When the process is asked to stop, the import ends after the tensor it is at, and nothing is left of it.
fn import_unless_stopped(source: &Path, out: &Path, options: &Options) -> anyhow::Result<Manifest> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let stop = runtime.block_on(async { stop_signal() })?;
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = stopped.clone();
    runtime.spawn(async move {
        stop.await;
        flag.store(true, Ordering::Relaxed);
    });
    let bar = progress_bar(0);
    let manifest = import(source, out, options, &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.tensor.to_string());
        match stopped.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    Ok(manifest?)
}

fn print_manifest(manifest: &Manifest) {
    let d = &manifest.dimensions;
    println!("name            {}", String::from_utf8_lossy(&manifest.name));
    println!("model           {:?}", manifest.id());
    println!(
        "architecture    {:?}, arithmetic version {}: {} layers, hidden {}, feed-forward {}, {} heads and {} for keys and values of {}",
        manifest.architecture,
        manifest.arithmetic_version,
        d.layers,
        d.hidden,
        d.feed_forward,
        d.heads,
        d.kv_heads,
        d.head_dim
    );
    println!(
        "vocabulary      {} tokens, end of sequence {:?}",
        d.vocabulary,
        manifest.end_of_sequence.as_slice()
    );
    println!("context         {} positions", d.context);
    println!("weights root    {:?}", manifest.weights_root);
    println!("tokens root     {:?}", manifest.tokens_root);
    println!("tokenizer       {:?}", manifest.tokenizer);
    println!("chat template   {:?}", manifest.chat_template);
}

fn as_json(manifest: &Manifest) -> serde_json::Value {
    json!({
        "name": String::from_utf8_lossy(&manifest.name),
        "id": manifest.id(),
        "architecture": manifest.architecture,
        "dimensions": manifest.dimensions,
        "arithmeticVersion": manifest.arithmetic_version,
        "weightsRoot": manifest.weights_root,
        "tokensRoot": manifest.tokens_root,
        "tokenizer": manifest.tokenizer,
        "chatTemplate": manifest.chat_template,
        "endOfSequence": manifest.end_of_sequence.as_slice(),
        "manifest": manifest::to_hex(manifest),
    })
}

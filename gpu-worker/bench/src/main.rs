// SPDX-License-Identifier: Apache-2.0
//! `make bench`: the engine against llama.cpp on the same machine, model and prompts, in turns within one run.
//!
//! Writes `report.json` and `index.html`, prints the table. docs/src/reference/benchmark.md says how to read them.
mod bookkeeping;
mod compare;
mod machine;
mod memory;
mod ours;
mod page;
mod peer;
mod plot;
mod report;
mod roofline;
mod suite;
mod work;

use anyhow::Context;
use clap::{builder::RangedU64ValueParser, Parser};
use ergon_engine::{
    artifact::{Artifact, Verify},
    cpu::CpuBackend,
    gpu::{self, Selector, WgpuBackend},
    Backend,
};
use std::{fs, path::PathBuf, sync::Arc};

/// Measures the engine against llama.cpp; `make bench` sets everything up and calls it.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct Arguments {
    /// Our artifact.
    #[arg(long, env = "ERGON_MODEL")]
    model: PathBuf,
    /// The same model for llama.cpp, a GGUF file.
    #[arg(long)]
    gguf: PathBuf,
    /// Folder of peer.mjs, with llama.cpp installed.
    #[arg(long)]
    peer: PathBuf,
    /// Folder for the report.
    #[arg(long)]
    out: PathBuf,
    /// Adapter for the wgpu backend: `auto`, a number of `ergon-worker adapters`, or a part of a name.
    #[arg(long, default_value = "auto")]
    adapter: Selector,
    /// Rounds of each comparison, at least 3.
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(3..))]
    rounds: usize,
    /// Only lets a backend work and prints this process's memory.
    #[arg(long, hide = true)]
    memory_of: Option<Device>,
}

/// Where the engine computes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Device {
    Cpu,
    Wgpu,
}

fn main() -> anyhow::Result<()> {
    gpu::include_software_adapters();
    let arguments = Arguments::parse();
    let load = || Ok(Artifact::load(&arguments.model, Verify::Skip)?);
    if let Some(device) = arguments.memory_of {
        let open = |model| -> anyhow::Result<Box<dyn Backend>> {
            Ok(match device {
                Device::Cpu => Box::new(CpuBackend::new(model)),
                Device::Wgpu => Box::new(WgpuBackend::new(model, &gpu::select(&arguments.adapter)?)?),
            })
        };
        return memory::report(open, load);
    }
    let report = suite::run(&arguments, Arc::new(load()?))?;
    let (json, html) = (arguments.out.join("report.json"), arguments.out.join("index.html"));
    fs::create_dir_all(&arguments.out)
        .and_then(|()| fs::write(&json, serde_json::to_string_pretty(&report)? + "\n"))
        .and_then(|()| fs::write(&html, page::page(&report)))
        .with_context(|| format!("the report can't be written to {}", arguments.out.display()))?;
    println!("{report}");
    println!("written: {} and {}", json.display(), html.display());
    Ok(())
}

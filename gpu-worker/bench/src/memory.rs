// SPDX-License-Identifier: Apache-2.0
//! The most memory that a worker's engine takes, in a process of its own, with models of several sizes; and what the peer takes.
use crate::{
    ours::Ours,
    peer::Peer,
    work::{Side, Work},
};
use anyhow::{bail, Context};
use ergon_engine::{
    import,
    testing::{self, DIMENSIONS},
    Backend, Model,
};
use ergon_primitives::manifest::Dimensions;
use serde::{Deserialize, Serialize};
use std::{fs, ops::ControlFlow, path::Path, process::Command, sync::Arc};

/// Models that people run beside the demo's. How much memory one takes is a matter of its shape alone, so their weights are zeros.
pub const SHAPES: [(&str, Dimensions); 3] = [
    (
        "SmolLM2-360M",
        Dimensions {
            layers: 32,
            hidden: 960,
            feed_forward: 2560,
            heads: 15,
            kv_heads: 5,
            head_dim: 64,
            vocabulary: 49_152,
            context: 8192,
        },
    ),
    (
        "Qwen2.5-0.5B",
        Dimensions {
            layers: 24,
            hidden: 896,
            feed_forward: 4864,
            heads: 14,
            kv_heads: 2,
            head_dim: 64,
            vocabulary: 151_936,
            context: 32_768,
        },
    ),
    (
        "SmolLM2-1.7B",
        Dimensions {
            layers: 24,
            hidden: 2048,
            feed_forward: 8192,
            heads: 32,
            kv_heads: 32,
            head_dim: 64,
            vocabulary: 49_152,
            context: 8192,
        },
    ),
];

/// Tokens of the prompt: few, since it only has to touch every weight.
const PROMPT: usize = 32;
/// Tokens after it.
const DECODE: usize = 4;
/// Room that a peer is given for them.
pub const CONTEXT: usize = 64;

/// Writes an artifact of this shape to `artifact`, by way of a model folder that takes no disk.
pub fn write_artifact(artifact: &Path, dimensions: &Dimensions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    testing::write_sparse_folder(folder.path(), dimensions)?;
    import::import(folder.path(), artifact, &Default::default(), &mut |_| {
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Bytes of a process's memory, mapped files and a software adapter's buffers with it.
#[derive(Deserialize, Serialize)]
pub struct Memory {
    /// After the same work with a model of a few kilobytes: the program, the device's driver, compiled kernels.
    pub before: u64,
    /// Most of all, with the model.
    pub most: u64,
}

/// Memory of this program when it is started again to call [`report`]; `None` where the system doesn't tell.
pub fn of_child(artifact: &Path, device: &str) -> anyhow::Result<Option<Memory>> {
    let output = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        // In place of the model named before.
        .arg("--model")
        .arg(artifact)
        .args(["--memory-of", device])
        .output()?;
    if !output.status.success() {
        bail!("measuring memory failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Lets a device take a prompt and decode with the model, and prints this process's memory.
pub fn report(
    open: impl Fn(Arc<Model>) -> anyhow::Result<Box<dyn Backend>>,
    load: impl Fn() -> anyhow::Result<Model>,
) -> anyhow::Result<()> {
    let work = |model: Model| {
        let backend = open(Arc::new(model))?;
        let work = work_with(backend.model().dimensions().vocabulary);
        Ours(&*backend).measure(&work)
    };
    work(testing::model(DIMENSIONS, true, 1))?;
    let process = std::process::id();
    let before = status(process, "VmRSS:")?;
    work(load()?)?;
    let memory = before.zip(status(process, "VmHWM:")?);
    let memory = memory.map(|(before, most)| Memory { before, most });
    println!("{}", serde_json::to_string(&memory)?);
    Ok(())
}

/// Most memory of a peer that has only done the same work, in bytes; `None` where the system doesn't tell.
pub fn of_peer(mut peer: Peer, vocabulary: u32) -> anyhow::Result<Option<u64>> {
    peer.measure(&work_with(vocabulary))?;
    status(peer.process(), "VmHWM:")
}

fn work_with(vocabulary: u32) -> Work {
    Work::new(PROMPT, DECODE, 1, vocabulary)
}

/// A size that the system tells of a process, in bytes; `None` where it doesn't.
fn status(process: u32, name: &str) -> anyhow::Result<Option<u64>> {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
        return Ok(None);
    };
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next());
    let kilobytes: u64 = kilobytes
        .with_context(|| format!("/proc/{process}/status has no {name}"))?
        .parse()?;
    Ok(Some(kilobytes * 1024))
}

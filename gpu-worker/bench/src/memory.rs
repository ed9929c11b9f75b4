// SPDX-License-Identifier: Apache-2.0
//! The most memory that a worker's engine takes, in a process of its own.
use crate::{
    ours::Ours,
    work::{Side, Work},
};
use anyhow::{bail, Context};
use ergon_engine::{
    testing::{self, DIMENSIONS},
    Backend, Model,
};
use serde::{Deserialize, Serialize};
use std::{fs, process::Command, sync::Arc};

/// Bytes of a process's memory, mapped files and a software adapter's buffers with it.
#[derive(Deserialize, Serialize)]
pub struct Memory {
    /// After the same work with a model of a few kilobytes: the program, the device's driver, compiled kernels.
    pub before: u64,
    /// Most of all, with the model.
    pub most: u64,
}

/// Memory of this program when it is started again with these arguments, which make it call [`report`]; `None` where the system doesn't tell.
pub fn of_child(arguments: &[&str]) -> anyhow::Result<Option<Memory>> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        bail!("measuring memory failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Lets a device take a prompt and decode with the model, and prints this process's memory.
pub fn report(
    open: impl Fn(Arc<Model>) -> anyhow::Result<Box<dyn Backend>>,
    load: impl Fn() -> anyhow::Result<Model>,
    prompt: usize,
) -> anyhow::Result<()> {
    let work = |model: Model| {
        let backend = open(Arc::new(model))?;
        let work = Work::new(prompt, 4, 1, backend.model().dimensions().vocabulary);
        Ours(&*backend).measure(&work)
    };
    work(testing::model(DIMENSIONS, true, 1))?;
    let before = status("VmRSS:")?;
    work(load()?)?;
    let memory = before.zip(status("VmHWM:")?);
    let memory = memory.map(|(before, most)| Memory { before, most });
    println!("{}", serde_json::to_string(&memory)?);
    Ok(())
}

/// A size that the system tells of this process, in bytes; `None` where it doesn't.
fn status(name: &str) -> anyhow::Result<Option<u64>> {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return Ok(None);
    };
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next());
    let kilobytes: u64 = kilobytes
        .with_context(|| format!("/proc/self/status has no {name}"))?
        .parse()?;
    Ok(Some(kilobytes * 1024))
}

// SPDX-License-Identifier: Apache-2.0
//! The most memory that a worker's engine takes, in a process of its own.
use crate::{
    ours::Ours,
    work::{Side, Work},
};
use anyhow::{bail, Context};
use ergon_engine::Backend;
use std::{fs, process::Command};

/// Peak memory in bytes of this program when it is started again with these arguments, which make it call [`report`]; `None` where the
/// system doesn't tell.
pub fn of_child(arguments: &[&str]) -> anyhow::Result<Option<u64>> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        bail!("measuring memory failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.parse()).transpose()?)
}

/// Lets a backend take a prompt and decode, then prints the peak memory of this process.
pub fn report(backend: &dyn Backend, prompt: usize) -> anyhow::Result<()> {
    let work = Work::new(prompt, 4, 1, backend.model().dimensions().vocabulary);
    Ours(backend).measure(&work)?;
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().split(' ').next());
        let kilobytes: u64 = kilobytes.context("/proc/self/status has no VmHWM")?.parse()?;
        println!("{}", kilobytes * 1024);
    }
    Ok(())
}

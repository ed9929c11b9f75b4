// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker adapters`: what wgpu can open on this machine.
use anyhow::bail;
use clap::Args;
use ergon_engine::gpu;

/// Lists the adapters (GPUs and software renderers) that wgpu can open, best first.
///
/// Number or part of a name go into --adapter. An empty list means that no Vulkan, Metal or Direct3D 12 driver is installed.
#[derive(Args, Debug)]
pub struct AdaptersCommand {}

impl AdaptersCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let adapters = gpu::adapters();
        if adapters.is_empty() {
            bail!("wgpu finds no adapter; install a Vulkan driver (on Debian for any machine: apt-get install mesa-vulkan-drivers)");
        }
        for (number, adapter) in adapters.iter().enumerate() {
            println!("{number}  {adapter}");
        }
        Ok(())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The other side: llama.cpp in a process of its own (`peer/peer.mjs`), which waits between its turns.
use crate::work::{Side, Times, Work};
use anyhow::{bail, Context};
use serde::{de::DeserializeOwned, Deserialize};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// What llama.cpp computes on.
#[derive(Clone, Copy, Debug)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A GPU, as Vulkan lists them.
    Vulkan {
        /// Whether it is the software adapter that Vulkan lists first; llama.cpp leaves those out unless it is told otherwise.
        software: bool,
    },
}

/// A running llama.cpp.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    name: String,
}

/// How it introduces itself.
#[derive(Deserialize)]
struct Hello {
    devices: Vec<String>,
    threads: usize,
}

impl Peer {
    /// Starts llama.cpp with a model and room for `sequences` of `context` tokens. `folder` is the folder of `peer.mjs`.
    pub fn start(
        folder: &Path,
        model: &Path,
        device: Device,
        sequences: usize,
        context: usize,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("node");
        command
            .arg(folder.join("peer.mjs"))
            .arg(model)
            .args([sequences.to_string(), context.to_string()])
            // Our own choice of drivers is not theirs.
            .env_remove("VK_ADD_DRIVER_FILES");
        match device {
            Device::Cpu => command.arg("cpu"),
            Device::Vulkan { software } => {
                if software {
                    command.env("GGML_VK_VISIBLE_DEVICES", "0");
                }
                command.arg("vulkan")
            }
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node can't be started; `make bench` installs it")?;
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut this = Self {
            child,
            input,
            output,
            name: "llama.cpp".into(),
        };
        let Hello { devices, threads } = this.answer()?;
        this.name = match device {
            Device::Cpu => format!("llama.cpp on cpu ({threads} threads)"),
            Device::Vulkan { .. } => format!("llama.cpp on {}", devices.join(", ")),
        };
        Ok(this)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("llama.cpp ended before it answered; what it said is above");
        }
        serde_json::from_str(&line).with_context(|| format!("llama.cpp answered {line:?}"))
    }
}

impl Side for Peer {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn measure(&mut self, work: &Work) -> anyhow::Result<Times> {
        writeln!(self.input, "{}", serde_json::to_string(work)?)?;
        self.answer()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

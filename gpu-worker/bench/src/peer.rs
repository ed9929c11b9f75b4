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
pub enum Device<'a> {
    /// The processor.
    Cpu,
    /// The adapter of this name.
    Vulkan(&'a str),
}

/// Adapters of a machine that are tried, in Vulkan's order.
const MOST_ADAPTERS: usize = 16;

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
        device: Device<'_>,
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
        let Device::Vulkan(adapter) = device else {
            let (mut this, Hello { threads, .. }) = Self::spawn(command.arg("cpu"))?;
            this.name = format!("llama.cpp on cpu ({threads} threads)");
            return Ok(this);
        };
        command.arg("vulkan");
        let mut others = vec![];
        for index in 0..MOST_ADAPTERS {
            // By default llama.cpp leaves software adapters out and shares the work between all others.
            command.env("GGML_VK_VISIBLE_DEVICES", index.to_string());
            let (mut this, Hello { devices, .. }) = match Self::spawn(&mut command) {
                Ok(started) => started,
                // There are no more. That it doesn't start at all is another matter.
                Err(_) if index > 0 => break,
                Err(error) => return Err(error),
            };
            if devices.iter().any(|device| device.contains(adapter)) {
                this.name = format!("llama.cpp on {}", devices.join(", "));
                return Ok(this);
            }
            others.extend(devices);
        }
        bail!("llama.cpp doesn't find the adapter {adapter:?} but {others:?}; name one of those by --adapter")
    }

    /// Starts it and has it introduce itself; then it loads the model.
    fn spawn(command: &mut Command) -> anyhow::Result<(Self, Hello)> {
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
            name: String::new(),
        };
        let hello = this.answer()?;
        Ok((this, hello))
    }

    /// The system's number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
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

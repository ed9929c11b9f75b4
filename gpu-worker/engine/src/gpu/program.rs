// SPDX-License-Identifier: Apache-2.0
//! A model as a *program*: kernels, buffers and launches as data, so that another implementation of WebGPU computes the same bits.
//!
//! A browser has no Rust, but it has WebGPU. What a [`WgpuBackend`] without subgroups compiles, uploads and launches is written down here once, so that a page
//! needs neither the layout of weights nor the order of operators; `gpu-worker/web` is such a page.
//!
//! - **Buffers** are numbered. Those with contents say where these begin in the second file; all others begin as zeros.
//! - A **launch** binds buffers to a kernel, in the order of its bindings. Its workgroups are `[rows]`, or `[width, rows]` if it has a width. If it
//!   has a tile, that kernel takes its place from four rows on, with a quarter of the rows, rounded up.
//! - A **pass** puts up to `rows` tokens through the model: write `tokens`, `table` (`wgsl/pages.wgsl`: there is one sequence, whose page `i` is
//!   the cache's page `i`) and `step` (rows, capacity); run `embed`, then all `layers`.
//! - **Outputs** of up to `rows` tokens: copy their rows of each buffer `from` of `wanted`, of so many `bytes` each, into the one `to`, write `step` (rows, 0), run `launches`. Then
//!   each row has an exponent, two planes of bytes, high and low, each half of `plane_bytes`, of which the first `hidden` count, and
//!   `vocabulary` logits under the exponent plus `logits_shift`.
use super::{
    cache::{Outputs, WgpuCache},
    device::Device,
    kernels::{Access, Kernel},
    plan::Launch,
    Adapter, GpuError, WgpuBackend,
};
use crate::{backend::PAGE, Model};
use ergon_primitives::manifest::Manifest;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    sync::Arc,
};
use wgpu::Buffer;

/// Why a program can't be written.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The device can't hold the model, or failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The contents of buffers can't be written.
    #[error("the weights can't be written: {0}")]
    Write(#[from] io::Error),
}

/// What a model computes, see the [module](self).
#[derive(Debug, Serialize)]
pub struct Program {
    /// Which model.
    manifest: Manifest,
    /// Most positions of the sequence.
    capacity: u32,
    /// Positions of a page of the KV cache.
    page: usize,
    /// By name.
    kernels: BTreeMap<&'static str, KernelText>,
    buffers: Vec<BufferText>,
    pass: PassText,
    outputs: OutputsText,
}

/// A kernel: WGSL with the entry point `main`, and the types of its bindings as `GPUBufferBindingType` names them.
#[derive(Debug, Serialize)]
struct KernelText {
    source: String,
    bindings: Vec<&'static str>,
}

/// A buffer of so many bytes.
#[derive(Debug, Serialize)]
struct BufferText {
    bytes: u64,
    /// Whether kernels see it as a uniform.
    uniform: bool,
    /// Where its contents begin in the second file.
    contents: Option<u64>,
}

#[derive(Debug, Serialize)]
struct LaunchText {
    kernel: &'static str,
    tile: Option<&'static str>,
    buffers: Vec<usize>,
    width: Option<u32>,
}

#[derive(Debug, Serialize)]
struct PassText {
    rows: usize,
    tokens: usize,
    table: usize,
    step: usize,
    embed: Vec<LaunchText>,
    layers: Vec<Vec<LaunchText>>,
}

#[derive(Debug, Serialize)]
struct WantedText {
    from: usize,
    to: usize,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct OutputsText {
    rows: usize,
    wanted: Vec<WantedText>,
    step: usize,
    launches: Vec<LaunchText>,
    exponents: usize,
    planes: usize,
    plane_bytes: u64,
    logits: usize,
    logits_shift: i32,
}

impl WgpuBackend {
    /// A model's program for sequences of up to `positions`, with the kernels that every WebGPU implementation can run; what its buffers hold
    /// at first goes to `contents`. Any adapter will do.
    pub fn program(
        model: Arc<Model>,
        adapter: &Adapter,
        positions: usize,
        contents: &mut dyn Write,
    ) -> Result<Program, ProgramError> {
        let mut device = Device::open(adapter)?;
        device.subgroups = false;
        let core = Self::on(device, model)?.core;
        let cache = WgpuCache::new(core.clone(), positions.div_ceil(PAGE))?;
        let mut writer = Writer::default();
        let pass = writer.pass(&cache);
        let outputs = writer.outputs(&cache.outputs, core.weights.output().exponents[0]);
        let buffers = writer.read_all(&cache, contents)?;
        Ok(Program {
            manifest: core.model.manifest.clone(),
            capacity: cache.capacity,
            page: PAGE,
            kernels: writer.kernels,
            buffers,
            pass,
            outputs,
        })
    }
}

fn binding_type(access: Access) -> &'static str {
    match access {
        Access::Read => "read-only-storage",
        Access::Write => "storage",
        Access::Uniform => "uniform",
    }
}

/// Numbers the buffers as it meets them, and keeps the kernels.
#[derive(Default)]
struct Writer {
    kernels: BTreeMap<&'static str, KernelText>,
    numbers: HashMap<Buffer, usize>,
    buffers: Vec<Buffer>,
}

impl Writer {
    fn number(&mut self, buffer: &Buffer) -> usize {
        let next = self.buffers.len();
        let number = *self.numbers.entry(buffer.clone()).or_insert(next);
        if number == next {
            self.buffers.push(buffer.clone());
        }
        number
    }

    fn kernel(&mut self, kernel: &Kernel) -> &'static str {
        self.kernels.entry(kernel.name).or_insert_with(|| KernelText {
            source: kernel.source.to_string(),
            bindings: kernel.bindings.iter().copied().map(binding_type).collect(),
        });
        kernel.name
    }

    fn launches(&mut self, launches: &[Launch]) -> Vec<LaunchText> {
        let launch = |launch: &Launch| LaunchText {
            kernel: self.kernel(&launch.kernel),
            tile: launch.tile.as_ref().map(|(tile, _)| self.kernel(tile)),
            buffers: launch.buffers.iter().map(|buffer| self.number(buffer)).collect(),
            width: launch.width,
        };
        launches.iter().map(launch).collect()
    }

    fn pass(&mut self, cache: &WgpuCache) -> PassText {
        PassText {
            rows: cache.most_rows,
            tokens: self.number(&cache.buffers.tokens),
            table: self.number(&cache.buffers.table),
            step: self.number(&cache.buffers.step),
            embed: self.launches(&cache.embed),
            layers: cache.layers.iter().map(|layer| self.launches(layer)).collect(),
        }
    }

    fn outputs(&mut self, outputs: &Outputs, logits_shift: i32) -> OutputsText {
        let wanted = outputs.wanted.iter().map(|wanted| WantedText {
            from: self.number(&wanted.from),
            to: self.number(&wanted.to),
            bytes: wanted.bytes,
        });
        let wanted = wanted.collect();
        OutputsText {
            rows: outputs.most_rows,
            wanted,
            step: self.number(&outputs.step),
            launches: self.launches(&outputs.launches),
            exponents: self.number(&outputs.hidden.exponents),
            planes: self.number(&outputs.hidden.planes),
            plane_bytes: outputs.hidden.bytes,
            logits: self.number(&outputs.logits),
            logits_shift,
        }
    }

    /// Reads every buffer back; nothing was computed yet, so one that holds zeros only is one that operators write.
    fn read_all(&self, cache: &WgpuCache, contents: &mut dyn Write) -> Result<Vec<BufferText>, ProgramError> {
        let mut end = 0;
        let mut texts = Vec::with_capacity(self.buffers.len());
        for buffer in &self.buffers {
            let device = &cache.core.device;
            let data = device.guard("a buffer's contents", || device.contents(buffer))?;
            let used = data.iter().any(|byte| *byte != 0);
            texts.push(BufferText {
                bytes: buffer.size(),
                uniform: buffer.usage().contains(wgpu::BufferUsages::UNIFORM),
                contents: used.then_some(end),
            });
            if used {
                contents.write_all(&data)?;
                end += buffer.size();
            }
        }
        Ok(texts)
    }
}

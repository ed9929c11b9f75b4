// SPDX-License-Identifier: Apache-2.0
//! Which kernels run over which buffers, in order: bound once a cache, then encoded for any number of tokens.
use super::{
    device::Device,
    kernels::{Kernel, Kernels, Tile},
    weights::{Gain, Heads, Matrix},
    Core, GpuError,
};
use crate::backend::PAGE;
use wgpu::{BindGroup, Buffer};

/// One kernel with its buffers.
pub(super) struct Launch {
    pub(super) kernel: Kernel,
    /// The same operator for several tokens at a time.
    pub(super) tile: Option<(Kernel, Tile)>,
    /// In the order of the kernel's bindings.
    pub(super) buffers: Vec<Buffer>,
    /// Workgroups a token; `None` if a token has exactly one.
    pub(super) width: Option<u32>,
    bindings: BindGroup,
}

impl Launch {
    fn new(core: &Core, kernel: &Kernel, buffers: &[&Buffer], width: Option<u32>) -> Self {
        Self::on(&core.device, kernel, buffers, width)
    }

    pub(super) fn on(device: &Device, kernel: &Kernel, buffers: &[&Buffer], width: Option<u32>) -> Self {
        Self {
            kernel: kernel.clone(),
            tile: None,
            buffers: buffers.iter().copied().cloned().collect(),
            width,
            bindings: kernel.bind(device, buffers),
        }
    }

    /// A kernel that isn't a part of any model.
    pub(super) fn probe(device: &Device, kernel: &Kernel, buffers: &[&Buffer]) -> Self {
        Self {
            kernel: kernel.clone(),
            tile: None,
            buffers: vec![],
            width: None,
            bindings: kernel.bind(device, buffers),
        }
    }

    /// The kernel that computes `tokens` rows.
    pub(super) fn kernel_for(&self, tokens: u32) -> &Kernel {
        self.shape(tokens).0
    }

    /// The kernel for `tokens` rows, and how often it runs to have them all.
    fn shape(&self, tokens: u32) -> (&Kernel, u32) {
        match &self.tile {
            Some((kernel, tile)) if tokens >= tile.from => (kernel, tokens.div_ceil(tile.tokens)),
            _ => (&self.kernel, tokens),
        }
    }

    /// Encodes it for `tokens` rows.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, tokens: u32) {
        let (kernel, rows) = self.shape(tokens);
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        match self.width {
            Some(width) => pass.dispatch_workgroups(width, rows, 1),
            None => pass.dispatch_workgroups(rows, 1, 1),
        }
    }
}

/// An int16 row a token: what a matrix reads.
pub(super) struct Packed {
    pub(super) planes: Buffer,
    pub(super) exponents: Buffer,
    /// Bytes of one token's planes.
    pub(super) bytes: u64,
}

impl Packed {
    pub(super) fn new(core: &Core, rows: u64, width: u32) -> Result<Self, GpuError> {
        Self::on(&core.device, rows, width)
    }

    pub(super) fn on(device: &Device, rows: u64, width: u32) -> Result<Self, GpuError> {
        let bytes = u64::from(width.next_multiple_of(16)) * 2;
        Ok(Self {
            planes: device.storage("packed rows", rows * bytes)?,
            exponents: device.storage("exponents", rows * 4)?,
            bytes,
        })
    }
}

/// Buffers between the operators of a pass, for `rows` tokens (a multiple of 4) of sequences of at most `capacity` positions.
pub(super) struct Rows {
    pub(super) tokens: Buffer,
    /// `table` of pages.wgsl.
    pub(super) table: Buffer,
    /// `Step` of prelude.wgsl.
    pub(super) step: Buffer,
    pub(super) residual: Buffer,
    normed: Packed,
    qkv: Buffer,
    queries: Buffer,
    query_exponents: Buffer,
    scores: Buffer,
    attended: Buffer,
    attended_exponents: Buffer,
    joined: Packed,
    /// Outputs of o and down, which the next norm adds to the residual rows.
    pub(super) added: Buffer,
    /// What the first norm adds: zeros.
    nothing: Buffer,
    gate_up: Buffer,
    pub(super) gated: Packed,
}

impl Rows {
    /// Bytes of the widest row of all buffers.
    pub(super) fn widest(core: &Core, capacity: u64) -> u64 {
        let d = core.model.dimensions();
        let [hidden, inner, heads, kv, dim] =
            [d.hidden, d.feed_forward, d.heads, d.kv_heads, d.head_dim].map(u64::from);
        let counts = [hidden, 2 * inner, (heads + 2 * kv) * dim, heads * capacity];
        counts.into_iter().fold(0, u64::max) * 4
    }

    pub(super) fn new(core: &Core, rows: u64, capacity: u64) -> Result<Self, GpuError> {
        let d = core.model.dimensions();
        let [hidden, inner, heads, kv, dim] =
            [d.hidden, d.feed_forward, d.heads, d.kv_heads, d.head_dim].map(u64::from);
        let i32s = |what, count| core.device.storage(what, rows * count * 4);
        Ok(Self {
            tokens: i32s("token ids", 1)?,
            table: i32s("page tables", 2 + capacity.div_ceil(PAGE as u64))?,
            step: core.device.uniform("step", &[0u32; 2]),
            residual: i32s("residual stream", hidden)?,
            normed: Packed::new(core, rows, d.hidden)?,
            qkv: i32s("outputs of q, k, v", (heads + 2 * kv) * dim)?,
            // Two byte planes are half of what an i32 takes.
            queries: core
                .device
                .storage("queries", rows * heads * dim.next_multiple_of(16) * 2)?,
            query_exponents: i32s("exponents of queries", heads)?,
            scores: i32s("attention scores", heads * capacity)?,
            attended: i32s("outputs of attention", heads * dim)?,
            attended_exponents: i32s("exponents of attention", heads)?,
            joined: Packed::new(core, rows, d.heads * d.head_dim)?,
            added: i32s("outputs of o and down", hidden)?,
            nothing: i32s("zeros", hidden)?,
            gate_up: i32s("outputs of gate and up", 2 * inner)?,
            gated: Packed::new(core, rows, d.feed_forward)?,
        })
    }

    /// The residual rows of the tokens.
    pub(super) fn embed(&self, core: &Core) -> Vec<Launch> {
        let shards = core.weights.embed.shards.iter().zip(&core.weights.embed_shards);
        let width = core.model.dimensions().hidden.div_ceil(16).div_ceil(32);
        shards
            .map(|(shard, uniform)| {
                Launch::new(
                    core,
                    &core.kernels.embed,
                    &[&self.tokens, &shard.weight, &shard.scale, &self.residual, uniform],
                    Some(width),
                )
            })
            .collect()
    }

    /// One decoder layer over its KV cache.
    pub(super) fn layer(&self, core: &Core, index: usize, cache: &Buffer) -> Vec<Launch> {
        let layer = &core.weights.layers[index];
        let before = if index == 0 { &self.nothing } else { &self.added };
        let mut launches = vec![self.norm(core, [before, &self.gated.exponents], &layer.attention_norm)];
        launches.extend(matrix(core, &layer.qkv, &self.normed, &self.qkv, &self.step));
        launches.extend(self.attention(core, &layer.heads, cache));
        launches.extend(matrix(core, &layer.o, &self.joined, &self.added, &self.step));
        launches.push(self.norm(core, [&self.added, &self.joined.exponents], &layer.ffn_norm));
        launches.extend(matrix(core, &layer.gate_up, &self.normed, &self.gate_up, &self.step));
        launches.push(self.gate(core, &layer.gate_up_exponents));
        launches.extend(matrix(core, &layer.down, &self.gated, &self.added, &self.step));
        launches
    }

    /// From the outputs of q, k and v to the input of o.
    fn attention(&self, core: &Core, parameters: &Heads, cache: &Buffer) -> [Launch; 3] {
        let d = core.model.dimensions();
        let heads = [
            &self.qkv,
            &self.normed.exponents,
            &core.weights.rope,
            &self.queries,
            &self.query_exponents,
            cache,
            &self.table,
            &parameters.parameters,
            &parameters.projections,
        ];
        let attention = [
            &self.queries,
            &self.query_exponents,
            cache,
            &self.table,
            &self.scores,
            &self.attended,
            &self.attended_exponents,
            &self.step,
            &core.weights.tables,
        ];
        let join = [
            &self.attended,
            &self.attended_exponents,
            &self.joined.planes,
            &self.joined.exponents,
        ];
        [
            Launch::new(core, &core.kernels.heads, &heads, Some(d.heads + 2 * d.kv_heads)),
            Launch::new(core, &core.kernels.attention, &attention, Some(d.heads)),
            Launch::new(core, &core.kernels.join_heads, &join, None),
        ]
    }

    fn norm(&self, core: &Core, added: [&Buffer; 2], gain: &Gain) -> Launch {
        norm(core, &self.residual, added, gain, &self.normed)
    }

    fn gate(&self, core: &Core, exponents: &Buffer) -> Launch {
        let buffers = [
            &self.gate_up,
            &self.normed.exponents,
            &self.gated.planes,
            &self.gated.exponents,
            exponents,
            &core.weights.tables,
        ];
        Launch::new(core, &core.kernels.gate, &buffers, None)
    }
}

/// A norm of residual rows, packed, after a matrix's output was added to them; `added` are that and the exponents of what the matrix read.
pub(super) fn norm(core: &Core, residual: &Buffer, added: [&Buffer; 2], gain: &Gain, out: &Packed) -> Launch {
    let buffers = [
        residual,
        added[0],
        added[1],
        &gain.gain,
        &out.planes,
        &out.exponents,
        &gain.norm,
        &core.weights.tables,
    ];
    Launch::new(core, &core.kernels.residual_norm, &buffers, None)
}

/// The likeliest token of each row of logits.
pub(super) fn likeliest(core: &Core, logits: &Buffer, tokens: &Buffer) -> Launch {
    Launch::new(core, &core.kernels.likeliest, &[logits, tokens], None)
}

/// A matrix, shard by shard.
pub(super) fn matrix<'a>(
    core: &'a Core,
    matrix: &'a Matrix,
    x: &'a Packed,
    y: &'a Buffer,
    step: &'a Buffer,
) -> impl Iterator<Item = Launch> + 'a {
    matrix_on(&core.device, &core.kernels, matrix, x, y, step)
}

/// The same without a decoder.
pub(super) fn matrix_on<'a>(
    device: &'a Device,
    kernels: &'a Kernels,
    matrix: &'a Matrix,
    x: &'a Packed,
    y: &'a Buffer,
    step: &'a Buffer,
) -> impl Iterator<Item = Launch> + 'a {
    matrix.shards.iter().map(move |shard| {
        let buffers = [&shard.weight, &shard.scale, &x.planes, y, &shard.shape, step];
        let mut launch = Launch::on(device, &kernels.linear, &buffers, Some(shard.blocks()));
        launch.tile = Some((kernels.linear_tile.clone(), kernels.tile));
        launch
    })
}

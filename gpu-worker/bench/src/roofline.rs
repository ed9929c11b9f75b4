// SPDX-License-Identifier: Apache-2.0
//! What the kernels of both backends reach of what their devices can do.
use crate::report::Roof;
use ergon_engine::{
    cpu::CpuBackend,
    gpu::{
        profile::{Bounds, OperatorTime},
        WgpuBackend,
    },
};

/// Kernels of the CPU backend in a step of decoding, for 8 sequences, and in a block of a prompt.
pub fn cpu(backend: &CpuBackend, runs: usize) -> Vec<Roof> {
    let bounds = backend.bounds(runs);
    let passes = [("cpu, 1 token", 1), ("cpu, 8 tokens", 8), ("cpu, 64 tokens", 64)];
    let roofs = passes.map(|(pass, tokens)| roofs(pass, &bounds, backend.operators(256, tokens, runs)));
    roofs.into_iter().flatten().collect()
}

/// Kernels of the wgpu backend in a step of decoding and in a chunk of a prompt.
pub fn wgpu(backend: &WgpuBackend, runs: usize) -> anyhow::Result<Vec<Roof>> {
    let mut all = vec![];
    for (pass, tokens) in [("wgpu, 1 token", 1), ("wgpu, 64 tokens", 64)] {
        let profile = backend.profile(256, tokens, runs)?;
        all.extend(roofs(pass, &profile.bounds, profile.operators));
    }
    Ok(all)
}

fn roofs(pass: &str, bounds: &Bounds, operators: Vec<OperatorTime>) -> Vec<Roof> {
    let roof = |operator: OperatorTime| Roof {
        pass: pass.into(),
        kernel: operator.operator,
        milliseconds: operator.seconds * 1e3,
        bytes: operator.bytes,
        products: operator.products,
        bound: operator.bound(bounds) * 1e3,
    };
    operators.into_iter().map(roof).collect()
}

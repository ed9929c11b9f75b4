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
    let roofs = passes.map(|(pass, tokens)| roofs(pass, tokens, &bounds, backend.operators(256, tokens, runs)));
    roofs.into_iter().flatten().collect()
}

/// Kernels of the wgpu backend in a step of decoding and in a chunk of a prompt.
pub fn wgpu(backend: &WgpuBackend, runs: usize) -> anyhow::Result<Vec<Roof>> {
    let mut all = vec![];
    for (pass, tokens) in [("wgpu, 1 token", 1), ("wgpu, 64 tokens", 64)] {
        let profile = backend.profile(256, tokens, runs)?;
        all.extend(roofs(pass, tokens, &profile.bounds, profile.operators));
    }
    Ok(all)
}

fn roofs(pass: &str, tokens: usize, bounds: &Bounds, operators: Vec<OperatorTime>) -> Vec<Roof> {
    let roof = |operator: OperatorTime| Roof {
        pass: pass.into(),
        kernel: match operator.tokens == tokens {
            true => operator.operator.into(),
            false => format!("{} of the last token", operator.operator),
        },
        milliseconds: operator.seconds * 1e3,
        bytes: operator.bytes,
        products: operator.products,
        bound: operator.bound(bounds) * 1e3,
        reason: (operator.roofline(bounds) < 0.5).then(|| reason(operator.operator)),
    };
    operators.into_iter().map(roof).collect()
}

/// Why a kernel may stay under half of its bound, from looking into it on a software adapter and on a processor with AVX-512.
fn reason(kernel: &str) -> &'static str {
    match kernel {
        "embed" | "residual_norm" | "heads" | "join_heads" | "gate" | "likeliest" => {
            "they move a row or two a token: launching them and the barriers of their reductions take longer, and no bound counts those"
        }
        "attention" => {
            "a score is scaled by a product of 64 bits, which WGSL has to put together from 32, and weighted values are no products of bytes: \
             the bound counts neither"
        }
        "linear" | "linear_tile" => {
            "in software every lane's load is code of its own with a check of its bounds; tiles share a load between eight tokens, and still \
             most of the time goes there"
        }
        "matrices" => {
            "for a few tokens the weights are widened anew for every tile of tokens, and lanes are added up at the end of every row; packing \
             them once pays from 16 tokens on"
        }
        _ => "not looked into yet",
    }
}

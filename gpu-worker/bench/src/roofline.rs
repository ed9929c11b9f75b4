// SPDX-License-Identifier: Apache-2.0
//! What the kernels of both backends reach of what their devices can do.
use crate::report::Roof;
use ergon_engine::{
    cpu::CpuBackend,
    gpu::{
        profile::{Bounds, OperatorTime},
        Adapter, WgpuBackend,
    },
    Backend,
};

/// Why a kernel stays under half of its bound, if somebody has looked into that on such a device.
type Reason = fn(&str) -> Option<&'static str>;

/// Kernels of the CPU backend in a step of decoding, for 8 sequences, and in a block of a prompt.
pub fn cpu(backend: &CpuBackend, runs: usize) -> Vec<Roof> {
    let passes = [("cpu, 1 token", 1), ("cpu, 8 tokens", 8), ("cpu, 64 tokens", 64)];
    let passes = passes.map(|(pass, tokens)| (pass, tokens, backend.operators(256, tokens, runs)));
    let reason = match backend.name().contains("avx512") {
        true => on_avx512,
        false => elsewhere,
    };
    roofs(backend.bounds(runs), &passes, reason)
}

/// Kernels of the wgpu backend in a step of decoding and in a chunk of a prompt.
pub fn wgpu(backend: &WgpuBackend, adapter: &Adapter, runs: usize) -> anyhow::Result<Vec<Roof>> {
    let [decode, prefill] = [1, 64].map(|tokens| backend.profile(256, tokens, runs));
    let (decode, prefill) = (decode?, prefill?);
    let passes = [
        ("wgpu, 1 token", 1, decode.operators),
        ("wgpu, 64 tokens", 64, prefill.operators),
    ];
    let reason = match adapter.name.contains("llvmpipe") {
        true => on_llvmpipe,
        false => elsewhere,
    };
    Ok(roofs(prefill.bounds, &passes, reason))
}

/// Kernels of passes, each with its name and number of tokens.
fn roofs(bounds: Bounds, passes: &[(&str, usize, Vec<OperatorTime>)], reason: Reason) -> Vec<Roof> {
    let operators = passes.iter().flat_map(|(.., operators)| operators);
    let bounds = operators.fold(bounds, Bounds::raised_by);
    let roof = |pass: &str, tokens, operator: &OperatorTime| Roof {
        pass: pass.into(),
        kernel: match operator.tokens == tokens {
            true => operator.operator.into(),
            false => format!("{} of the last token", operator.operator),
        },
        milliseconds: operator.seconds * 1e3,
        bytes: operator.bytes,
        products: operator.products,
        bound: operator.bound(&bounds) * 1e3,
        reason: (operator.roofline(&bounds) < 0.5).then(|| reason(operator.operator).unwrap_or("not looked into yet")),
    };
    let of_pass = |(pass, tokens, operators): &(&str, usize, Vec<OperatorTime>)| -> Vec<Roof> {
        operators.iter().map(|operator| roof(pass, *tokens, operator)).collect()
    };
    passes.iter().flat_map(of_pass).collect()
}

/// On a processor with AVX-512.
fn on_avx512(kernel: &str) -> Option<&'static str> {
    Some(match kernel {
        "attention" => {
            "a head's rows are short for this processor's registers, weighted values are products of 32 bits, of which the bound counts bytes, and \
             every score is scaled by a product of 64 bits and goes through the softmax, which it doesn't count"
        }
        "matrices" => {
            "for a few tokens every pair of them loads its inputs again for each row, and lanes are added up at the end of every row; packing \
             the weights pays from 16 tokens on"
        }
        "norms" | "gates" => {
            "every element is scaled by a product of 64 bits and packed in passes of its own, and rows of a few tokens are too short for two \
             threads: the bound counts nothing but their bytes"
        }
        _ => return None,
    })
}

/// Software, with tiles of eight tokens.
fn on_llvmpipe(kernel: &str) -> Option<&'static str> {
    Some(match kernel {
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
        _ => return None,
    })
}

/// Nobody has looked yet.
fn elsewhere(_: &str) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kernel_reaches_more_than_its_bound_and_a_slow_one_has_a_reason() {
        let operator = |operator, seconds, bytes, products| OperatorTime {
            operator,
            launches: 1,
            tokens: 1,
            seconds,
            bytes,
            products,
        };
        let probed = Bounds {
            bytes_a_second: 10.0,
            products_a_second: 100.0,
        };
        let fast = operator("linear", 1.0, 20, 50);
        let slow = operator("gate", 1.0, 4, 0);
        let found = roofs(probed, &[("pass", 1, vec![fast, slow])], on_llvmpipe);
        assert_eq!((found[0].part(), found[0].reason), (1.0, None));
        assert_eq!(found[1].part(), 0.2);
        assert_eq!(found[1].reason, on_llvmpipe("gate"));
        let unknown = roofs(probed, &[("pass", 1, vec![slow])], elsewhere);
        assert_eq!(unknown[0].reason, Some("not looked into yet"));
        assert_eq!(
            roofs(probed, &[("pass", 2, vec![slow])], on_llvmpipe)[0].kernel,
            "gate of the last token"
        );
    }
}

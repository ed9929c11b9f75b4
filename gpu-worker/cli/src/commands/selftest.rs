// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker selftest`: shows that everything on this machine that can compute gives the same bits.
use super::arguments::{FewerLayers, ModelArguments};
use anyhow::bail;
use clap::Args;
use ergon_engine::{
    backend::{Error, Position},
    cpu::CpuBackend,
    gpu::{self, GpuError, WgpuBackend},
    Backend, Model,
};
use ergon_primitives::{hash, H256};
use std::time::Instant;

/// Computes the same prompt and answer on the CPU and on every adapter, and compares them bit for bit.
///
/// Standard output has one line for each: `DIGEST BACKEND ADAPTER`, with `failed` or `unusable` in place of the digest where there is none and
/// the reason on standard error; the last line counts the equal digests. A digest covers the final hidden state, the logits and the chosen
/// token of every position. Exit status 1 if two digests differ or an adapter fails; an adapter below the limits that WebGPU guarantees is
/// only reported.
#[derive(Args, Debug)]
pub struct SelftestCommand {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    layers: FewerLayers,
    #[command(flatten)]
    length: Length,
}

/// How much is computed.
#[derive(Args, Clone, Copy, Debug)]
struct Length {
    /// Tokens of the prompt. `--prefill 4 --decode 2` takes seconds, even on software adapters.
    #[arg(long, value_name = "TOKENS", default_value_t = 64)]
    prefill: u32,
    /// Tokens of the answer.
    #[arg(long, value_name = "TOKENS", default_value_t = 32)]
    decode: u32,
}

impl SelftestCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let Length { prefill, decode } = self.length;
        let model = self.layers.of(self.model.load()?)?;
        let context = model.dimensions().context;
        if prefill == 0 || prefill.saturating_add(decode) > context {
            bail!("--prefill and --decode: 1 to {context} tokens, the model's context, in all");
        }
        let cpu: Box<dyn Backend> = Box::new(CpuBackend::new(model.clone()));
        let adapters = gpu::adapters().into_iter().map(|adapter| {
            let backend = WgpuBackend::new(model.clone(), &adapter);
            let boxed = backend.map(|backend| -> Box<dyn Backend> { Box::new(backend) });
            (format!("wgpu/{}", adapter.name), boxed)
        });
        compare(self.length, [(cpu.name(), Ok(cpu))].into_iter().chain(adapters))
    }
}

/// What a backend is called and the backend, or why it couldn't be opened.
type Candidate = (String, Result<Box<dyn Backend>, GpuError>);

/// Prints the digest of each backend and the number of equal ones; an error if one differs from the first or fails.
fn compare(length: Length, candidates: impl Iterator<Item = Candidate>) -> anyhow::Result<()> {
    let (mut digests, mut failed): (Vec<H256>, _) = (Vec::new(), 0);
    for (name, candidate) in candidates {
        let began = Instant::now();
        let digest = match candidate {
            Ok(backend) => length.digest(backend.as_ref()).map_err(|error| error.to_string()),
            Err(error @ GpuError::Limits { .. }) => {
                report("unusable", &name);
                eprintln!("{name} is not usable: {error}");
                continue;
            }
            Err(error) => Err(error.to_string()),
        };
        match digest {
            Ok(digest) => {
                report(&format!("{digest:?}"), &name);
                eprintln!("{name} took {:.2} s", began.elapsed().as_secs_f64());
                digests.push(digest);
            }
            Err(error) => {
                report("failed", &name);
                eprintln!("{name} failed: {error}");
                failed += 1;
            }
        }
    }
    let different = digests.iter().filter(|digest| **digest != digests[0]).count();
    if different + failed > 0 {
        bail!(
            "of {} backends {different} differ from the first one and {failed} failed; report it with the driver's version",
            digests.len() + failed
        );
    }
    println!("{} equal digests", digests.len());
    Ok(())
}

/// A line in three parts: what was found, backend, adapter.
fn report(found: &str, name: &str) {
    let (backend, adapter) = name.split_once(['/', ' ']).unwrap_or((name, "-"));
    println!("{found} {backend} {adapter}");
}

impl Length {
    fn digest(&self, backend: &dyn Backend) -> Result<H256, Error> {
        let mut sequence = backend.sequence((self.prefill + self.decode) as usize)?;
        let mut tokens = prompt(backend.model(), self.prefill);
        let mut parts = Vec::new();
        while sequence.len() < (self.prefill + self.decode) as usize {
            let outputs = sequence.forward(&tokens, tokens.len())?;
            parts.extend(
                outputs
                    .iter()
                    .flat_map(|position| [position.hidden.hash(), logits_hash(position)]),
            );
            tokens = outputs.last().map(|last| last.likeliest).into_iter().collect();
            parts.extend(tokens.iter().map(|token| hash(&[&token.to_le_bytes()])));
        }
        let parts: Vec<&[u8]> = parts.iter().map(H256::as_bytes).collect();
        Ok(hash(&parts))
    }
}

/// Fixed tokens, spread over the vocabulary.
fn prompt(model: &Model, count: u32) -> Vec<u32> {
    let vocabulary = u64::from(model.dimensions().vocabulary);
    (1..=u64::from(count))
        .map(|i| (i * 2_654_435_761 % vocabulary) as u32)
        .collect()
}

fn logits_hash(position: &Position) -> H256 {
    let logits = position.logits.as_ref().expect("a sequence gives them");
    let mantissas: Vec<u8> = logits
        .mantissas
        .iter()
        .flat_map(|mantissa| mantissa.to_le_bytes())
        .collect();
    hash(&[&logits.exponent.to_le_bytes(), &mantissas])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_engine::testing::{model, DIMENSIONS};
    use std::{process::ExitCode, sync::Arc};

    const LENGTH: Length = Length { prefill: 5, decode: 3 };

    /// The CPU with random weights of this seed.
    fn backend(seed: u64) -> Candidate {
        let backend = CpuBackend::new(Arc::new(model(DIMENSIONS, true, seed)));
        (format!("cpu {seed}"), Ok(Box::new(backend)))
    }

    fn compared(candidates: impl IntoIterator<Item = Candidate>) -> Result<(), String> {
        compare(LENGTH, candidates.into_iter()).map_err(|error| error.to_string())
    }

    fn unopened(error: fn(String) -> GpuError) -> Candidate {
        ("wgpu/card".into(), Err(error("card".into())))
    }

    #[test]
    fn equal_digests_give_exit_status_0_and_a_different_one_gives_1() {
        let exit_code = |seeds: [u64; 3]| crate::exit_code(compare(LENGTH, seeds.map(backend).into_iter()));
        assert_eq!(exit_code([1, 1, 1]), ExitCode::SUCCESS);
        for different in [[1, 1, 2], [1, 2, 1], [2, 1, 1]] {
            assert_eq!(exit_code(different), ExitCode::from(1));
        }
    }

    #[test]
    fn a_digest_that_differs_is_counted() {
        let error = compared([backend(1), backend(1), backend(2)]).unwrap_err();
        assert!(
            error.starts_with("of 3 backends 1 differ from the first one and 0 failed"),
            "{error}"
        );
    }

    #[test]
    fn an_adapter_that_fails_is_an_error_and_one_below_the_limits_is_not() {
        let failed = unopened(|adapter| GpuError::Open {
            adapter,
            reason: "busy".into(),
        });
        let error = compared([backend(1), failed]).unwrap_err();
        assert!(
            error.starts_with("of 2 backends 0 differ from the first one and 1 failed"),
            "{error}"
        );
        let below = unopened(|adapter| GpuError::Limits {
            adapter,
            missing: "everything".into(),
        });
        assert_eq!(compared([backend(1), below]), Ok(()));
    }

    #[test]
    fn the_digest_covers_prompt_and_answer() {
        let digest = |prefill, decode| Length { prefill, decode }.digest(backend(1).1.unwrap().as_ref());
        let found = [digest(5, 3), digest(4, 3), digest(5, 2)].map(Result::unwrap);
        assert!(found[0] != found[1] && found[0] != found[2]);
    }
}

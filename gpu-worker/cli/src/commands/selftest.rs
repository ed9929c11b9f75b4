// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker selftest`: shows that everything on this machine that can compute gives the same bits.
use super::arguments::ModelArguments;
use anyhow::bail;
use clap::Args;
use ergon_engine::{
    backend::{Error, Position},
    cpu::CpuBackend,
    gpu::{self, GpuError, WgpuBackend},
    Backend, Model,
};
use ergon_exact::sampling::greedy;
use ergon_primitives::{hash, H256};
use std::time::Instant;

/// Computes the same prompt and answer on the CPU and on every adapter, and compares them bit for bit.
///
/// A digest covers the final hidden state, the logits and the chosen token of every position. Exit status 1 if two digests differ or an
/// adapter fails; an adapter below the limits that WebGPU guarantees is only reported.
#[derive(Args, Debug)]
pub struct SelftestCommand {
    #[command(flatten)]
    model: ModelArguments,
    /// Tokens of the prompt.
    #[arg(long, value_name = "TOKENS", default_value_t = 64)]
    prefill: u32,
    /// Tokens of the answer.
    #[arg(long, value_name = "TOKENS", default_value_t = 32)]
    decode: u32,
}

impl SelftestCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let model = self.model.load()?;
        let context = model.dimensions().context;
        if self.prefill == 0 || self.prefill.saturating_add(self.decode) > context {
            bail!("--prefill and --decode: 1 to {context} tokens, the model's context, in all");
        }
        let cpu = CpuBackend::new(model.clone());
        let expected = self.report(&cpu)?;
        let (mut same, mut failed) = (1, 0);
        for adapter in gpu::adapters() {
            match WgpuBackend::new(model.clone(), &adapter) {
                Ok(backend) if self.report(&backend).is_ok_and(|digest| digest == expected) => same += 1,
                Ok(_) => failed += 1,
                Err(error @ GpuError::Limits { .. }) => println!("{:66}  not usable: {error}", "-"),
                Err(error) => {
                    println!("{:66}  failed: {error}", "-");
                    failed += 1;
                }
            }
        }
        if failed > 0 {
            bail!(
                "{failed} of {} differ from the CPU or failed; report it with the driver's version",
                same + failed
            );
        }
        println!("{same} equal digests");
        Ok(())
    }

    /// Runs the test on one backend and prints its line.
    fn report(&self, backend: &dyn Backend) -> Result<H256, Error> {
        let began = Instant::now();
        let result = self.digest(backend);
        match &result {
            Ok(digest) => println!(
                "{digest:?}  {:6.2} s  {}",
                began.elapsed().as_secs_f64(),
                backend.name()
            ),
            Err(error) => println!("{:66}  failed: {}: {error}", "-", backend.name()),
        }
        result
    }

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
            tokens = outputs
                .last()
                .map(|last| greedy(&last.logits.mantissas))
                .into_iter()
                .collect();
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
    let mantissas: Vec<u8> = position
        .logits
        .mantissas
        .iter()
        .flat_map(|mantissa| mantissa.to_le_bytes())
        .collect();
    hash(&[&position.logits.exponent.to_le_bytes(), &mantissas])
}

// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker generate`: answers one prompt on this machine.
use super::arguments::{BackendArguments, ModelArguments};
use anyhow::{bail, Context};
use clap::Args;
use ergon_engine::{
    chat::{ChatTemplate, Message},
    generate::{execute, Request},
    tokenizer::{Tokenizer, Utf8Stream},
    Model,
};
use ergon_primitives::{
    commitment::{Outcome, StopReason},
    request::{sampling_key, DecodeSettings, StopString},
    H256,
};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    time::Instant,
};

/// Answers one prompt on this machine: the text goes to standard output as it comes, a summary to standard error.
///
/// The answer depends on nothing but model, prompt, decode settings and seed, whatever computes it.
#[derive(Args, Debug)]
pub struct GenerateCommand {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    prompt: Prompt,
    /// Write the whole prompt, as the chat template makes it, to standard error before the answer.
    #[arg(long)]
    show_prompt: bool,
    /// Most tokens of the answer.
    #[arg(long, value_name = "TOKENS", default_value_t = 256)]
    max_tokens: u32,
    /// Randomness, to three decimal places; 0 always takes the most likely token.
    #[arg(long, default_value = "0", value_parser = thousandths)]
    temperature: u16,
    /// Sample from this many of the most likely tokens, 1 to 64.
    #[arg(long, default_value_t = 40)]
    top_k: u8,
    /// Sample from the most likely tokens that together have this probability, to three decimal places.
    #[arg(long, default_value = "1", value_parser = thousandths)]
    top_p: u16,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Text that ends the answer; may be given up to four times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    #[command(flatten)]
    backend: BackendArguments,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Prompt {
    /// Text to continue, as it is.
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// What a user says; the model's chat template makes the prompt.
    #[arg(long, value_name = "TEXT")]
    chat: Option<String>,
}

impl Prompt {
    fn text(&self, model: &Model) -> anyhow::Result<String> {
        let Some(question) = &self.chat else {
            return Ok(self.prompt.clone().unwrap_or_default());
        };
        let template =
            ChatTemplate::of(model)?.context("the model has no chat template; give the whole prompt with --prompt")?;
        Ok(template.render(&[Message::user(question)], true)?)
    }
}

/// A decimal number in thousandths.
fn thousandths(text: &str) -> Result<u16, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    let most = f64::from(u16::MAX) / 1000.0;
    if !(0.0..=most).contains(&value) {
        return Err(format!("not between 0 and {most}"));
    }
    Ok((value * 1000.0).round() as u16)
}

impl GenerateCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let settings = self.settings()?;
        let model = self.model.load()?;
        let text = self.prompt.text(&model)?;
        if self.show_prompt {
            eprintln!("{text}");
        }
        let prompt = Tokenizer::from_json(model.tokenizer.as_bytes())?.encode(&text)?;
        let backend = self.backend.open(model)?;
        let request = Request {
            prompt,
            settings,
            sampling_key: sampling_key(Some(self.seed), 0, &H256::zero()),
        };

        let (mut text, mut written) = (Utf8Stream::default(), 0);
        let mut write = |output: &[u8]| -> io::Result<()> {
            let mut stdout = io::stdout().lock();
            stdout.write_all(text.push(&output[written..]).as_bytes())?;
            written = output.len();
            stdout.flush()
        };
        let (began, mut first) = (Instant::now(), None);
        let answer = execute(backend.as_ref(), &request, &[], &mut |progress| {
            if !progress.tokens.is_empty() {
                first.get_or_insert_with(Instant::now);
            }
            // Nobody reads any more: there is no use in going on.
            write(progress.output).map_or(ControlFlow::Break(()), ControlFlow::Continue)
        })?;
        write(&answer.output)?;
        println!("{}", text.finish());

        let reason = match answer.outcome {
            Outcome::Completed(StopReason::EndOfSequence) => "end of sequence",
            Outcome::Completed(StopReason::Length) => "length",
            Outcome::Completed(StopReason::StopString { .. }) => "stop text",
            Outcome::Rejected(reason) => bail!(
                "a prompt of {} tokens can't be answered: {reason:?}",
                answer.prompt_tokens
            ),
        };
        let (prompt, tokens) = (answer.prompt_tokens, answer.tokens.len());
        let prefill = first.unwrap_or_else(Instant::now) - began;
        let decode = began.elapsed() - prefill;
        let rate = |count: usize, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        eprintln!(
            "prompt {prompt} tokens ({:.1} tok/s), answer {tokens} tokens ({:.1} tok/s), {:.2} s on {}, ended by {reason}",
            rate(prompt as usize, prefill.as_secs_f64()),
            rate(tokens.saturating_sub(1), decode.as_secs_f64()),
            began.elapsed().as_secs_f64(),
            backend.name()
        );
        Ok(())
    }

    fn settings(&self) -> anyhow::Result<DecodeSettings> {
        let stop = self
            .stop
            .iter()
            .map(|stop| StopString::try_from(stop.clone().into_bytes()));
        let stop: Vec<StopString> = stop
            .collect::<Result<_, _>>()
            .map_err(|_| anyhow::anyhow!("--stop: a text has more than 64 bytes"))?;
        let settings = DecodeSettings {
            max_tokens: self.max_tokens,
            temperature_milli: self.temperature,
            top_k: self.top_k,
            top_p_milli: self.top_p,
            stop: stop
                .try_into()
                .map_err(|_| anyhow::anyhow!("--stop: more than 4 texts"))?,
        };
        settings.check().map_err(|error| {
            anyhow::anyhow!("--max-tokens is 1 to 2048, --top-k 1 to 64, --top-p 0.001 to 1: {error:?}")
        })?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn fractions_become_thousandths_or_an_error() {
        assert_eq!(thousandths("0.7"), Ok(700));
        assert_eq!(thousandths("1"), Ok(1000));
        assert_eq!(thousandths("65.535"), Ok(65535));
        for bad in ["-0.1", "66", "NaN", "warm", ""] {
            assert!(thousandths(bad).is_err(), "{bad}");
        }
    }
}

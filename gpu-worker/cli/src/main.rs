// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker`: imports models, answers prompts, and works for the chain.
//!
//! One file in [`commands`] for each subcommand. An error is one line on standard error that says what, where and how to fix it, and
//! exit status 1; wrong arguments give exit status 2.
use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod commands;
mod worker;

const EXAMPLES: &str = "\
Examples:
  ergon-worker model import SmolLM2-135M-Instruct.Q4_1.gguf --out smollm2.ergon
  export ERGON_MODEL=smollm2.ergon
  ergon-worker generate --chat 'What is the capital of France?'
  ergon-worker selftest
  ergon-worker run --config worker.toml";

/// GPU worker of Ergon: exact inference on any GPU or CPU, the same bits everywhere.
#[derive(Debug, Parser)]
#[command(name = "ergon-worker", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(commands::run::RunCommand),
    Key(commands::key::KeyCommand),
    Model(commands::model::ModelCommand),
    Prompt(commands::prompt::PromptCommand),
    Generate(commands::generate::GenerateCommand),
    Ppl(commands::ppl::PplCommand),
    Selftest(commands::selftest::SelftestCommand),
    Adapters(commands::adapters::AdaptersCommand),
    Web(commands::web::WebCommand),
}

fn main() -> ExitCode {
    ergon_engine::gpu::include_software_adapters();
    exit_code(match Cli::parse().command {
        Command::Run(command) => command.run(),
        Command::Key(command) => command.run(),
        Command::Model(command) => command.run(),
        Command::Prompt(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Ppl(command) => command.run(),
        Command::Selftest(command) => command.run(),
        Command::Adapters(command) => command.run(),
        Command::Web(command) => command.run(),
    })
}

/// The exit status of a command; its error goes to standard error.
fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes; a cause that a message already quotes is not repeated.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().replace('\n', " ");
        if !line.contains(&cause) {
            line = if line.is_empty() {
                cause
            } else {
                format!("{line}: {cause}")
            };
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_is_one_line_that_says_nothing_twice() {
        let error = anyhow::anyhow!("no such\nfile")
            .context("a.gguf can't be read: no such file")
            .context("model");
        assert_eq!(one_line(&error), "model: a.gguf can't be read: no such file");
    }
}

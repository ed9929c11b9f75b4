// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker key`: makes key files and shows whose they are.
use anyhow::Context;
use clap::{Args, Subcommand};
use ergon_worker_chain::{account, keystore};
use rand::{rngs::OsRng, TryRngCore};
use std::{io::Read, path::PathBuf};

/// Makes and inspects key files.
#[derive(Debug, Args)]
pub struct KeyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Writes a key to a new file that only its owner may read, and prints the address. Without an option, the key is new.
    Generate {
        /// File to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Read the secret (phrase or hex seed, with an optional //path) from standard input.
        #[arg(long, conflicts_with = "dev_account")]
        stdin: bool,
        /// Use a development account, which everybody knows: Alice, Bob, ... with an optional path, as in Alice//hot.
        #[arg(long, value_name = "NAME")]
        dev_account: Option<String>,
    },
    /// Prints the address of the key in a file.
    Inspect {
        /// File to read.
        file: PathBuf,
    },
}

impl KeyCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let key = match self.action {
            Action::Generate {
                out,
                stdin,
                dev_account,
            } => keystore::write(&out, &secret(stdin, dev_account)?)?,
            Action::Inspect { file } => keystore::read(&file)?,
        };
        println!("{}", account(&key));
        Ok(())
    }
}

fn secret(stdin: bool, dev_account: Option<String>) -> anyhow::Result<String> {
    if let Some(account) = dev_account {
        return Ok(keystore::dev_secret(&account)?);
    }
    if stdin {
        let mut secret = String::new();
        std::io::stdin().read_to_string(&mut secret).context("standard input")?;
        return Ok(secret.trim().to_owned());
    }
    let mut entropy = [0; 32];
    OsRng
        .try_fill_bytes(&mut entropy)
        .context("no randomness from the system")?;
    Ok(keystore::new_secret(entropy)?)
}

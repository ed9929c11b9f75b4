// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker prompt`: what a model's chat template makes of messages.
use anyhow::Context;
use clap::Args;
use ergon_engine::{
    artifact::Artifact,
    chat::{ChatTemplate, Message},
};
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Prints the prompt that the model's chat template makes of a conversation: the text of a job, since the chain takes final prompts.
///
/// Nothing is added to the text, no line break at its end either. The weights are not read.
#[derive(Args, Debug)]
pub struct PromptCommand {
    /// Model artifact, as `ergon-worker model import` writes it.
    #[arg(long, value_name = "FILE", env = "ERGON_MODEL")]
    model: PathBuf,
    /// What a user says.
    #[arg(long, value_name = "TEXT")]
    chat: String,
    /// What the system says first, instead of what the template says by itself.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
}

impl PromptCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let template = ChatTemplate::read(&Artifact::open(&self.model)?)?
            .with_context(|| format!("the model in {} has no chat template", self.model.display()))?;
        let system = self.system.map(Message::system);
        let messages: Vec<Message> = system.into_iter().chain([Message::user(self.chat)]).collect();
        let text = template.render(&messages, true)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }
}

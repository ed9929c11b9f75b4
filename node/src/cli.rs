// SPDX-License-Identifier: Apache-2.0
//! The command line: the framework's flags and sub-commands under the product's name.
use sc_cli::{
    ChainInfoCmd, CheckBlockCmd, ExportBlocksCmd, ExportChainSpecCmd, ExportStateCmd, ImportBlocksCmd, KeySubcommand,
    PurgeChainCmd, RevertCmd, RunCmd, SubstrateCli,
};

/// Ergon Node.
// The fork-aware pool checks a transaction anew for every block it knows. Under a flood of transactions that nobody can pay for, votes
// came up to six blocks late there, and at most two with the pool that follows the best block only: e2e/load measures it.
#[derive(Debug, clap::Parser)]
#[command(mut_arg("pool_type", |argument| argument.default_value("single-state")))]
pub struct Cli {
    /// What to do instead of running a node.
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,
    /// How to run a node.
    #[clap(flatten)]
    pub run: RunCmd,
}

/// What the binary can do besides running a node.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Key management utilities.
    #[command(subcommand)]
    Key(KeySubcommand),
    /// Print or write the chain specification.
    ExportChainSpec(ExportChainSpecCmd),
    /// Execute blocks again and check them.
    CheckBlock(CheckBlockCmd),
    /// Write blocks to a file.
    ExportBlocks(ExportBlocksCmd),
    /// Write the state at a block as a chain specification.
    ExportState(ExportStateCmd),
    /// Read blocks from a file.
    ImportBlocks(ImportBlocksCmd),
    /// Remove the whole chain from disk.
    PurgeChain(PurgeChainCmd),
    /// Go back to an earlier, unfinalized block.
    Revert(RevertCmd),
    /// Print what the database knows of the chain.
    ChainInfo(ChainInfoCmd),
}

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "Ergon Node".into()
    }

    fn impl_version() -> String {
        env!("SUBSTRATE_CLI_IMPL_VERSION").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        env!("CARGO_PKG_AUTHORS").into()
    }

    fn support_url() -> String {
        "the docs folder of the source repository".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    fn load_spec(&self, id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
        ergon_chain_spec::load(id).map(|spec| Box::new(spec) as _)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The command line: the framework's flags and sub-commands under the product's name, with defaults of our own.
use sc_cli::{
    ChainInfoCmd, CheckBlockCmd, CliConfiguration, ExportBlocksCmd, ExportChainSpecCmd, ExportStateCmd,
    ImportBlocksCmd, KeySubcommand, PurgeChainCmd, RevertCmd, RunCmd, SubstrateCli,
};
use sc_service::{
    config::{RpcBatchRequestConfig, RpcMethods},
    Configuration,
};
use std::path::Path;

/// Calls in a JSON-RPC batch, unless the operator allows more: enough for a page full of jobs, some milliseconds of work.
const MAX_BATCH: u32 = 100;

const RPC_METHODS: &str = "JSON-RPC methods to serve

safe: all but those that change the node or its keys, such as author_insertKey, author_rotateKeys and system_addReservedPeer. The default, except
with --dev.
unsafe: all of them, to everybody who can connect. Every web page that is open on this machine can: --rpc-cors is no protection, since browsers \
                           don't apply it to WebSockets.
auto: unsafe for connections from this machine, safe with --rpc-external. The default with --dev.";

const RPC_CORS: &str = "Origins of web pages that may call JSON-RPC by HTTP, separated by commas, or `all`

This tells browsers which answers a page may read. It is no access control: WebSockets and other programs are not bound by it. The default is \
                        localhost and https://polkadot.js.org, and `all` with --dev.";

const CHAIN: &str = "Chain to join: a file with its specification, or one of two that need none

dev: one validator, Alice, on this machine only; --dev chooses it.
local (the default, except for validators, which have to name their chain): three validators on one machine, Alice, Bob and Charlie.";

const EXAMPLES: &str = "Examples:
  A chain of its own on this machine, gone when it ends:
    ergon-node --dev

  A node that follows a network, with its data in a folder of your choice:
    ergon-node --chain network.json --base-path /var/lib/ergon

  A validator of it: first the key by which other nodes know it, then the node, then its session keys:
    ergon-node key generate-node-key --chain network.json --base-path /var/lib/ergon
    ergon-node --chain network.json --base-path /var/lib/ergon --validator --name NAME
    ergon-node key insert --help

  Ports: 30333 for other nodes (--port), 9944 for JSON-RPC on this machine (--rpc-port), 9615 for Prometheus on this machine (--prometheus-port).

  The guide \"Running a node\" in the docs folder has the rest: keys, backup, pruning, upgrades, recovery, alerts.";

/// Ergon Node.
// The fork-aware pool revalidates transactions for every block it knows. Under a flood of transactions that nobody can pay for, votes
// came up to six blocks late there, and at most two with the pool that follows the best block only: e2e/load measures it.
#[derive(Debug, clap::Parser)]
#[command(
    mut_arg("chain", |argument| argument.long_help(CHAIN)),
    mut_arg("pool_type", |argument| argument.default_value("single-state")),
    mut_arg("rpc_cors", |argument| argument.long_help(RPC_CORS)),
    mut_arg("rpc_max_batch_request_len", |argument| argument.default_value(MAX_BATCH.to_string())),
    mut_arg("rpc_methods", |argument| {
        argument.default_value_if("dev", "true", "auto").default_value("safe").long_help(RPC_METHODS)
    }),
    after_long_help = EXAMPLES
)]
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
    /// Make, look at and store keys: the node's own, and those of a validator.
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
    /// Remove the whole chain from disk; keys stay.
    PurgeChain(PurgeChainCmd),
    /// Go back to an earlier, unfinalized block.
    Revert(RevertCmd),
    /// Print what the database knows of the chain.
    ChainInfo(ChainInfoCmd),
}

impl Cli {
    /// A validator of an unnamed chain would sign blocks of a test network, and nobody would see them.
    pub fn check_chain(&self) -> Result<(), sc_cli::Error> {
        let named = self.run.shared_params.chain.is_some() || self.run.is_dev()?;
        if !named && self.run.role(false)?.is_authority() {
            return Err("a validator has to name its chain: --chain with the file of a network's specification, or with `local` for the \
                        test network on this machine; --dev is a chain of its own."
                .into());
        }
        Ok(())
    }

    /// Where the network key is, or the folder that it is in; `None` if it is given as it is, or made for this run.
    pub fn network_key(&self) -> Option<&Path> {
        let key = &self.run.network_params.node_key_params;
        match (&key.node_key, &key.node_key_file) {
            (Some(_), _) => None,
            (None, Some(file)) => Some(file),
            (None, None) => self.run.shared_params.base_path.as_deref(),
        }
    }

    /// Endpoints by `--experimental-rpc-endpoint` don't know our defaults for the others.
    pub fn restrict_endpoints(&self, config: &mut Configuration) {
        if self.run.rpc_params.experimental_rpc_endpoint.is_empty() || self.run.shared_params.dev {
            return;
        }
        for endpoint in config.rpc.addr.iter_mut().flatten() {
            if matches!(endpoint.rpc_methods, RpcMethods::Auto) {
                endpoint.rpc_methods = RpcMethods::Safe;
            }
            if matches!(endpoint.batch_config, RpcBatchRequestConfig::Unlimited) {
                endpoint.batch_config = RpcBatchRequestConfig::Limit(MAX_BATCH);
            }
        }
    }
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
        match ergon_chain_spec::load(id) {
            Ok(spec) => Ok(Box::new(spec)),
            Err(error) if error.contains(id) => Err(error),
            Err(error) => Err(format!("chain specification {id}: {error}")),
        }
    }
}

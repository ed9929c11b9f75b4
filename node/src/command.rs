// SPDX-License-Identifier: Apache-2.0
//! Does what the command line says.
use crate::{
    cli::{Cli, Subcommand},
    errors, ports,
    service::{self, Parts},
};
use ergon_runtime::{opaque::Block, Hash};
use sc_cli::{Error, KeySubcommand, Result, SubstrateCli};
use sc_network::{config::NetworkBackendType, Litep2pNetworkBackend, NetworkWorker};

/// Parses the command line and runs what it asks for.
pub fn run() -> Result<()> {
    let cli = Cli::from_args();
    match &cli.subcommand {
        None => run_node(&cli),
        Some(Subcommand::Key(command)) => run_key(command, &cli),
        Some(Subcommand::ExportChainSpec(command)) => command.run(cli.load_spec(&command.chain)?),
        Some(Subcommand::CheckBlock(command)) => cli.create_runner(command)?.async_run(|config| {
            let Parts {
                client,
                task_manager,
                import_queue,
                ..
            } = service::parts(&config)?;
            Ok((command.run(client, import_queue), task_manager))
        }),
        Some(Subcommand::ExportBlocks(command)) => cli.create_runner(command)?.async_run(|config| {
            let Parts {
                client, task_manager, ..
            } = service::parts(&config)?;
            Ok((command.run(client, config.database), task_manager))
        }),
        Some(Subcommand::ExportState(command)) => cli.create_runner(command)?.async_run(|config| {
            let Parts {
                client, task_manager, ..
            } = service::parts(&config)?;
            Ok((command.run(client, config.chain_spec), task_manager))
        }),
        Some(Subcommand::ImportBlocks(command)) => cli.create_runner(command)?.async_run(|config| {
            if let Some(path) = &command.input {
                std::fs::File::open(path).map_err(|error| errors::at(path, error.into()))?;
            }
            let Parts {
                client,
                task_manager,
                import_queue,
                ..
            } = service::parts(&config)?;
            Ok((command.run(client, import_queue), task_manager))
        }),
        Some(Subcommand::PurgeChain(command)) => cli
            .create_runner(command)?
            .sync_run(|config| command.run(config.database)),
        Some(Subcommand::Revert(command)) => cli.create_runner(command)?.async_run(|config| {
            let Parts {
                client,
                task_manager,
                backend,
                ..
            } = service::parts(&config)?;
            let consensus = Box::new(|client: std::sync::Arc<service::Client>, backend, blocks| {
                sc_consensus_babe::revert(client.clone(), backend, blocks)?;
                sc_consensus_grandpa::revert(client, blocks)?;
                Ok(())
            });
            Ok((command.run(client, backend, Some(consensus)), task_manager))
        }),
        Some(Subcommand::ChainInfo(command)) => cli
            .create_runner(command)?
            .sync_run(|config| command.run::<Block>(&config)),
    }
}

fn run_key(command: &KeySubcommand, cli: &Cli) -> Result<()> {
    let folder = match command {
        KeySubcommand::Insert(insert) => {
            let keystore = insert.keystore_params.keystore_path.as_ref();
            keystore.or(insert.shared_params.base_path.as_ref())
        }
        _ => None,
    };
    command.run(cli).map_err(|error| match folder {
        Some(folder) => errors::at(folder, error),
        None => error,
    })
}

fn run_node(cli: &Cli) -> Result<()> {
    cli.check_chain()?;
    start_node(cli).map_err(|error| match (&error, cli.network_key()) {
        // The only file that the network reads.
        (Error::Service(sc_service::Error::Network(sc_network::error::Error::Io(_))), Some(path)) => {
            errors::at(path, error)
        }
        _ => error,
    })
}

fn start_node(cli: &Cli) -> Result<()> {
    let mut runner = cli.create_runner(&cli.run)?;
    cli.restrict_endpoints(runner.config_mut());
    ports::insist(runner.config_mut());
    ports::check(runner.config())?;
    runner.run_node_until_exit(|config| async move {
        match config.network.network_backend {
            NetworkBackendType::Libp2p => service::start::<NetworkWorker<Block, Hash>>(config),
            NetworkBackendType::Litep2p => service::start::<Litep2pNetworkBackend>(config),
        }
        .map_err(Error::Service)
    })
}

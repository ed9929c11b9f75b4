// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker run`: works until it is told to stop.
use crate::worker::{
    config::{Config, Settings},
    logging,
    service::Worker,
};
use anyhow::Context;
use clap::Args;
use std::{future::Future, path::PathBuf, time::Duration};

/// How long a computation has to notice that the worker stops.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// Answers jobs and audits answers until it is stopped. Registers at the start if need be: an operator that the chain doesn't know yet joins
/// by a ticket, for which this command searches by itself.
#[derive(Debug, Args)]
pub struct RunCommand {
    /// TOML file with the settings; flags win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl RunCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), self.settings)?;
        logging::init(config.log_format);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let result = runtime.block_on(async {
            // Asked for before the models are loaded, so that a signal in the meantime counts.
            let stop = stop_signal()?;
            let worker = tokio::task::spawn_blocking(|| Worker::new(config));
            tokio::pin!(stop);
            tokio::select! {
                worker = worker => worker??.run(stop).await,
                () = &mut stop => Ok(()),
            }
        });
        runtime.shutdown_timeout(SHUTDOWN);
        if result.is_ok() {
            tracing::info!("stopped");
        }
        result
    }
}

/// Ready once the process is asked to stop.
#[cfg(unix)]
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{signal, SignalKind};
    let mut interrupt = signal(SignalKind::interrupt()).context("signal handler")?;
    let mut terminate = signal(SignalKind::terminate()).context("signal handler")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted, stopping"),
            _ = terminate.recv() => tracing::info!("asked to stop"),
        }
    })
}

/// Ready once the process is asked to stop.
#[cfg(not(unix))]
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("interrupted, stopping");
    })
}

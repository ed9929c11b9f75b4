// SPDX-License-Identifier: Apache-2.0
//! The connection to a node.
//!
//! A [`Client`] lives as long as its WebSocket: when that breaks, calls and streams fail and the owner reconnects, so that the checks
//! below hold for whatever node or runtime answers then. Pings find a connection that died silently.
use crate::{interface, BlockNumber};
use std::time::Duration;
use subxt::{
    backend::LegacyBackend,
    client::Blocks,
    config::RpcConfigFor,
    ext::jsonrpsee::ws_client::{PingConfig, WsClientBuilder},
    rpcs::{LegacyRpcMethods, RpcClient},
    OnlineClient, OnlineClientAtBlock, SubstrateConfig,
};

/// How long a connection may take to open.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the connection is tested while nothing is received.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Why there is no usable connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers.
    #[error("no connection to the node at {url}: {reason}")]
    Unreachable {
        /// As configured.
        url: String,
        /// As the system says it.
        reason: String,
    },
    /// The node answers, but not as expected.
    #[error("the node at {url} doesn't answer as a node should: {reason}")]
    Node {
        /// As configured.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The runtime differs where it matters.
    #[error(
        "the chain at {url} (runtime version {runtime}) differs from what this worker was built for in {difference}: \
         use the worker of the node's release, or connect to a node of the right chain"
    )]
    Incompatible {
        /// As configured.
        url: String,
        /// `spec_version` of the runtime.
        runtime: u32,
        /// The first call or storage entry that differs.
        difference: String,
    },
}

/// A connection to a node whose runtime this worker understands.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) api: OnlineClient<SubstrateConfig>,
    pub(crate) rpc: RpcClient,
}

/// The chain as of one block.
pub(crate) type AtBlock = OnlineClientAtBlock<SubstrateConfig>;

impl Client {
    /// Connects to the node at `url` (`ws://` or `wss://`) and checks that its runtime is the one that this worker was built for.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let socket = WsClientBuilder::default()
            .connection_timeout(CONNECTION_TIMEOUT)
            .enable_ws_ping(
                PingConfig::new()
                    .ping_interval(PING_INTERVAL)
                    .inactive_limit(3 * PING_INTERVAL),
            )
            .max_buffer_capacity_per_subscription(4096)
            .build(url)
            .await
            .map_err(|error| ConnectError::Unreachable {
                url: url.into(),
                reason: error.to_string(),
            })?;
        let rpc = RpcClient::new(socket);
        let node = |error: subxt::Error| ConnectError::Node {
            url: url.into(),
            reason: error.to_string(),
        };
        // The legacy methods, since they need no bookkeeping of pinned blocks and every node has them.
        let backend = LegacyBackend::builder().build(rpc.clone());
        let api = OnlineClient::from_backend(backend.into())
            .await
            .map_err(|error| node(error.into()))?;
        let at = api.at_current_block().await.map_err(|error| node(error.into()))?;
        if let Some(difference) = interface::difference(at.metadata_ref()) {
            return Err(ConnectError::Incompatible {
                url: url.into(),
                runtime: at.spec_version(),
                difference,
            });
        }
        Ok(Self { api, rpc })
    }

    /// Hash of the genesis block: the chain's identity.
    pub fn genesis(&self) -> ergon_primitives::H256 {
        self.api.genesis_hash()
    }

    /// Finalized blocks from now on, without gaps.
    pub async fn finalized_blocks(&self) -> Result<Blocks<SubstrateConfig>, subxt::Error> {
        Ok(self.api.stream_blocks().await?)
    }

    /// Number of the node's best block, which is finalized or soon will be.
    pub async fn best_number(&self) -> Result<BlockNumber, subxt::Error> {
        let methods = LegacyRpcMethods::<RpcConfigFor<SubstrateConfig>>::new(self.rpc.clone());
        let header = methods.chain_get_header(None).await?;
        Ok(header.map_or(0, |header| header.number as BlockNumber))
    }

    /// The latest finalized block.
    pub(crate) async fn finalized(&self) -> Result<AtBlock, subxt::Error> {
        Ok(self.api.at_current_block().await?)
    }
}

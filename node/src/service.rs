// SPDX-License-Identifier: Apache-2.0
//! Puts a node together: client and database, transaction pool, network, RPC, BABE and GRANDPA.
use crate::{
    errors,
    metrics::{Counted, Metrics},
    rpc,
};
use ergon_runtime::{opaque::Block, BlockNumber, Hash, RuntimeApi};
use futures::FutureExt;
use sc_client_api::{Backend as _, BlockBackend};
use sc_consensus_babe::{BabeBlockImport, BabeLink, BabeParams, BabeWorkerHandle, SlotProportion};
use sc_consensus_grandpa::{
    FinalityProofProvider, GrandpaBlockImport, GrandpaParams, LinkHalf, SharedVoterState, VotingRulesBuilder,
};
use sc_consensus_slots::BackoffAuthoringOnFinalizedHeadLagging;
use sc_executor::WasmExecutor;
use sc_network::{service::traits::NetworkService, NetworkBackend, NotificationService, ProtocolName};
use sc_service::{
    error::Error, BuildNetworkParams, Configuration, PartialComponents, SpawnTasksParams, TaskManager, WarpSyncConfig,
};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool::TransactionPoolHandle;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_babe::{inherents::InherentDataProvider as SlotInherent, SlotDuration};
use sp_inherents::CreateInherentDataProviders;
use sp_timestamp::InherentDataProvider as TimestampInherent;
use std::{sync::Arc, time::Duration};

/// The client: executes the runtime's WebAssembly with the standard host functions.
pub type Client = sc_service::TFullClient<Block, RuntimeApi, WasmExecutor<sp_io::SubstrateHostFunctions>>;
/// The database.
pub type Backend = sc_service::TFullBackend<Block>;
/// Fork choice among unfinalized blocks.
pub type SelectChain = sc_consensus::LongestChain<Backend, Block>;
type Pool = TransactionPoolHandle<Block, Client>;
type Inherents =
    Arc<dyn CreateInherentDataProviders<Block, (), InherentDataProviders = (SlotInherent, TimestampInherent)>>;
type GrandpaImport = GrandpaBlockImport<Backend, Block, Client, SelectChain>;
type BabeImport = BabeBlockImport<Block, Client, GrandpaImport, Inherents, SelectChain>;
/// The service that syncs blocks with other nodes.
pub type Syncing = sc_network_sync::SyncingService<Block>;

/// Everything that a node has before it joins the network; sub-commands need no more.
pub type Parts =
    PartialComponents<Client, Backend, SelectChain, sc_consensus::DefaultImportQueue<Block>, Pool, Consensus>;

/// What authoring and finality need.
pub struct Consensus {
    import: BabeImport,
    inherents: Inherents,
    babe: BabeLink<Block>,
    babe_worker: BabeWorkerHandle<Block>,
    grandpa: LinkHalf<Block, Client, SelectChain>,
    telemetry: Option<Telemetry>,
}

/// Blocks after which a justification is kept even if nothing else asks for one.
const JUSTIFICATION_PERIOD: u32 = 512;
/// Time in which a vote is expected to reach everyone.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);
/// Share of a slot spent on building a block; the rest is for gossip and import.
const PROPOSAL_SHARE: f32 = 0.5;
/// Blocks in each epoch, at least, while authoring backs off: an epoch without any would be skipped.
const BLOCKS_PER_EPOCH: u64 = 4;

/// Opens database and keystore, and sets up the import of blocks.
pub fn parts(config: &Configuration) -> Result<Parts, Error> {
    let telemetry = telemetry_worker(config)?;
    let executor = sc_service::new_wasm_executor(&config.executor);
    let handle = telemetry.as_ref().map(|(_, telemetry)| telemetry.handle());
    let (client, backend, keystore_container, task_manager) =
        sc_service::new_full_parts(config, handle.clone(), executor, vec![])
            .map_err(|error| errors::on_opening(config, error))?;
    let client = Arc::new(client);
    let telemetry = telemetry.map(|(worker, telemetry)| {
        task_manager.spawn_handle().spawn("telemetry", None, worker.run());
        telemetry
    });

    let select_chain = SelectChain::new(backend.clone());
    let pool = sc_transaction_pool::Builder::new(
        task_manager.spawn_essential_handle(),
        client.clone(),
        config.role.is_authority().into(),
    )
    .with_options(config.transaction_pool.clone())
    .with_prometheus(config.prometheus_registry())
    .build();
    let transaction_pool = Arc::new(pool);

    let (grandpa_import, grandpa) = sc_consensus_grandpa::block_import(
        client.clone(),
        JUSTIFICATION_PERIOD,
        &client,
        select_chain.clone(),
        handle.clone(),
    )?;
    let babe_config = sc_consensus_babe::configuration(&*client)?;
    let slot_duration = babe_config.slot_duration();
    let inherents = inherents(slot_duration);
    let (import, babe) = sc_consensus_babe::block_import(
        babe_config,
        grandpa_import.clone(),
        client.clone(),
        inherents.clone(),
        select_chain.clone(),
        OffchainTransactionPoolFactory::new(transaction_pool.clone()),
    )?;
    let (import_queue, babe_worker) = sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
        link: babe.clone(),
        block_import: import.clone(),
        justification_import: Some(Box::new(grandpa_import)),
        client: client.clone(),
        slot_duration,
        spawner: &task_manager.spawn_essential_handle(),
        registry: config.prometheus_registry(),
        telemetry: handle,
    })?;

    let other = Consensus {
        import,
        inherents,
        babe,
        babe_worker,
        grandpa,
        telemetry,
    };
    Ok(PartialComponents {
        client,
        backend,
        task_manager,
        keystore_container,
        select_chain,
        import_queue,
        transaction_pool,
        other,
    })
}

/// Starts a full node, which authors and votes if its role is that of an authority.
pub fn start<N: NetworkBackend<Block, Hash>>(config: Configuration) -> Result<TaskManager, Error> {
    let PartialComponents {
        client,
        backend,
        mut task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other:
            Consensus {
                import,
                inherents,
                babe,
                babe_worker,
                grandpa,
                mut telemetry,
            },
    } = parts(&config)?;

    let metrics = N::register_notification_metrics(config.prometheus_registry());
    let registry = config.prometheus_registry().cloned();
    let pool = Arc::new(Counted::new(transaction_pool.clone(), registry.as_ref())?);
    let mut net_config =
        sc_network::config::FullNetworkConfiguration::<_, _, N>::new(&config.network, registry.clone());
    let genesis = client
        .block_hash(0)?
        .ok_or_else(|| Error::Other("the database has no genesis block".into()))?;
    let protocol_name = sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
    let (protocol, notification_service) = sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
        protocol_name.clone(),
        metrics.clone(),
        net_config.peer_store_handle(),
    );
    net_config.add_notification_protocol(protocol);

    let authority_set = grandpa.shared_authority_set().clone();
    let warp_sync =
        sc_consensus_grandpa::warp_proof::NetworkProvider::new(backend.clone(), authority_set.clone(), vec![]);
    let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
        sc_service::build_network(BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(Arc::new(warp_sync))),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    let keystore = keystore_container.keystore();
    let voter_state = SharedVoterState::empty();
    let rpc_parts = rpc::Parts {
        client: client.clone(),
        pool: transaction_pool.clone(),
        select_chain: select_chain.clone(),
        keystore: keystore.clone(),
        babe_worker,
        authority_set: authority_set.clone(),
        voter_state: voter_state.clone(),
        justifications: grandpa.justification_stream(),
        finality_proofs: FinalityProofProvider::new_for_service(backend.clone(), Some(authority_set)),
    };
    let validator = Validator {
        client: client.clone(),
        transaction_pool: transaction_pool.clone(),
        keystore: config.role.is_authority().then(|| keystore.clone()),
        network: network.clone(),
        sync: sync_service.clone(),
        registry,
        telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
        role: config.role,
        name: config.network.node_name.clone(),
        force_authoring: config.force_authoring,
    };
    let votes = !config.disable_grandpa;
    if let Some(registry) = &validator.registry {
        let metrics = Metrics::new(client.clone(), sync_service.clone(), registry)?;
        task_manager
            .spawn_handle()
            .spawn_blocking("chain-metrics", None, metrics.run());
    }

    if config.offchain_worker.enabled {
        start_offchain_workers(&config, &task_manager, &validator, &backend)?;
    }
    sc_service::spawn_tasks(SpawnTasksParams {
        config,
        client,
        backend,
        task_manager: &mut task_manager,
        keystore,
        transaction_pool: pool,
        rpc_builder: Box::new(move |executor| rpc::all(&rpc_parts, executor)),
        network,
        system_rpc_tx,
        tx_handler_controller,
        sync_service,
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;

    if let Some(keystore) = validator.keystore.clone() {
        validator.start_authoring(&task_manager, keystore, import, inherents, babe, select_chain)?;
    }
    if votes {
        validator.start_voting(&task_manager, grandpa, notification_service, voter_state, protocol_name)?;
    }
    Ok(task_manager)
}

/// What authoring, voting and off-chain workers have in common.
struct Validator {
    client: Arc<Client>,
    transaction_pool: Arc<Pool>,
    /// `None` unless the node is an authority.
    keystore: Option<sp_keystore::KeystorePtr>,
    network: Arc<dyn NetworkService>,
    sync: Arc<Syncing>,
    registry: Option<substrate_prometheus_endpoint::Registry>,
    telemetry: Option<sc_telemetry::TelemetryHandle>,
    role: sc_service::Role,
    name: String,
    force_authoring: bool,
}

impl Validator {
    fn start_authoring(
        &self,
        tasks: &TaskManager,
        keystore: sp_keystore::KeystorePtr,
        block_import: BabeImport,
        create_inherent_data_providers: Inherents,
        babe_link: BabeLink<Block>,
        select_chain: SelectChain,
    ) -> Result<(), Error> {
        let env = sc_basic_authorship::ProposerFactory::new(
            tasks.spawn_handle(),
            self.client.clone(),
            self.transaction_pool.clone(),
            self.registry.as_ref(),
            self.telemetry.clone(),
        );
        let babe = sc_consensus_babe::start_babe(BabeParams {
            keystore,
            client: self.client.clone(),
            select_chain,
            env,
            block_import,
            sync_oracle: self.sync.clone(),
            justification_sync_link: self.sync.clone(),
            create_inherent_data_providers,
            force_authoring: self.force_authoring,
            backoff_authoring_blocks: Some(backoff(babe_link.config().epoch_length)),
            babe_link,
            block_proposal_slot_portion: SlotProportion::new(PROPOSAL_SHARE),
            max_block_proposal_slot_portion: None,
            telemetry: self.telemetry.clone(),
        })?;
        tasks
            .spawn_essential_handle()
            .spawn_blocking("babe-proposer", Some("block-authoring"), babe);
        Ok(())
    }

    /// Nodes that are no authorities run the voter as well: it imports and serves finality without casting votes.
    fn start_voting(
        self,
        tasks: &TaskManager,
        link: LinkHalf<Block, Client, SelectChain>,
        notification_service: Box<dyn NotificationService>,
        shared_voter_state: SharedVoterState,
        protocol_name: ProtocolName,
    ) -> Result<(), Error> {
        let config = sc_consensus_grandpa::Config {
            gossip_duration: GOSSIP_DURATION,
            justification_generation_period: JUSTIFICATION_PERIOD,
            observer_enabled: false,
            local_role: self.role,
            name: Some(self.name),
            keystore: self.keystore,
            telemetry: self.telemetry.clone(),
            protocol_name,
        };
        let voter = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
            config,
            link,
            network: self.network,
            sync: self.sync,
            notification_service,
            voting_rule: VotingRulesBuilder::default().build(),
            prometheus_registry: self.registry,
            shared_voter_state,
            telemetry: self.telemetry,
            offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(self.transaction_pool),
        })?;
        tasks
            .spawn_essential_handle()
            .spawn_blocking("grandpa-voter", None, voter);
        Ok(())
    }
}

fn start_offchain_workers(
    config: &Configuration,
    tasks: &TaskManager,
    node: &Validator,
    backend: &Backend,
) -> Result<(), Error> {
    let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
        runtime_api_provider: node.client.clone(),
        keystore: node.keystore.clone(),
        offchain_db: backend.offchain_storage(),
        transaction_pool: Some(OffchainTransactionPoolFactory::new(node.transaction_pool.clone())),
        network_provider: Arc::new(node.network.clone()),
        is_validator: config.role.is_authority(),
        enable_http_requests: false,
        custom_extensions: |_| vec![],
    })?;
    let run = workers.run(node.client.clone(), tasks.spawn_handle()).boxed();
    tasks
        .spawn_handle()
        .spawn("offchain-workers-runner", "offchain-worker", run);
    Ok(())
}

/// How authoring slows down while finality lags, so that what has to be kept and voted on doesn't grow without bound: from 50 unfinalized blocks
/// on, every two of them put one more empty slot between blocks.
fn backoff(epoch_slots: u64) -> BackoffAuthoringOnFinalizedHeadLagging<BlockNumber> {
    let usual = BackoffAuthoringOnFinalizedHeadLagging::<BlockNumber>::default();
    let slots = BlockNumber::try_from(epoch_slots / BLOCKS_PER_EPOCH).unwrap_or(BlockNumber::MAX);
    BackoffAuthoringOnFinalizedHeadLagging {
        max_interval: usual.max_interval.min(slots.saturating_sub(1)),
        ..usual
    }
}

/// Slot and timestamp of a new block, from the system's clock.
fn inherents(slot_duration: SlotDuration) -> Inherents {
    Arc::new(move |_parent: Hash, ()| async move {
        let timestamp = TimestampInherent::from_system_time();
        Ok((
            SlotInherent::from_timestamp_and_slot_duration(*timestamp, slot_duration),
            timestamp,
        ))
    })
}

fn telemetry_worker(config: &Configuration) -> Result<Option<(TelemetryWorker, Telemetry)>, Error> {
    let Some(endpoints) = config
        .telemetry_endpoints
        .clone()
        .filter(|endpoints| !endpoints.is_empty())
    else {
        return Ok(None);
    };
    let worker = TelemetryWorker::new(16)?;
    let telemetry = worker.handle().new_telemetry(endpoints);
    Ok(Some((worker, telemetry)))
}

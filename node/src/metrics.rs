// SPDX-License-Identifier: Apache-2.0
//! Prometheus metrics of the chain itself, beside those that the framework has of the node.
//!
//! | metric | labels | is |
//! |---|---|---|
//! | `ergon_epoch` | | the current epoch |
//! | `ergon_vote_weight` | | sum of all vote weights |
//! | `ergon_model_operators` | `model`, `name` | active operators that serve an active model |
//! | `ergon_model_queued_jobs` | `model`, `name` | jobs that wait for an executor |
//! | `ergon_events_total` | `pallet`, `event` | events in finalized blocks since the node started: what became of jobs, missed duties, votes |
//! | `ergon_unread_blocks_total` | | finalized blocks whose events could not be read; they miss in the counts |
//! | `ergon_refused_transactions_total` | `reason` | transactions that the pool refused |
//!
//! Gauges are of the best block, and are read once for each that is the newest when its turn comes: a call of the runtime for the models, which
//! are bounded in number, and one for each of their queues. Counts take one value from storage for each finalized block. Nothing is read during the
//! initial sync.
mod events;
mod refusals;

use crate::service::{Backend, Client, Syncing};
use codec::{Decode, Encode};
use ergon_runtime::{opaque::Block, AccountId, Hash};
use ergon_runtime_api::{ComputeApi, ModelInfo};
use events::Layout;
use frame_support::view_functions::{runtime_api::RuntimeViewFunction, ViewFunctionId};
use futures::StreamExt;
use sc_client_api::{BlockchainEvents, StorageProvider};
use sp_api::{CallApiAt, CallContext, Metadata, ProvideRuntimeApi};
use sp_consensus::SyncOracle;
use std::sync::Arc;
use substrate_prometheus_endpoint::{
    register, Counter, CounterVec, Gauge, GaugeVec, Opts, PrometheusError, Registry, U64,
};

pub use refusals::Counted;

/// Notifications that are taken at once; only the newest block counts.
const CHUNK: usize = 64;

/// What is shown, and where it is read.
pub struct Metrics {
    client: Arc<Client>,
    sync: Arc<Syncing>,
    epoch: Gauge<U64>,
    vote_weight: Gauge<U64>,
    operators: GaugeVec<U64>,
    queued: GaugeVec<U64>,
    events: CounterVec<U64>,
    unread: Counter<U64>,
    /// Of the runtime with this spec version.
    layout: Option<(u32, Layout)>,
}

impl Metrics {
    /// Registers them.
    pub fn new(client: Arc<Client>, sync: Arc<Syncing>, registry: &Registry) -> Result<Self, PrometheusError> {
        let by_model = |name, help| GaugeVec::new(Opts::new(name, help), &["model", "name"]);
        let events = Opts::new(
            "ergon_events_total",
            "Events in finalized blocks since the node started",
        );
        let unread = "Finalized blocks whose events could not be read";
        Ok(Self {
            client,
            sync,
            epoch: register(Gauge::new("ergon_epoch", "The current epoch")?, registry)?,
            vote_weight: register(Gauge::new("ergon_vote_weight", "Sum of all vote weights")?, registry)?,
            operators: register(
                by_model("ergon_model_operators", "Active operators that serve the model")?,
                registry,
            )?,
            queued: register(
                by_model("ergon_model_queued_jobs", "Jobs that wait for an executor")?,
                registry,
            )?,
            events: register(CounterVec::new(events, &["pallet", "event"])?, registry)?,
            unread: register(Counter::new("ergon_unread_blocks_total", unread)?, registry)?,
            layout: None,
        })
    }

    /// Follows the chain until the client is gone.
    pub async fn run(mut self) {
        let mut imported = self.client.import_notification_stream().ready_chunks(CHUNK);
        let mut finalized = self.client.finality_notification_stream();
        loop {
            futures::select! {
                blocks = imported.select_next_some() => {
                    let newest = blocks.iter().rev().find(|block| block.is_new_best).map(|block| block.hash);
                    if let Some(hash) = newest.filter(|_| !self.sync.is_major_syncing()) {
                        self.show(hash);
                    }
                },
                block = finalized.select_next_some() => if !self.sync.is_major_syncing() {
                    for hash in block.tree_route.iter().chain([&block.hash]) {
                        self.count(*hash);
                    }
                },
                complete => return,
            }
        }
    }

    /// Sets the gauges to what holds after a block.
    fn show(&mut self, hash: Hash) {
        let client = self.client.clone();
        let api = client.runtime_api();
        // The weight of nobody comes with epoch and total.
        let nobody = AccountId::new([0; 32]);
        if let Ok(weight) = api.vote_weight(hash, nobody) {
            self.epoch.set(weight.epoch.into());
            self.vote_weight.set(weight.total);
        }
        let Ok(models) = api.models(hash) else {
            return;
        };
        self.operators.reset();
        self.queued.reset();
        let waiting = self.layout(hash).and_then(Layout::waiting);
        for model in models.iter().filter(|model| model.active) {
            let id = format!("{:?}", model.id);
            let labels = [id.as_str(), model.name.as_str()];
            self.operators.with_label_values(&labels).set(model.serving.into());
            if let Some(length) = waiting.and_then(|function| self.waiting(hash, function, model)) {
                self.queued.with_label_values(&labels).set(length.into());
            }
        }
    }

    /// Length of a model's queue.
    fn waiting(&self, hash: Hash, function: [u8; 32], model: &ModelInfo) -> Option<u32> {
        let function = ViewFunctionId::decode(&mut &function[..]).ok()?;
        let answer = self
            .client
            .runtime_api()
            .execute_view_function(hash, function, model.id.encode());
        u32::decode(&mut &answer.ok()?.ok()?[..]).ok()
    }

    /// Counts a block's events.
    fn count(&mut self, hash: Hash) {
        let counted = self.events_of(hash);
        if counted.is_none() {
            self.unread.inc();
        }
    }

    fn events_of(&mut self, hash: Hash) -> Option<()> {
        let key = frame_support::storage::storage_prefix(b"System", b"Events").to_vec();
        let bytes = StorageProvider::<Block, Backend>::storage(&*self.client, hash, &sp_storage::StorageKey(key));
        let bytes = bytes.ok()?.map_or(vec![0], |data| data.0);
        // A block that brings a new runtime was executed by the one before.
        let parent = self.client.header(hash).ok()??.parent_hash;
        let counter = self.events.clone();
        for (pallet, event) in self.layout(parent)?.read(&bytes)? {
            counter.with_label_values(&[pallet, event]).inc();
        }
        Some(())
    }

    /// The layout of the runtime at a block.
    fn layout(&mut self, hash: Hash) -> Option<&Layout> {
        let version = self
            .client
            .runtime_version_at(hash, CallContext::Offchain)
            .ok()?
            .spec_version;
        if self.layout.as_ref().is_none_or(|(known, _)| *known != version) {
            let metadata = self
                .client
                .runtime_api()
                .metadata_at_version(hash, events::METADATA_VERSION);
            let layout = Layout::new(&metadata.ok()??)?;
            // From zero on, so that the first event of a kind shows as an increase.
            for (pallet, event) in layout.all() {
                self.events.with_label_values(&[pallet, event]);
            }
            self.layout = Some((version, layout));
        }
        self.layout.as_ref().map(|(_, layout)| layout)
    }
}

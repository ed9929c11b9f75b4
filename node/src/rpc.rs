// SPDX-License-Identifier: Apache-2.0
//! The node's JSON-RPC methods beyond those that the framework always serves: system, BABE, GRANDPA and `compute_*`.
use crate::service::{Backend, Client, SelectChain};
use ergon_rpc::{Compute, ComputeApiServer};
use ergon_runtime::{opaque::Block, BlockNumber, Hash};
use frame_support::dispatch::DispatchClass;
use jsonrpsee::RpcModule;
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_babe_rpc::{Babe, BabeApiServer};
use sc_consensus_grandpa::{FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sc_transaction_pool::TransactionPoolHandle;
use sp_keystore::KeystorePtr;
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};

/// What the methods work on.
pub struct Parts {
    pub client: Arc<Client>,
    pub pool: Arc<TransactionPoolHandle<Block, Client>>,
    pub select_chain: SelectChain,
    pub keystore: KeystorePtr,
    pub babe_worker: BabeWorkerHandle<Block>,
    pub authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    pub voter_state: SharedVoterState,
    pub justifications: GrandpaJustificationStream<Block>,
    pub finality_proofs: Arc<FinalityProofProvider<Backend, Block>>,
}

/// Bytes of the longest transaction that fits a block.
fn longest_transaction() -> usize {
    *ergon_runtime::configs::Length::get().max.get(DispatchClass::Normal) as usize
}

/// All methods in one module.
pub fn all(parts: &Parts, executor: SubscriptionTaskExecutor) -> Result<RpcModule<()>, sc_service::Error> {
    let mut module = RpcModule::new(());
    let conflict = |error| sc_service::Error::Other(format!("two RPC methods have one name: {error}"));
    module
        .merge(System::new(parts.client.clone(), parts.pool.clone()).into_rpc())
        .map_err(conflict)?;
    let babe = Babe::new(
        parts.client.clone(),
        parts.babe_worker.clone(),
        parts.keystore.clone(),
        parts.select_chain.clone(),
    );
    module.merge(babe.into_rpc()).map_err(conflict)?;
    let grandpa = Grandpa::new(
        executor,
        parts.authority_set.clone(),
        parts.voter_state.clone(),
        parts.justifications.clone(),
        parts.finality_proofs.clone(),
    );
    module.merge(grandpa.into_rpc()).map_err(conflict)?;
    module
        .merge(Compute::new(parts.client.clone(), longest_transaction()).into_rpc())
        .map_err(conflict)?;
    Ok(module)
}

// SPDX-License-Identifier: Apache-2.0
//! The JSON-RPC methods `compute_*`: what [`ComputeApi`](ergon_runtime_api::ComputeApi) answers, at any block.
//!
//! Every method takes the hash of a block as its last, optional parameter; without it, it reads the best block. What doesn't exist is
//! `null`, as everywhere in this interface. Errors:
//!
//! | code | meaning |
//! |---|---|
//! | -32602 | a parameter is malformed |
//! | 11001 | the node doesn't know the block, or has pruned its state |
//! | 11002 | the runtime at that block could not answer |
//! | 11003 | the transaction is longer than any that fits a block |
//!
//! Methods run on the server's blocking threads, so that however many are called, others are answered meanwhile. What one call may cost is bounded
//! by what it takes: an account, a job's number, the registered models, a transaction. How many calls there are in a batch is the server's
//! to bound.
#![warn(missing_docs)]

use ergon_primitives::{JobId, H256};
use ergon_runtime_api::{
    ComputeApi as ComputeRuntimeApi, EstimateInfo, JobInfo, ModelInfo, ProposalOrigin, ProposalRefusal, QuotaInfo,
    Subject, VoteWeightInfo, WorkerInfo,
};
use jsonrpsee::{
    core::RpcResult,
    proc_macros::rpc,
    types::{ErrorObject, ErrorObjectOwned},
};
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_runtime::{traits::Block as BlockT, AccountId32};
use std::{marker::PhantomData, sync::Arc};

/// Error code: the node doesn't know the block, or has pruned its state.
pub const UNKNOWN_BLOCK: i32 = 11001;
/// Error code: the runtime at that block could not answer.
pub const RUNTIME_FAILED: i32 = 11002;
/// Error code: the transaction is longer than any that fits a block.
pub const TOO_LONG: i32 = 11003;

/// Reads of models, workers, jobs, vote weight, quota and proposals.
#[rpc(client, server, namespace = "compute")]
pub trait ComputeApi<Hash> {
    /// Every registered model, retired ones included.
    #[method(name = "models", blocking)]
    fn models(&self, at: Option<Hash>) -> RpcResult<Vec<ModelInfo>>;

    /// The worker of an operator, named by either of its accounts.
    #[method(name = "worker", blocking)]
    fn worker(&self, account: AccountId32, at: Option<Hash>) -> RpcResult<Option<WorkerInfo>>;

    /// A job, until it is pruned.
    #[method(name = "job", blocking)]
    fn job(&self, job: JobId, at: Option<Hash>) -> RpcResult<Option<JobInfo>>;

    /// What an operator weighs; zero for anyone else.
    #[method(name = "voteWeight", blocking)]
    fn vote_weight(&self, operator: AccountId32, at: Option<Hash>) -> RpcResult<VoteWeightInfo>;

    /// What an account may still do.
    #[method(name = "quota", blocking)]
    fn quota(&self, account: AccountId32, at: Option<Hash>) -> RpcResult<QuotaInfo>;

    /// What a job (`{model, prompt_bytes or prompt_tokens, max_tokens}`) or an encoded transaction (`0x` hex) costs; none for a job that
    /// would be refused, and for bytes that are no transaction.
    #[method(name = "estimate", blocking)]
    fn estimate(&self, subject: Subject, at: Option<Hash>) -> RpcResult<Option<EstimateInfo>>;

    /// Why an account may not submit a proposal that asks for this origin (`Root`, `Models` or `Parameters`); none if it may.
    #[method(name = "refusal", blocking)]
    fn refusal(&self, who: AccountId32, origin: ProposalOrigin, at: Option<Hash>)
        -> RpcResult<Option<ProposalRefusal>>;
}

/// Answers [`ComputeApiServer`] from a client's state.
pub struct Compute<Client, Block> {
    client: Arc<Client>,
    longest_transaction: usize,
    _block: PhantomData<Block>,
}

impl<Client, Block> Compute<Client, Block> {
    /// Reads from `client`; estimates transactions of at most so many bytes.
    pub fn new(client: Arc<Client>, longest_transaction: usize) -> Self {
        Self {
            client,
            longest_transaction,
            _block: PhantomData,
        }
    }
}

impl<Client, Block> Compute<Client, Block>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block>,
    Client::Api: ComputeRuntimeApi<Block>,
{
    /// Asks the runtime at a block.
    fn read<T>(
        &self,
        at: Option<H256>,
        ask: impl FnOnce(ApiRef<'_, Client::Api>, H256) -> Result<T, ApiError>,
    ) -> RpcResult<T> {
        let block = at.unwrap_or_else(|| self.client.info().best_hash);
        ask(self.client.runtime_api(), block).map_err(|cause| error(block, cause))
    }
}

impl<Client, Block> ComputeApiServer<H256> for Compute<Client, Block>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
    Client::Api: ComputeRuntimeApi<Block>,
{
    fn models(&self, at: Option<H256>) -> RpcResult<Vec<ModelInfo>> {
        self.read(at, |api, block| api.models(block))
    }

    fn worker(&self, account: AccountId32, at: Option<H256>) -> RpcResult<Option<WorkerInfo>> {
        self.read(at, |api, block| api.worker(block, account))
    }

    fn job(&self, job: JobId, at: Option<H256>) -> RpcResult<Option<JobInfo>> {
        self.read(at, |api, block| api.job(block, job))
    }

    fn vote_weight(&self, operator: AccountId32, at: Option<H256>) -> RpcResult<VoteWeightInfo> {
        self.read(at, |api, block| api.vote_weight(block, operator))
    }

    fn quota(&self, account: AccountId32, at: Option<H256>) -> RpcResult<QuotaInfo> {
        self.read(at, |api, block| api.quota(block, account))
    }

    fn estimate(&self, subject: Subject, at: Option<H256>) -> RpcResult<Option<EstimateInfo>> {
        check_length(&subject, self.longest_transaction)?;
        self.read(at, |api, block| api.estimate(block, subject))
    }

    fn refusal(
        &self,
        who: AccountId32,
        origin: ProposalOrigin,
        at: Option<H256>,
    ) -> RpcResult<Option<ProposalRefusal>> {
        self.read(at, |api, block| api.refusal(block, who, origin))
    }
}

fn check_length(subject: &Subject, longest: usize) -> RpcResult<()> {
    match subject {
        Subject::Extrinsic(bytes) if bytes.len() > longest => {
            let message = format!(
                "a transaction of {} bytes fits no block; the most are {longest}",
                bytes.len()
            );
            Err(ErrorObject::owned(TOO_LONG, message, None::<()>))
        }
        _ => Ok(()),
    }
}

fn error(block: H256, cause: ApiError) -> ErrorObjectOwned {
    let unknown = match &cause {
        ApiError::UnknownBlock(_) => true,
        ApiError::Application(inner) => inner.downcast_ref().is_some_and(|error| {
            matches!(
                error,
                sp_blockchain::Error::UnknownBlock(_) | sp_blockchain::Error::UnknownBlocks(_)
            )
        }),
        _ => false,
    };
    let (code, message) = if unknown {
        (
            UNKNOWN_BLOCK,
            format!("block {block:?} is unknown, or its state is pruned"),
        )
    } else {
        (
            RUNTIME_FAILED,
            format!("the runtime at block {block:?} could not answer"),
        )
    };
    ErrorObject::owned(code, message, Some(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_an_unknown_block_from_a_failing_runtime() {
        let block = H256::repeat_byte(1);
        let inner = |error: sp_blockchain::Error| ApiError::Application(Box::new(error));
        let code = |cause| error(block, cause).code();
        assert_eq!(code(ApiError::UnknownBlock("pruned".into())), UNKNOWN_BLOCK);
        assert_eq!(
            code(inner(sp_blockchain::Error::UnknownBlock("pruned".into()))),
            UNKNOWN_BLOCK
        );
        assert_eq!(
            code(inner(sp_blockchain::Error::Backend("broken".into()))),
            RUNTIME_FAILED
        );
        assert_eq!(code(ApiError::StateBackendIsNotTrie), RUNTIME_FAILED);
    }

    #[test]
    fn a_transaction_that_fits_no_block_is_not_estimated() {
        let check = |bytes| check_length(&Subject::Extrinsic(vec![0; bytes]), 3);
        assert_eq!(check(3), Ok(()));
        let error = check(4).unwrap_err();
        assert_eq!(error.code(), TOO_LONG);
        assert!(error.message().contains("4 bytes"), "{}", error.message());
    }

    #[test]
    fn an_error_names_the_block() {
        let error = error(H256::repeat_byte(0xAB), ApiError::UnknownBlock("pruned".into()));
        assert!(error.message().contains(&"ab".repeat(32)), "{}", error.message());
    }
}

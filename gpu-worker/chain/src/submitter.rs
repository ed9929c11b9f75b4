// SPDX-License-Identifier: Apache-2.0
//! The owner of the hot key's nonce.
//!
//! Transactions are signed and handed to the node one after the other, each under the next nonce, and watched side by side until they
//! are finalized, so one that waits holds up none behind it. They are mortal ([`LIFETIME`]). The nonce comes from the node's pool
//! (`system_accountNextIndex`) and is counted on here; it is read again whenever the pool refuses a transaction or loses one, so a gap
//! left by a lost transaction is filled by the next one.
use crate::{
    account,
    client::AtBlock,
    fate::{fate, Progress},
    interface::Extrinsic,
    Call, Client, Fate, Keypair,
};
use futures::{future::BoxFuture, stream::FuturesUnordered, FutureExt, StreamExt};
use subxt::{
    config::RpcConfigFor,
    error::{BackendError, ExtrinsicError, RpcError},
    rpcs::{Error as ClientError, LegacyRpcMethods, UserError},
    SubstrateConfig,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Number of blocks after which a transaction can no longer be included.
pub const LIFETIME: u64 = 64;
/// How often a transaction is signed again when the pool refuses its nonce.
const NONCE_ATTEMPTS: u32 = 4;

/// Errors of `author_submitAndWatchExtrinsic` that another nonce may cure: invalid (stale or future), too low a priority.
const NONCE_ERRORS: [i32; 2] = [1010, 1014];

/// A signer of transactions with a nonce of its own.
pub struct Submitter {
    client: Client,
    key: Keypair,
    nonce: Option<u64>,
}

impl Submitter {
    /// A submitter for `key`, of which nobody else may sign transactions at the same time.
    pub fn new(client: Client, key: Keypair) -> Self {
        Self {
            client,
            key,
            nonce: None,
        }
    }

    /// Submits what comes in through `calls` and reports what became of each, until `calls` is closed and the last fate is known.
    pub async fn run(mut self, mut calls: UnboundedReceiver<Call>, fates: UnboundedSender<(Call, Fate)>) {
        let mut watched: FuturesUnordered<BoxFuture<'static, (Call, Fate)>> = FuturesUnordered::new();
        let mut open = true;
        while open || !watched.is_empty() {
            let (call, fate) = tokio::select! {
                call = calls.recv(), if open => match call {
                    None => {
                        open = false;
                        continue;
                    }
                    Some(call) => match self.submit(&call).await {
                        Ok(progress) => {
                            watched.push(async move { (call, fate(progress).await) }.boxed());
                            continue;
                        }
                        Err(reason) => (call, Fate::Lost(reason)),
                    },
                },
                Some(decided) = watched.next(), if !watched.is_empty() => decided,
            };
            if matches!(fate, Fate::Lost(_)) {
                self.nonce = None;
            }
            // The receiver is gone only when the worker stops.
            let _ = fates.send((call, fate));
        }
    }

    /// Signs and submits one call and returns once the pool has it, or says why it hasn't.
    pub(crate) async fn submit(&mut self, call: &impl Extrinsic) -> Result<Progress, String> {
        let mut attempt = 1;
        loop {
            let at = self.client.finalized().await.map_err(|error| error.to_string())?;
            let nonce = match self.nonce {
                Some(nonce) => nonce,
                None => self.next_nonce().await.map_err(|error| error.to_string())?,
            };
            match submit_with(&at, call, &self.key, nonce).await {
                Ok(progress) => {
                    self.nonce = Some(nonce + 1);
                    return Ok(progress);
                }
                Err(error) => {
                    self.nonce = None;
                    let refusal = refusal(&error);
                    if attempt == NONCE_ATTEMPTS || !refusal.is_some_and(|refusal| NONCE_ERRORS.contains(&refusal.code))
                    {
                        return Err(refusal.map_or_else(|| error.to_string(), describe));
                    }
                    tracing::debug!(nonce, attempt, "the pool refuses the nonce ({error}), reading it again");
                    attempt += 1;
                }
            }
        }
    }

    /// The nonce after all transactions that the node's pool knows.
    async fn next_nonce(&self) -> Result<u64, subxt::rpcs::Error> {
        let methods = LegacyRpcMethods::<RpcConfigFor<SubstrateConfig>>::new(self.client.rpc.clone());
        methods.system_account_next_index(&account(&self.key)).await
    }
}

async fn submit_with(
    at: &AtBlock,
    call: &impl Extrinsic,
    key: &Keypair,
    nonce: u64,
) -> Result<Progress, ExtrinsicError> {
    call.sign(at, key, nonce, LIFETIME)?.submit_and_watch().await
}

/// What the node itself said against a transaction.
pub(crate) fn refusal(error: &ExtrinsicError) -> Option<&UserError> {
    match error {
        ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(ClientError::User(
            error,
        )))) => Some(error),
        _ => None,
    }
}

/// A refusal in one line.
pub(crate) fn describe(refusal: &UserError) -> String {
    match &refusal.data {
        Some(data) => format!("{}: {}", refusal.message, data.get().trim_matches('"')),
        None => refusal.message.clone(),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A transaction pool that counts what it refuses, by reason: what JSON-RPC and other nodes hand to it, not what leaves it later.
use async_trait::async_trait;
use sc_transaction_pool_api::{
    error::{Error, IntoMetricsLabel, IntoPoolError},
    ChainEvent, ImportNotificationStream, MaintainedTransactionPool, PoolStatus, ReadyTransactions, TransactionFor,
    TransactionPool, TransactionSource, TransactionStatusStreamFor, TxHash, TxInvalidityReportMap,
};
use sp_runtime::traits::Block as BlockT;
use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};
use substrate_prometheus_endpoint::{register, CounterVec, Opts, PrometheusError, Registry, U64};

type BlockHash<P> = <<P as TransactionPool>::Block as BlockT>::Hash;
type Ready<P> = Box<dyn ReadyTransactions<Item = Arc<<P as TransactionPool>::InPoolTransaction>> + Send>;

/// A pool and the counter of its refusals.
pub struct Counted<P> {
    pool: Arc<P>,
    refused: CounterVec<U64>,
}

impl<P: TransactionPool> Counted<P> {
    /// Counts in `registry`, if there is one.
    pub fn new(pool: Arc<P>, registry: Option<&Registry>) -> Result<Self, PrometheusError> {
        let help = "Transactions that the pool refused, by reason; Custom(n) is the runtime's own code n";
        let refused = CounterVec::new(Opts::new("ergon_refused_transactions_total", help), &["reason"])?;
        Ok(Self {
            pool,
            refused: match registry {
                Some(registry) => register(refused, registry)?,
                None => refused,
            },
        })
    }

    /// Passes on what the pool answered.
    fn count<T>(&self, result: Result<T, P::Error>) -> Result<T, P::Error> {
        result.map_err(|error| match error.into_pool_error() {
            Ok(error) => {
                if let Some(reason) = reason(&error) {
                    self.refused.with_label_values(&[&reason]).inc();
                }
                error.into()
            }
            Err(other) => other,
        })
    }
}

/// One of a bounded number of texts. One that is in the pool already is not refused.
fn reason(error: &Error) -> Option<String> {
    match error {
        Error::AlreadyImported(_) => None,
        Error::InvalidTransaction(reason) => Some(format!("{reason:?}")),
        Error::UnknownTransaction(reason) => Some(format!("{reason:?}")),
        other => Some(other.label()),
    }
}

#[async_trait]
impl<P: TransactionPool> TransactionPool for Counted<P> {
    type Block = P::Block;
    type Hash = P::Hash;
    type InPoolTransaction = P::InPoolTransaction;
    type Error = P::Error;

    async fn submit_at(
        &self,
        at: BlockHash<P>,
        source: TransactionSource,
        transactions: Vec<TransactionFor<Self>>,
    ) -> Result<Vec<Result<TxHash<Self>, Self::Error>>, Self::Error> {
        let results = self.pool.submit_at(at, source, transactions).await?;
        Ok(results.into_iter().map(|result| self.count(result)).collect())
    }

    async fn submit_one(
        &self,
        at: BlockHash<P>,
        source: TransactionSource,
        transaction: TransactionFor<Self>,
    ) -> Result<TxHash<Self>, Self::Error> {
        self.count(self.pool.submit_one(at, source, transaction).await)
    }

    async fn submit_and_watch(
        &self,
        at: BlockHash<P>,
        source: TransactionSource,
        transaction: TransactionFor<Self>,
    ) -> Result<Pin<Box<TransactionStatusStreamFor<Self>>>, Self::Error> {
        self.count(self.pool.submit_and_watch(at, source, transaction).await)
    }

    async fn ready_at(&self, at: BlockHash<P>) -> Ready<Self> {
        self.pool.ready_at(at).await
    }

    fn ready(&self) -> Ready<Self> {
        self.pool.ready()
    }

    async fn report_invalid(
        &self,
        at: Option<BlockHash<P>>,
        invalid: TxInvalidityReportMap<TxHash<Self>>,
    ) -> Vec<Arc<Self::InPoolTransaction>> {
        self.pool.report_invalid(at, invalid).await
    }

    fn futures(&self) -> Vec<Self::InPoolTransaction> {
        self.pool.futures()
    }

    fn status(&self) -> PoolStatus {
        self.pool.status()
    }

    fn import_notification_stream(&self) -> ImportNotificationStream<TxHash<Self>> {
        self.pool.import_notification_stream()
    }

    fn on_broadcasted(&self, propagations: HashMap<TxHash<Self>, Vec<String>>) {
        self.pool.on_broadcasted(propagations)
    }

    fn hash_of(&self, transaction: &TransactionFor<Self>) -> TxHash<Self> {
        self.pool.hash_of(transaction)
    }

    fn ready_transaction(&self, hash: &TxHash<Self>) -> Option<Arc<Self::InPoolTransaction>> {
        self.pool.ready_transaction(hash)
    }

    async fn ready_at_with_timeout(&self, at: BlockHash<P>, timeout: Duration) -> Ready<Self> {
        self.pool.ready_at_with_timeout(at, timeout).await
    }
}

#[async_trait]
impl<P: MaintainedTransactionPool> MaintainedTransactionPool for Counted<P> {
    async fn maintain(&self, event: ChainEvent<Self::Block>) {
        self.pool.maintain(event).await
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The worker at work: connects, follows finalized blocks and does what [`plan`] says.
//!
//! A *session* is the life of one connection. All state that must outlive it (journal, running computation, memory of what was sent and seen) belongs
//! to the [`Worker`]; a session that breaks is followed by another one after a pause that grows. Several computations run at a time, the most
//! urgent ones first, and aren't disturbed by a lost connection.
use super::{
    computations::{Computations, Computed},
    compute::{ComputeError, Models, MOST_COMPUTATIONS},
    config::Config,
    journal::{DataDir, Journal},
    plan::{plan, Identity, Memory, Work},
    resumption::PAUSE,
};
use anyhow::Context;
use ergon_primitives::{JobId, H256};
use ergon_worker_chain::{
    account, keystore,
    registration::{Registration, RegistrationError},
    submitter::{Submitter, LIFETIME},
    AccountId, BlockNumber, Call, Client, ConnectError, Fate, Status, View,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc::{unbounded_channel, UnboundedSender},
    task::JoinSet,
};

/// Pause before the first attempt to reconnect; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between attempts to reconnect.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a computation that failed is tried again.
const MOST_FAILURES: u32 = 3;

/// A worker with its keys, models and journal.
pub struct Worker {
    config: Config,
    registration: Registration,
    models: Arc<Models>,
    data_dir: DataDir,
    /// Opened for the first chain that the worker connects to, with its genesis hash.
    journal: Option<(H256, Journal)>,
    memory: Memory,
    computations: Computations,
    failures: BTreeMap<H256, u32>,
    /// Jobs that were complained about, so that each is complained about once.
    reported: BTreeSet<JobId>,
    /// Status and hot keys of the operator as last logged.
    membership: Option<(Option<Status>, Vec<AccountId>)>,
}

/// Why a session ended.
enum Ended {
    /// The connection broke; another one may do.
    Lost(String),
    /// Nothing that the worker could repair.
    Fatal(anyhow::Error),
}

impl From<ergon_worker_chain::NodeError> for Ended {
    fn from(error: ergon_worker_chain::NodeError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<ConnectError> for Ended {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Incompatible { .. } => Self::Fatal(error.into()),
            _ => Self::Lost(error.to_string()),
        }
    }
}

impl From<RegistrationError> for Ended {
    fn from(error: RegistrationError) -> Self {
        match error.is_transient() {
            true => Self::Lost(error.to_string()),
            false => Self::Fatal(error.into()),
        }
    }
}

impl Worker {
    /// Reads the keys and loads the models.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let hot = keystore::read(&config.hot_key).context("hot-key")?;
        let operator = config
            .operator_key
            .as_deref()
            .map(keystore::read)
            .transpose()
            .context("operator-key")?;
        let data_dir = DataDir::lock(&config.data_dir)?;
        if let Some(warning) = config.warning() {
            tracing::warn!("{warning}");
        }
        let models = Arc::new(Models::load(&config)?);
        let registration = Registration {
            hot,
            operator,
            models: models.ids().collect(),
            endpoint: config.endpoint.clone(),
            patience: Duration::from_secs(config.ticket_seconds),
        };
        Ok(Self {
            config,
            registration,
            models,
            data_dir,
            journal: None,
            memory: Memory::default(),
            computations: Computations::default(),
            failures: BTreeMap::new(),
            reported: BTreeSet::new(),
            membership: None,
        })
    }

    /// Works until `stop` is ready or something happens that the worker can't repair.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::pin!(stop);
        let mut pause = FIRST_PAUSE;
        loop {
            let began = tokio::time::Instant::now();
            let ended = tokio::select! {
                ended = self.session() => ended,
                () = &mut stop => return Ok(()),
            };
            match ended {
                Ended::Fatal(error) => return Err(error),
                Ended::Lost(reason) => {
                    if began.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    tracing::warn!(
                        node = self.config.node,
                        ?pause,
                        "{reason}; connecting again after a pause"
                    );
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = &mut stop => return Ok(()),
            }
        }
    }

    /// Connects and works until the connection breaks.
    async fn session(&mut self) -> Ended {
        match self.work().await {
            Err(ended) => ended,
            Ok(never) => match never {},
        }
    }

    async fn work(&mut self) -> Result<std::convert::Infallible, Ended> {
        let client = Client::connect(&self.config.node).await?;
        self.open_journal(client.genesis())?;
        let me = Identity {
            operator: client.register(&self.registration).await?,
            hot: account(&self.registration.hot),
        };
        tracing::info!(node = self.config.node, operator = %me.operator, "connected");

        self.memory.transactions.connected(client.best_number().await?);
        let mut blocks = client.finalized_blocks().await?;
        let (calls, incoming) = unbounded_channel();
        let (decided, mut fates) = unbounded_channel();
        // Ends with this session.
        let mut tasks = JoinSet::new();
        tasks.spawn(Submitter::new(client.clone(), self.registration.hot.clone()).run(incoming, decided));
        loop {
            self.step(&client, &me, &calls).await?;
            tokio::select! {
                block = blocks.next() => match block {
                    Some(Ok(block)) => tracing::debug!(number = block.number(), "finalized"),
                    Some(Err(error)) => return Err(Ended::Lost(error.to_string())),
                    None => return Err(Ended::Lost("the node closed the subscription".into())),
                },
                Some((call, fate)) = fates.recv() => self.decided(&call, &fate),
                computed = self.computations.finished() => self.computed(computed)?,
            }
        }
    }

    fn open_journal(&mut self, genesis: H256) -> Result<(), Ended> {
        match &self.journal {
            Some((known, _)) if *known == genesis => Ok(()),
            Some((known, _)) => Err(Ended::Fatal(anyhow::anyhow!(
                "the node at {} now serves another chain (genesis {genesis:?}, before {known:?}): restart the worker if that is meant",
                self.config.node
            ))),
            None => {
                let folder = self.data_dir.journal(&genesis);
                let journal = Journal::open(&folder).map_err(|error| Ended::Fatal(error.into()))?;
                tracing::info!(folder = %folder.display(), entries = journal.jobs().count(), "journal opened");
                self.journal = Some((genesis, journal));
                Ok(())
            }
        }
    }

    /// Looks at the latest finalized block and does what is to be done.
    async fn step(&mut self, client: &Client, me: &Identity, calls: &UnboundedSender<Call>) -> Result<(), Ended> {
        let Some((_, journal)) = self.journal.as_mut() else {
            return Ok(());
        };
        let view = client
            .view(&me.operator, self.config.audit, journal.jobs().collect())
            .await?;
        let Some(plan) = plan(me, &view, journal, &mut self.memory) else {
            tracing::warn!(
                block = view.number,
                "the node lags behind what was finalized before: waiting"
            );
            return Ok(());
        };
        for job in plan.forget {
            tracing::info!(job, "the job is over");
            journal.forget(job).map_err(|error| Ended::Fatal(error.into()))?;
        }
        for job in plan.lost_seals.into_iter().filter(|job| self.reported.insert(*job)) {
            tracing::error!(
                job,
                "the answer must be revealed, but its seal is not in this worker's journal"
            );
        }
        for call in plan.send {
            tracing::info!(job = call.job(), call = call.name(), "sending");
            self.memory
                .transactions
                .sent(&call, view.number.saturating_add(LIFETIME as BlockNumber));
            // The submitter lives as long as this session.
            let _ = calls.send(call);
        }
        self.report_membership(me, &view);
        self.reported.retain(|job| view.open.contains(job));
        self.failures
            .retain(|answer, _| plan.compute.iter().any(|work| work.task.answer() == *answer));
        let wanted = |answer: &H256| plan.compute.iter().any(|work| work.task.answer() == *answer);
        for job in self.computations.stop_unless(wanted) {
            tracing::warn!(
                job,
                block = view.number,
                "the job's deadline has passed or it was taken back: stopping"
            );
        }
        for work in plan.compute {
            if self.computations.len() >= MOST_COMPUTATIONS {
                break;
            }
            if !self.computations.contains(&work.task.answer()) && self.is_feasible(&work) {
                self.start(client, work).await?;
            }
        }
        Ok(())
    }

    fn is_feasible(&mut self, work: &Work) -> bool {
        let job = work.task.job;
        let served = self.models.contains(&work.task.model);
        if !served && self.reported.insert(job) {
            tracing::warn!(job, model = ?work.task.model, "this worker doesn't serve the job's model");
        }
        let failures = self.failures.get(&work.task.answer()).copied().unwrap_or(0);
        served && failures < MOST_FAILURES
    }

    async fn start(&mut self, client: &Client, work: Work) -> Result<(), Ended> {
        let (job, answer) = (work.task.job, work.task.answer());
        let Some(question) = client.question(&work.task).await? else {
            tracing::warn!(job, "the chain no longer has the job's prompt");
            *self.failures.entry(answer).or_default() += 1;
            return Ok(());
        };
        let what = if work.audit { "audit" } else { "execution" };
        tracing::info!(job, what, deadline = work.deadline, "computing");
        let models = self.models.clone();
        self.memory.share.begin(job);
        self.computations
            .begin(job, answer, move |stop| models.answer(&work, &question, stop));
        Ok(())
    }

    /// Logs what the registry says of the operator, whenever it changes.
    fn report_membership(&mut self, me: &Identity, view: &View) {
        let found = Some((view.status, view.hot_keys.clone()));
        if self.membership == found {
            return;
        }
        self.membership = found;
        let operator = &me.operator;
        match view.status {
            Some(Status::Active) => {}
            Some(Status::Draining) => {
                tracing::warn!(%operator, "the operator drains: it gets no new jobs until its owner calls workers.resume")
            }
            Some(Status::Suspended { until }) => {
                tracing::warn!(%operator, until, "the operator was suspended for missing too many deadlines in a row: resuming when it may, at most once in {PAUSE} blocks")
            }
            Some(Status::Jailed) => tracing::error!(%operator, "the operator is jailed and gets no jobs"),
            None => tracing::warn!(%operator, "the operator is not registered any more"),
        }
        if !view.hot_keys.contains(&me.hot) {
            tracing::warn!(hot = %me.hot, %operator, "this worker's hot key is none of the operator's any more: nothing to do");
        } else if view.hot_keys.len() > 1 {
            tracing::info!(workers = view.hot_keys.len(), "the operator's workers share its duties");
        }
    }

    /// Puts a finished computation into the journal.
    fn computed(&mut self, computed: Computed) -> Result<(), Ended> {
        let Computed { job, answer, result } = computed;
        let error = match (result, &mut self.journal) {
            (Ok(entry), Some((_, journal))) => {
                self.failures.remove(&answer);
                return journal.record(entry).map_err(|error| Ended::Fatal(error.into()));
            }
            (Ok(_), None) | (Err(ComputeError::Stopped), _) => return Ok(()),
            (Err(error), _) => error,
        };
        if error.is_device_lost() {
            return Err(Ended::Fatal(anyhow::anyhow!(
                "{error}; restart the worker, or use --backend cpu"
            )));
        }
        *self.failures.entry(answer).or_default() += 1;
        tracing::error!(job, "the computation failed: {error}");
        Ok(())
    }

    fn decided(&mut self, call: &Call, fate: &Fate) {
        let (job, name) = (call.job(), call.name());
        match fate {
            Fate::Done(block) => tracing::info!(job, call = name, block, "finalized"),
            Fate::Refused(block, reason) => tracing::warn!(job, call = name, block, "refused by the chain: {reason}"),
            Fate::Lost(reason) => tracing::warn!(job, call = name, "not in a block, to be sent again: {reason}"),
        }
        self.memory.transactions.decided(call, fate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::config::Settings;
    use ergon_engine::{backend::Error, generate::GenerateError};

    /// What becomes of a worker whose computation fails so.
    fn failed(error: Error) -> (Worker, Result<(), Ended>) {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("hot.key");
        keystore::write(&key, &keystore::new_secret([1; 32]).unwrap()).unwrap();
        let file = folder.path().join("worker.toml");
        std::fs::write(&file, "hot-key = \"hot.key\"\nmodel = [\"none\"]\ndata-dir = \"data\"").unwrap();
        let mut config = Config::load(Some(&file), Settings::default()).unwrap();
        config.models.clear();
        let mut worker = Worker::new(config).unwrap();
        let result = worker.computed(Computed {
            job: 4,
            answer: H256::zero(),
            result: Err(GenerateError::from(error).into()),
        });
        (worker, result)
    }

    #[test]
    fn a_lost_device_ends_the_worker_with_advice() {
        let (_, result) = failed(Error::DeviceLost("llvmpipe was lost: Destroyed".into()));
        let Err(Ended::Fatal(error)) = result else {
            panic!("the worker goes on without a device");
        };
        assert_eq!(
            error.to_string(),
            "llvmpipe was lost: Destroyed; restart the worker, or use --backend cpu"
        );
    }

    #[test]
    fn another_failure_of_the_device_is_counted_for_the_job() {
        let (worker, result) = failed(Error::Device("out of memory".into()));
        assert!(result.is_ok());
        assert_eq!(worker.failures[&H256::zero()], 1);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is to be done now: a pure function of the chain's state, the journal and the transactions under way.
//!
//! The worker keeps no state machine of its own that could drift from the chain's. After every finalized block, and whenever a
//! computation or a transaction has ended, it asks [`plan`] again. A missed block, a lost connection or a restart therefore needs no
//! special care. A block older than one seen before, which a node that lags or synchronizes again shows, says nothing about now.
//! Two rules make sure that a job is never answered twice:
//!
//! 1. Nothing is sent that isn't in the journal, and what is in the journal is not computed again.
//! 2. A step whose transaction is under way, or succeeded in a block that the view doesn't cover yet, is not taken again. After a restart
//!    or a lost connection that isn't known, so nothing is sent before a view is later than the best block at that time.
//!
//! Where an operator has several workers, each computes its [share], late duties of others after its own. It sends what it has computed,
//! no matter whose duty it is; only the one that answered can reveal, since it alone has the seal. [`Resumption`] says when a suspended operator
//! is brought back.
//!
//! [share]: super::share
use super::{
    journal::{Entry, Journal},
    resumption::Resumption,
    share::{owner, Share},
};
use ergon_primitives::{commitment::attestation, JobId, H256};
use ergon_worker_chain::{AccountId, BlockNumber, Call, Due, Duty, Fate, Task, View};
use std::collections::BTreeMap;

/// A computation that the chain waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Work {
    /// What to answer.
    pub task: Task,
    /// Whether the answer of another operator is checked.
    pub audit: bool,
    /// Block after which it is too late.
    pub deadline: BlockNumber,
}

/// What is to be done now.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// Transactions to send.
    pub send: Vec<Call>,
    /// Computations to make, the most urgent first. One that is running and not in here has become pointless.
    pub compute: Vec<Work>,
    /// Jobs whose journal entry isn't needed any more.
    pub forget: Vec<JobId>,
    /// Jobs whose answer must be revealed, but the seal is not in the journal.
    pub lost_seals: Vec<JobId>,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// Sent; it can't get into a block after this one.
    Sent { expires: BlockNumber },
    /// Succeeded in this block.
    Done { block: BlockNumber },
    /// Refused for good.
    Refused,
}

/// The transactions that were sent.
#[derive(Debug, Default)]
pub struct Transactions {
    /// By job and extrinsic.
    standings: BTreeMap<(JobId, &'static str), Standing>,
    /// Block of the latest view: the highest seen.
    number: BlockNumber,
    /// What was sent before this connection, by this process or one before it, may be in a block up to this one or wait for the next.
    unknown_until: BlockNumber,
}

impl Transactions {
    /// `call` is on its way and expires after block `expires`.
    pub fn sent(&mut self, call: &Call, expires: BlockNumber) {
        self.note(call, Standing::Sent { expires });
    }

    /// A call that is about no job has a pause of its own.
    fn note(&mut self, call: &Call, standing: Standing) {
        if let Some(job) = call.job() {
            self.standings.insert((job, call.name()), standing);
        }
    }

    /// The chain has decided about `call`.
    pub fn decided(&mut self, call: &Call, fate: &Fate) {
        let standing = match fate {
            Fate::Done(block) => Standing::Done { block: *block },
            Fate::Refused(..) => Standing::Refused,
            // Not before the next block, lest a node that takes no transactions is flooded.
            Fate::Lost(_) => Standing::Sent { expires: self.number },
        };
        self.note(call, standing);
    }

    /// A new connection, to a node whose best block is `best`: nothing is known about transactions that were on their way, until a view
    /// later than that shows what became of them.
    pub fn connected(&mut self, best: BlockNumber) {
        self.standings
            .retain(|_, standing| !matches!(standing, Standing::Sent { .. }));
        self.unknown_until = best;
    }

    /// Whether `call` should not be sent as of block `number`.
    fn holds_back(&self, job: JobId, call: &Call, number: BlockNumber) -> bool {
        match self.standings.get(&(job, call.name())) {
            None => number <= self.unknown_until,
            Some(Standing::Sent { expires }) => number <= *expires,
            Some(Standing::Done { block }) => number < *block,
            Some(Standing::Refused) => true,
        }
    }

    /// Takes note of `view` and drops what no longer matters.
    fn observe(&mut self, view: &View) {
        self.number = view.number;
        self.standings.retain(|(job, _), standing| match standing {
            Standing::Refused => view.due.contains_key(job),
            _ => view.open.contains(job),
        });
    }
}

/// Who a worker is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The operator that it works for.
    pub operator: AccountId,
    /// The account of its own key.
    pub hot: AccountId,
}

/// What a worker remembers from one plan to the next; all of it may be lost.
#[derive(Debug, Default)]
pub struct Memory {
    /// The transactions that were sent.
    pub transactions: Transactions,
    /// The duties that are this worker's.
    pub share: Share,
    /// When the operator was brought back.
    pub resumption: Resumption,
}

/// What the worker `me` has to do as of `view`; `None`, which is to wait, if a later view was seen before.
pub fn plan(me: &Identity, view: &View, journal: &Journal, memory: &mut Memory) -> Option<Plan> {
    if view.number < memory.transactions.number {
        return None;
    }
    memory.transactions.observe(view);
    memory.share.observe(view);
    // What isn't on chain yet isn't over: a node that lags doesn't know the latest jobs.
    let is_over = |job: &JobId| *job < view.next_job && !view.open.contains(job);
    let mut plan = Plan {
        forget: journal.jobs().filter(is_over).collect(),
        ..Plan::default()
    };
    if view.hot_keys.contains(&me.hot) && memory.resumption.is_due(view.status, view.number) {
        plan.send.push(Call::Resume);
    }
    for (job, due) in &view.due {
        // A transaction sent now gets into a later block than the view's.
        if view.number >= due.deadline {
            continue;
        }
        match next(&me.operator, *job, due, journal.get(*job)) {
            Next::Send(call) if !memory.transactions.holds_back(*job, &call, view.number) => plan.send.push(call),
            Next::Compute(work) if memory.share.includes(&me.hot, view, *job) => plan.compute.push(work),
            // Another worker of the operator may have it, and has had its time.
            Next::SealLost if view.hot_keys.len() < 2 || memory.share.is_late(*job, view.number) => {
                plan.lost_seals.push(*job)
            }
            Next::Send(_) | Next::Compute(_) | Next::SealLost => {}
        }
    }
    let others = |job: JobId| owner(&view.hot_keys, job) != Some(&me.hot);
    plan.compute
        .sort_by_key(|work| (others(work.task.job), work.deadline, work.task.job));
    Some(plan)
}

enum Next {
    Send(Call),
    Compute(Work),
    SealLost,
}

fn next(operator: &AccountId, job: JobId, due: &Due, entry: Option<&Entry>) -> Next {
    let answered = |answer: H256| entry.filter(|entry| entry.header.answer_id == answer);
    let deadline = due.deadline;
    match &due.duty {
        Duty::Execute(task) => match answered(task.answer()) {
            Some(entry) => Next::Send(Call::SubmitResult {
                job,
                output: entry.output.clone(),
                header: entry.header.clone(),
                sealed: entry.sealed(),
            }),
            None => Next::Compute(Work {
                task: task.clone(),
                audit: false,
                deadline,
            }),
        },
        Duty::Audit(task) => match answered(task.answer()) {
            Some(entry) => Next::Send(Call::Attest {
                job,
                attestation: attest(operator, entry),
            }),
            None => Next::Compute(Work {
                task: task.clone(),
                audit: true,
                deadline,
            }),
        },
        Duty::Reveal { answer, sealed } => match answered(*answer).filter(|entry| entry.sealed() == *sealed) {
            Some(entry) => Next::Send(Call::Reveal {
                job,
                seal: entry.seal,
                header: entry.header.clone(),
            }),
            None => Next::SealLost,
        },
    }
}

fn attest(operator: &AccountId, entry: &Entry) -> H256 {
    attestation(operator, &entry.header.root())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! What is to be done now: a pure function of the chain's state, the journal and the transactions under way.
//!
//! The worker keeps no state machine of its own that could drift from the chain's. After every finalized block, and whenever a
//! computation or a transaction has ended, it asks [`plan`] anew. A missed block, a lost connection or a restart therefore needs no
//! special care. A block older than one seen before, which a node that lags or synchronizes anew shows, says nothing about now.
//! Two rules make sure that a job is never answered twice:
//!
//! 1. Nothing is sent that isn't in the journal, and what is in the journal is not computed again.
//! 2. A step whose transaction is under way, or succeeded in a block that the view doesn't cover yet, is not taken again.
use super::journal::{Entry, Journal};
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
}

impl Transactions {
    /// `call` is on its way and expires after block `expires`.
    pub fn sent(&mut self, call: &Call, expires: BlockNumber) {
        self.standings
            .insert((call.job(), call.name()), Standing::Sent { expires });
    }

    /// The chain has decided about `call`.
    pub fn decided(&mut self, call: &Call, fate: &Fate) {
        let standing = match fate {
            Fate::Done(block) => Standing::Done { block: *block },
            Fate::Refused(..) => Standing::Refused,
            // Not before the next block, lest a node that takes no transactions is flooded.
            Fate::Lost(_) => Standing::Sent { expires: self.number },
        };
        self.standings.insert((call.job(), call.name()), standing);
    }

    /// Nothing is known about transactions that were on their way: the connection is lost.
    pub fn disconnected(&mut self) {
        self.standings
            .retain(|_, standing| !matches!(standing, Standing::Sent { .. }));
    }

    /// Whether `call` should not be sent as of block `number`.
    fn holds_back(&self, call: &Call, number: BlockNumber) -> bool {
        match self.standings.get(&(call.job(), call.name())) {
            None => false,
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

/// What `operator` has to do as of `view`; `None`, which is to wait, if a later view was seen before.
pub fn plan(operator: &AccountId, view: &View, journal: &Journal, transactions: &mut Transactions) -> Option<Plan> {
    if view.number < transactions.number {
        return None;
    }
    transactions.observe(view);
    // What isn't on chain yet isn't over: a node that lags doesn't know the latest jobs.
    let is_over = |job: &JobId| *job < view.next_job && !view.open.contains(job);
    let mut plan = Plan {
        forget: journal.jobs().filter(is_over).collect(),
        ..Plan::default()
    };
    for (job, due) in &view.due {
        // A transaction sent now gets into a later block than the view's.
        if view.number >= due.deadline {
            continue;
        }
        match next(operator, *job, due, journal.get(*job)) {
            Next::Send(call) if !transactions.holds_back(&call, view.number) => plan.send.push(call),
            Next::Send(_) => {}
            Next::Compute(work) => plan.compute.push(work),
            Next::SealLost => plan.lost_seals.push(*job),
        }
    }
    plan.compute.sort_by_key(|work| (work.deadline, work.task.job));
    Some(plan)
}

enum Next {
    Send(Call),
    Compute(Work),
    SealLost,
}

fn next(operator: &AccountId, job: JobId, due: &Due, entry: Option<&Entry>) -> Next {
    let answered = |answer: H256| entry.filter(|entry| entry.header.answer == answer);
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
mod tests {
    use super::*;
    use ergon_primitives::{
        commitment::{sealed, Header, Leaf, Outcome, StopReason},
        request::DecodeSettings,
    };
    use std::collections::BTreeSet;
    use tempfile::TempDir;

    const JOB: JobId = 4;

    fn me() -> AccountId {
        AccountId::from([1; 32])
    }

    fn task(job: JobId) -> Task {
        Task {
            job,
            model: H256::repeat_byte(1),
            request: H256::repeat_byte(2),
            settings: DecodeSettings::greedy(4),
            sampling_key: H256::zero(),
        }
    }

    fn entry(task: &Task) -> Entry {
        let leaves = vec![Leaf {
            position: 0,
            token: 5,
            hidden: H256::repeat_byte(3),
        }];
        let header = Header::new(
            task.answer(),
            3,
            Outcome::Completed(StopReason::Length),
            b"out",
            &leaves,
        );
        Entry {
            job: task.job,
            seal: H256::repeat_byte(7),
            header,
            output: b"out".to_vec(),
            leaves,
        }
    }

    fn view(number: BlockNumber, due: impl IntoIterator<Item = (Duty, BlockNumber)>, open: &[JobId]) -> View {
        let job = |duty: &Duty| match duty {
            Duty::Execute(task) | Duty::Audit(task) => task.job,
            Duty::Reveal { .. } => JOB,
        };
        let due: BTreeMap<_, _> = due
            .into_iter()
            .map(|(duty, deadline)| (job(&duty), Due { duty, deadline }))
            .collect();
        let open: BTreeSet<_> = open.iter().copied().chain(due.keys().copied()).collect();
        View {
            number,
            next_job: 10,
            due,
            open,
        }
    }

    fn execute(number: BlockNumber) -> View {
        view(number, [(Duty::Execute(task(JOB)), 100)], &[])
    }

    fn reveal(number: BlockNumber, entry: &Entry) -> View {
        view(
            number,
            [(
                Duty::Reveal {
                    answer: entry.header.answer,
                    sealed: entry.sealed(),
                },
                100,
            )],
            &[],
        )
    }

    struct Worker {
        folder: TempDir,
        journal: Option<Journal>,
        transactions: Transactions,
    }

    impl Worker {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let journal = Some(Journal::open(folder.path()).unwrap());
            Self {
                folder,
                journal,
                transactions: Transactions::default(),
            }
        }

        fn journal(&mut self) -> &mut Journal {
            self.journal.as_mut().unwrap()
        }

        fn restart(&mut self) {
            self.journal = None;
            self.journal = Some(Journal::open(self.folder.path()).unwrap());
            self.transactions = Transactions::default();
        }

        fn plan(&mut self, view: &View) -> Plan {
            self.try_plan(view).unwrap()
        }

        fn try_plan(&mut self, view: &View) -> Option<Plan> {
            plan(&me(), view, self.journal.as_ref().unwrap(), &mut self.transactions)
        }
    }

    #[test]
    fn an_assigned_job_is_computed_then_submitted_once() {
        let mut worker = Worker::new();
        let plan = worker.plan(&execute(10));
        assert_eq!((plan.compute.len(), plan.send.len()), (1, 0));
        let entry = entry(&plan.compute[0].task);
        worker.journal().record(entry.clone()).unwrap();

        let plan = worker.plan(&execute(11));
        let expected = Call::SubmitResult {
            job: JOB,
            output: b"out".to_vec(),
            header: entry.header.clone(),
            sealed: entry.sealed(),
        };
        assert_eq!(
            plan,
            Plan {
                send: vec![expected.clone()],
                ..Plan::default()
            }
        );

        worker.transactions.sent(&expected, 70);
        assert_eq!(worker.plan(&execute(12)), Plan::default());
        // It succeeded in block 14, but the next view is still of block 13.
        worker.transactions.decided(&expected, &Fate::Done(14));
        assert_eq!(worker.plan(&execute(13)), Plan::default());
        assert_eq!(worker.plan(&view(14, [], &[JOB])), Plan::default());
    }

    #[test]
    fn a_restart_between_computing_and_submitting_sends_the_same_answer() {
        let mut worker = Worker::new();
        worker.journal().record(entry(&task(JOB))).unwrap();
        let before = worker.plan(&execute(10)).send;
        worker.transactions.sent(&before[0], 70);
        worker.restart();
        assert_eq!(
            worker.plan(&execute(11)),
            Plan {
                send: before,
                ..Plan::default()
            }
        );
    }

    #[test]
    fn a_lost_connection_sends_again_what_is_not_on_chain_and_only_that() {
        let mut worker = Worker::new();
        worker.journal().record(entry(&task(JOB))).unwrap();
        let call = worker.plan(&execute(10)).send.remove(0);
        worker.transactions.sent(&call, 70);
        worker.transactions.disconnected();
        assert_eq!(worker.plan(&execute(11)).send.first(), Some(&call));
        worker.transactions.decided(&call, &Fate::Done(15));
        worker.transactions.disconnected();
        assert_eq!(worker.plan(&execute(12)).send, []);
    }

    #[test]
    fn a_transaction_that_was_dropped_or_has_expired_is_sent_again() {
        let mut worker = Worker::new();
        worker.journal().record(entry(&task(JOB))).unwrap();
        let call = worker.plan(&execute(10)).send.remove(0);
        worker.transactions.sent(&call, 20);
        assert_eq!(worker.plan(&execute(20)).send, []);
        assert_eq!(worker.plan(&execute(21)).send.first(), Some(&call));
        worker.transactions.sent(&call, 90);
        worker.transactions.decided(&call, &Fate::Lost("dropped".into()));
        assert_eq!(worker.plan(&execute(21)).send, []);
        assert_eq!(worker.plan(&execute(22)).send, [call]);
    }

    #[test]
    fn a_refused_transaction_is_not_repeated_while_the_duty_stands() {
        let mut worker = Worker::new();
        worker.journal().record(entry(&task(JOB))).unwrap();
        let call = worker.plan(&execute(10)).send.remove(0);
        worker
            .transactions
            .decided(&call, &Fate::Refused(11, "Jobs::NotAssigned".into()));
        assert_eq!(worker.plan(&execute(12)), Plan::default());
        // Assigned to somebody else and back.
        assert_eq!(worker.plan(&view(13, [], &[JOB])), Plan::default());
        assert_eq!(worker.plan(&execute(14)).send, [call]);
    }

    #[test]
    fn an_answer_is_revealed_after_a_restart() {
        let mut worker = Worker::new();
        let entry = entry(&task(JOB));
        worker.journal().record(entry.clone()).unwrap();
        worker.restart();
        let plan = worker.plan(&reveal(20, &entry));
        assert_eq!(
            plan.send,
            [Call::Reveal {
                job: JOB,
                seal: entry.seal,
                header: entry.header
            }]
        );
    }

    #[test]
    fn a_reveal_without_a_fitting_seal_is_reported_and_nothing_is_sent() {
        let entry = entry(&task(JOB));
        let mut worker = Worker::new();
        let lost = Plan {
            lost_seals: vec![JOB],
            ..Plan::default()
        };
        assert_eq!(worker.plan(&reveal(20, &entry)), lost);
        let other = Entry {
            seal: H256::zero(),
            ..entry.clone()
        };
        worker.journal().record(other).unwrap();
        assert_eq!(worker.plan(&reveal(20, &entry)), lost);
        assert_ne!(sealed(&H256::zero(), &entry.header.root()), entry.sealed());
    }

    #[test]
    fn an_audit_is_computed_then_attested() {
        let audit = |number| view(number, [(Duty::Audit(task(JOB)), 100)], &[]);
        let mut worker = Worker::new();
        let work = worker.plan(&audit(10)).compute.remove(0);
        assert!(work.audit);
        let entry = entry(&work.task);
        worker.journal().record(entry.clone()).unwrap();
        let attestation = attestation(&me(), &entry.header.root());
        assert_eq!(worker.plan(&audit(11)).send, [Call::Attest { job: JOB, attestation }]);
    }

    #[test]
    fn an_answer_to_another_request_under_the_same_number_is_not_used() {
        let mut worker = Worker::new();
        let other = Task {
            sampling_key: H256::repeat_byte(9),
            ..task(JOB)
        };
        worker.journal().record(entry(&other)).unwrap();
        let plan = worker.plan(&execute(10));
        assert_eq!((plan.compute.len(), plan.send.len()), (1, 0));
    }

    #[test]
    fn what_can_not_be_done_in_time_is_not_begun() {
        let mut worker = Worker::new();
        assert_eq!(worker.plan(&execute(99)).compute.len(), 1);
        assert_eq!(worker.plan(&execute(100)), Plan::default());
        let mut worker = Worker::new();
        worker.journal().record(entry(&task(JOB))).unwrap();
        assert_eq!(worker.plan(&execute(99)).send.len(), 1);
        assert_eq!(worker.plan(&execute(100)), Plan::default());
    }

    #[test]
    fn the_most_urgent_computation_comes_first() {
        let duties = [(7, 90), (5, 80), (6, 80), (9, 85)].map(|(job, deadline)| (Duty::Execute(task(job)), deadline));
        let plan = Worker::new().plan(&view(10, duties, &[]));
        assert_eq!(
            plan.compute.iter().map(|work| work.task.job).collect::<Vec<_>>(),
            [5, 6, 9, 7]
        );
    }

    #[test]
    fn entries_are_kept_while_their_job_is_open_and_forgotten_after() {
        let mut worker = Worker::new();
        for job in [4, 5, 6] {
            worker.journal().record(entry(&task(job))).unwrap();
        }
        assert_eq!(worker.plan(&view(10, [], &[4, 6])).forget, [5]);
        assert_eq!(worker.plan(&view(11, [], &[])).forget, [4, 5, 6]);
    }

    #[test]
    fn the_seal_of_a_job_that_a_lagging_node_does_not_know_yet_is_kept() {
        let mut worker = Worker::new();
        let entry = entry(&task(JOB));
        worker.journal().record(entry.clone()).unwrap();
        let mut lagging = view(10, [], &[]);
        lagging.next_job = JOB;
        assert_eq!(worker.plan(&lagging), Plan::default());
        assert_eq!(worker.plan(&reveal(20, &entry)).send.len(), 1);
    }

    #[test]
    fn a_view_older_than_one_seen_before_is_waited_out() {
        let mut worker = Worker::new();
        worker.journal().record(entry(&task(JOB))).unwrap();
        assert_eq!(worker.plan(&execute(20)).send.len(), 1);
        assert_eq!(worker.try_plan(&view(19, [], &[])), None);
        assert_eq!(worker.try_plan(&execute(19)), None);
        assert_eq!(worker.plan(&execute(20)).send.len(), 1);
    }
}

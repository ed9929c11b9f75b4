// SPDX-License-Identifier: Apache-2.0
use super::*;
use ergon_primitives::{
    commitment::{sealed, Header, Leaf, Outcome, StopReason},
    request::DecodeSettings,
};
use ergon_worker_chain::Status;
use std::collections::BTreeSet;
use tempfile::TempDir;

const JOB: JobId = 4;

fn operator() -> AccountId {
    AccountId::from([1; 32])
}

/// Hot key of the operator's worker `number`.
fn hot(number: u8) -> AccountId {
    AccountId::from([100 + number; 32])
}

fn task(job: JobId) -> Task {
    Task {
        job,
        model: H256::repeat_byte(1),
        request_hash: H256::repeat_byte(2),
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
        status: Some(Status::Active),
        hot_keys: vec![hot(0)],
        due,
        open,
    }
}

/// The same where the operator has so many workers.
fn shared(workers: u8, view: View) -> View {
    let hot_keys = (0..workers).map(hot).collect();
    View { hot_keys, ..view }
}

fn execute(number: BlockNumber) -> View {
    view(number, [(Duty::Execute(task(JOB)), 100)], &[])
}

fn reveal(number: BlockNumber, entry: &Entry) -> View {
    view(
        number,
        [(
            Duty::Reveal {
                answer: entry.header.answer_id,
                sealed: entry.sealed(),
            },
            100,
        )],
        &[],
    )
}

struct Worker {
    me: Identity,
    folder: TempDir,
    journal: Option<Journal>,
    memory: Memory,
}

impl Worker {
    fn new() -> Self {
        Self::number(0)
    }

    /// The operator's worker of this number.
    fn number(number: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Some(Journal::open(folder.path()).unwrap());
        Self {
            me: Identity {
                operator: operator(),
                hot: hot(number),
            },
            folder,
            journal,
            memory: Memory::default(),
        }
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    fn restart(&mut self) {
        self.journal = None;
        self.journal = Some(Journal::open(self.folder.path()).unwrap());
        self.memory = Memory::default();
    }

    fn plan(&mut self, view: &View) -> Plan {
        self.try_plan(view).unwrap()
    }

    /// The jobs that it would compute.
    fn jobs(&mut self, view: &View) -> Vec<JobId> {
        self.plan(view).compute.iter().map(|work| work.task.job).collect()
    }

    fn try_plan(&mut self, view: &View) -> Option<Plan> {
        plan(&self.me, view, self.journal.as_ref().unwrap(), &mut self.memory)
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

    worker.memory.transactions.sent(&expected, 70);
    assert_eq!(worker.plan(&execute(12)), Plan::default());
    // It succeeded in block 14, but the next view is still of block 13.
    worker.memory.transactions.decided(&expected, &Fate::Done(14));
    assert_eq!(worker.plan(&execute(13)), Plan::default());
    assert_eq!(worker.plan(&view(14, [], &[JOB])), Plan::default());
}

#[test]
fn a_restart_between_computing_and_submitting_sends_the_same_answer() {
    let mut worker = Worker::new();
    worker.journal().record(entry(&task(JOB))).unwrap();
    let before = worker.plan(&execute(10)).send;
    worker.memory.transactions.sent(&before[0], 70);
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
    worker.memory.transactions.sent(&call, 70);
    worker.memory.transactions.connected(12);
    // The best block may have it already, and the next one takes what waits in the pool.
    assert_eq!(worker.plan(&execute(12)).send, []);
    assert_eq!(worker.plan(&execute(13)).send.first(), Some(&call));
    worker.memory.transactions.decided(&call, &Fate::Done(15));
    worker.memory.transactions.connected(13);
    assert_eq!(worker.plan(&execute(14)).send, []);
}

#[test]
fn what_a_process_before_this_one_may_have_sent_is_not_sent_before_its_fate_shows() {
    let mut restarted = Worker::new();
    restarted.journal().record(entry(&task(JOB))).unwrap();
    restarted.memory.transactions.connected(12);
    assert_eq!(restarted.plan(&execute(10)).send, []);
    assert_eq!(restarted.plan(&execute(12)).send, []);
    assert_eq!(restarted.plan(&execute(13)).send.len(), 1);
}

#[test]
fn a_transaction_that_was_dropped_or_has_expired_is_sent_again() {
    let mut worker = Worker::new();
    worker.journal().record(entry(&task(JOB))).unwrap();
    let call = worker.plan(&execute(10)).send.remove(0);
    worker.memory.transactions.sent(&call, 20);
    assert_eq!(worker.plan(&execute(20)).send, []);
    assert_eq!(worker.plan(&execute(21)).send.first(), Some(&call));
    worker.memory.transactions.sent(&call, 90);
    worker.memory.transactions.decided(&call, &Fate::Lost("dropped".into()));
    assert_eq!(worker.plan(&execute(21)).send, []);
    assert_eq!(worker.plan(&execute(22)).send, [call]);
}

#[test]
fn a_refused_transaction_is_not_repeated_while_the_duty_stands() {
    let mut worker = Worker::new();
    worker.journal().record(entry(&task(JOB))).unwrap();
    let call = worker.plan(&execute(10)).send.remove(0);
    worker
        .memory
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
    let attestation = attestation(&operator(), &entry.header.root());
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
    assert_eq!(Worker::new().jobs(&view(10, duties, &[])), [5, 6, 9, 7]);
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

/// As of block `number`: executions and audits by turns, all due at 100, the jobs numbered from 1.
fn eight_duties(number: BlockNumber) -> View {
    let duty = |job: JobId| match job % 4 < 2 {
        true => Duty::Execute(task(job)),
        false => Duty::Audit(task(job)),
    };
    view(number, (1..=8).map(|job| (duty(job), 100)), &[])
}

#[test]
fn workers_of_one_operator_share_its_executions_and_audits() {
    let view = shared(3, eight_duties(10));
    let jobs = [0, 1, 2].map(|number| Worker::number(number).jobs(&view));
    assert_eq!(jobs, [vec![3, 6], vec![1, 4, 7], vec![2, 5, 8]]);
}

#[test]
fn a_dead_workers_duties_are_taken_over_after_half_of_the_time() {
    let mut survivor = Worker::number(0);
    for number in [10, 54] {
        assert_eq!(survivor.jobs(&shared(2, eight_duties(number))), [2, 4, 6, 8]);
    }
    // Its own come first, since the other one may only be slow.
    assert_eq!(survivor.jobs(&shared(2, eight_duties(55))), [2, 4, 6, 8, 1, 3, 5, 7]);
    // What is left by the deadline is everybody's.
    assert_eq!(
        Worker::number(0).jobs(&shared(2, eight_duties(99))),
        [2, 4, 6, 8, 1, 3, 5, 7]
    );
}

#[test]
fn half_of_the_time_counts_anew_for_each_duty() {
    let mut worker = Worker::number(1);
    let due = |number, duty, deadline| shared(2, view(number, [(duty, deadline)], &[]));
    let (execution, audit) = (|| Duty::Execute(task(JOB)), || Duty::Audit(task(JOB)));
    assert!(worker.jobs(&due(10, execution(), 30)).is_empty());
    assert_eq!(worker.jobs(&due(20, execution(), 30)), [JOB]);
    // Drawn again, with another deadline; then for something else.
    assert!(worker.jobs(&due(21, execution(), 41)).is_empty());
    assert!(worker.jobs(&due(31, audit(), 41)).is_empty());
    assert_eq!(worker.jobs(&due(36, audit(), 41)), [JOB]);
}

#[test]
fn what_was_begun_is_finished_when_another_worker_joins() {
    let mut worker = Worker::new();
    let duties = |number| view(number, [1, 3].map(|job| (Duty::Execute(task(job)), 100)), &[]);
    assert_eq!(worker.jobs(&duties(10)), [1, 3]);
    worker.memory.share.begin(1);
    assert_eq!(worker.jobs(&shared(2, duties(11))), [1]);
    assert_eq!(Worker::number(1).jobs(&shared(2, duties(11))), [1, 3]);
}

#[test]
fn a_result_in_the_journal_is_sent_whoever_the_duty_belongs_to() {
    for duty in [Duty::Execute(task(JOB)), Duty::Audit(task(JOB))] {
        let mut worker = Worker::number(1);
        worker.journal().record(entry(&task(JOB))).unwrap();
        assert_eq!(worker.plan(&shared(2, view(10, [(duty, 100)], &[]))).send.len(), 1);
    }
}

#[test]
fn only_the_worker_that_answered_reveals_and_the_other_one_does_not_complain_in_time() {
    let entry = entry(&task(JOB));
    // Worker 1 has answered, though the job belonged to worker 0.
    let (mut idle, mut answered) = (Worker::number(0), Worker::number(1));
    answered.journal().record(entry.clone()).unwrap();
    let due = |number| shared(2, reveal(number, &entry));
    let sent = answered.plan(&due(20)).send;
    assert!(matches!(sent[..], [Call::Reveal { seal, .. }] if seal == entry.seal));
    assert_eq!(idle.plan(&due(20)), Plan::default());
    assert_eq!(idle.plan(&due(59)), Plan::default());
    assert_eq!(idle.plan(&due(60)).lost_seals, [JOB]);
}

#[test]
fn a_worker_whose_key_is_not_the_operators_has_nothing_to_compute() {
    let mut worker = Worker::number(7);
    for number in [10, 99] {
        assert_eq!(worker.plan(&shared(2, eight_duties(number))), Plan::default());
        assert_eq!(worker.plan(&shared(0, eight_duties(number))), Plan::default());
    }
}

#[test]
fn a_suspended_operator_is_resumed_once_and_one_that_drains_is_not() {
    let with = |number, status| View {
        status: Some(status),
        ..view(number, [], &[])
    };
    let mut worker = Worker::new();
    assert_eq!(worker.plan(&with(10, Status::Draining)), Plan::default());
    assert_eq!(worker.plan(&with(11, Status::Jailed)), Plan::default());
    let suspended = Status::Suspended { until: 14 };
    assert_eq!(
        worker.plan(&with(12, suspended)),
        Plan::default(),
        "the next block is too early"
    );
    assert_eq!(worker.plan(&with(13, suspended)).send, [Call::Resume]);
    worker.memory.transactions.sent(&Call::Resume, 70);
    assert_eq!(worker.plan(&with(14, suspended)), Plan::default());
    // Its key is not the operator's.
    assert_eq!(Worker::number(7).plan(&with(13, suspended)), Plan::default());
}

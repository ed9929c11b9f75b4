// SPDX-License-Identifier: Apache-2.0
//! Whatever anyone does, in whatever order, the invariants hold and every job comes to an end.
use crate::{mock::*, Agenda, Event, Job, NextJob, State};
use ergon_primitives::{
    commitment::{attestation, sealed, Header, Outcome, RejectReason},
    request::DecodeSettings,
    traits::Source,
    JobId, Units, H256,
};
use pallet_audits::AuditParameters;
use proptest::prelude::*;
use std::collections::BTreeSet;

type JobOf = Job<AccountId, u64>;

#[derive(Clone, Debug)]
enum Action {
    /// To one of the models; some prompts repeat.
    Submit {
        model: u8,
        prompt: u8,
        seed: Option<u64>,
    },
    Blocks(u8),
    /// Who may call these is drawn as well.
    Answer {
        job: u8,
        by_executor: bool,
        kind: Kind,
    },
    Attest {
        job: u8,
        auditor: u8,
        honest: bool,
    },
    Reveal {
        job: u8,
        by_executor: bool,
        kind: Kind,
    },
    Cancel {
        job: u8,
        requester: bool,
    },
    /// Operators come and go.
    Serve(u8),
    /// Nobody has room for audits, or everybody.
    Audit(bool),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Honest,
    Wrong,
    Rejected,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![10 => Just(Kind::Honest), 1 => Just(Kind::Wrong), 1 => Just(Kind::Rejected)]
}

fn action() -> impl Strategy<Value = Action> {
    let often = || proptest::bool::weighted(0.9);
    prop_oneof![
        4 => (0..4u8, 0..6u8, prop::option::of(0..2u64)).prop_map(|(model, prompt, seed)| Action::Submit { model, prompt, seed }),
        8 => (1..4u8).prop_map(Action::Blocks),
        8 => (any::<u8>(), often(), kind()).prop_map(|(job, by_executor, kind)| Action::Answer { job, by_executor, kind }),
        8 => (any::<u8>(), 0..2u8, often()).prop_map(|(job, auditor, honest)| Action::Attest { job, auditor, honest }),
        8 => (any::<u8>(), often(), kind()).prop_map(|(job, by_executor, kind)| Action::Reveal { job, by_executor, kind }),
        1 => (any::<u8>(), often()).prop_map(|(job, requester)| Action::Cancel { job, requester }),
        1 => (1..6u8).prop_map(Action::Serve),
        1 => any::<bool>().prop_map(Action::Audit),
    ]
}

/// What somebody might compute for a job. Before its first assignment nobody knows the key, so nothing fits.
fn header(id: JobId, kind: Kind) -> Header {
    let Some(job) = Jobs::job(id).filter(|job| job.sampling_key.is_some()) else {
        return Header::new(H256::zero(), 5, COMPLETED, OUTPUT, &[]);
    };
    let honest = honest_header(id);
    match kind {
        Kind::Honest => honest,
        Kind::Wrong => Header {
            leaves: job.request_hash,
            ..honest
        },
        Kind::Rejected => Header::new(
            honest.answer_id,
            0,
            Outcome::Rejected(RejectReason::InvalidPrompt),
            b"",
            &[],
        ),
    }
}

/// A job for which the action makes sense if there is one, any other if not.
fn pick(number: u8, fits: impl Fn(&JobOf) -> bool) -> JobId {
    let mut jobs: Vec<_> = crate::Jobs::<Test>::iter()
        .filter(|(_, job)| fits(job))
        .map(|(id, _)| id)
        .collect();
    jobs.sort();
    let any = u64::from(number) % NextJob::<Test>::get().max(1);
    jobs.get(usize::from(number) % jobs.len().max(1))
        .copied()
        .unwrap_or(any)
}

fn is_attested(job: &JobOf) -> bool {
    job.answer.as_ref().is_some_and(|answer| answer.attested)
}

fn caller(id: JobId, by_executor: bool) -> RuntimeOrigin {
    let executor = Jobs::job(id).and_then(|job| job.executor).filter(|_| by_executor);
    signed(hot(executor.unwrap_or(1)))
}

/// Does it; a refused call must change nothing.
fn act(action: Action) {
    let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
    let refused = match action {
        Action::Submit {
            model,
            prompt: number,
            seed,
        } => {
            let model = [MODEL, OTHER, BUSY, H256::zero()][usize::from(model)];
            let settings = DecodeSettings::greedy(4);
            // Two requesters with a share of their own, and a newcomer.
            let requester = REQUESTER + u64::from(number) % 3;
            Jobs::submit(signed(requester), model, prompt(u64::from(number)), settings, seed).is_err()
        }
        Action::Answer { job, by_executor, kind } => {
            let id = pick(job, |job| job.state == State::Assigned);
            let header = header(id, kind);
            let output = if matches!(header.outcome, Outcome::Completed(_)) {
                OUTPUT
            } else {
                b""
            };
            let (output, seal) = (output.to_vec().try_into().unwrap(), sealed(&SEAL, &header.root()));
            let (prompt, tokens, outcome) = (header.prompt_tokens, header.output_tokens, header.outcome);
            Jobs::submit_result(caller(id, by_executor), id, output, prompt, tokens, outcome, seal).is_err()
        }
        Action::Attest { job, auditor, honest } => {
            let id = pick(job, |job| job.state == State::Auditing && !is_attested(job));
            let auditor = auditors(id).get(usize::from(auditor)).copied().unwrap_or(2);
            let root = header(id, if honest { Kind::Honest } else { Kind::Wrong }).root();
            Audits::attest(signed(hot(auditor)), id, attestation(&auditor, &root)).is_err()
        }
        Action::Reveal { job, by_executor, kind } => {
            let id = pick(job, |job| job.state == State::Auditing && is_attested(job));
            Jobs::reveal(caller(id, by_executor), id, SEAL, header(id, kind)).is_err()
        }
        Action::Cancel { job, requester } => {
            let id = pick(job, |job| matches!(job.state, State::Queued | State::Assigned));
            let asked = Jobs::job(id).map_or(REQUESTER, |job| job.requester);
            Jobs::cancel(signed(if requester { asked } else { 1 }), id).is_err()
        }
        Action::Blocks(count) => {
            run_to(System::block_number() + u64::from(count));
            false
        }
        Action::Serve(count) => {
            Operators::set(&(1..=u64::from(count)).collect());
            false
        }
        Action::Audit(free) => {
            BusyAuditors::set(&if free { vec![] } else { (1..=9).collect() });
            false
        }
    };
    if refused {
        assert_eq!(
            before,
            sp_io::storage::root(sp_runtime::StateVersion::V1),
            "a refused call changed the storage"
        );
    }
}

/// Units reserved for each job: 8 prompt tokens of 1 and 4 output tokens of 10.
const RESERVED: Units = 48;

/// What the jobs cost their requester: settled ones their units, and those taken back from an executor everything.
fn cost(events: &[Event<Test>]) -> Units {
    let (mut assigned, mut rejected, mut cost) = (BTreeSet::new(), BTreeSet::new(), 0);
    for event in events {
        match event {
            Event::Assigned { job, .. } => drop(assigned.insert(*job)),
            Event::Reassigned { job, .. } => drop(assigned.remove(job)),
            Event::Settled { .. } => cost += UNITS,
            // A rejection takes no units.
            Event::Unaudited { job, .. } if !rejected.contains(job) => cost += UNITS,
            Event::Answered {
                job,
                outcome: Outcome::Rejected(_),
                ..
            } => drop(rejected.insert(*job)),
            Event::Cancelled { job } if assigned.contains(job) => cost += RESERVED,
            _ => {}
        }
    }
    cost
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_sequence_of_actions_keeps_the_invariants_and_ends(actions in prop::collection::vec(action(), 1..120)) {
        let audits = AuditParameters { auditors_per_job: 2, max_redraws: 1, ..Default::default() };
        Chain { audits, ..Default::default() }.build_and_execute(|| {
            Shareless::set(&vec![REQUESTER + 2]);
            for action in actions {
                act(action);
                check_invariants();
            }
            // The longest that can follow: the queue, three deadlines, an audit with a redraw, the reveal, the retention, and the backlog.
            run_to(System::block_number() + 400);
            check_invariants();
            assert_eq!(crate::Jobs::<Test>::iter().count() + Agenda::<Test>::iter().count(), 0, "nothing is kept");
            assert!(InFlight::get().is_empty() && Owed::get().is_empty(), "every drawing was discharged, once");

            let events = take_events();
            let credited = events.iter().filter(|event| matches!(event, Event::Settled { credited: 1.., .. })).count();
            let job_credits = Credits::get().iter().filter(|(_, source, _)| *source == Source::Job).count();
            assert_eq!(job_credits, credited, "only settled jobs are credited");
            let ends = events.iter().filter_map(|event| match event {
                Event::Settled { job, .. } | Event::Rejected { job, .. } | Event::Unaudited { job, .. } => Some(*job),
                Event::Disputed { job, .. } => Some(*job),
                Event::Voided { job, .. } | Event::Expired { job } | Event::Cancelled { job } => Some(*job),
                _ => None,
            });
            let ends: Vec<_> = ends.collect();
            assert_eq!(ends.len() as u64, NextJob::<Test>::get(), "every job ends");
            assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), ends.len(), "no job ends twice");
            assert!(Reserved::get().is_empty(), "nothing stays reserved");
            assert_eq!((Reservations::get(), Used::get()), (RESERVED * NextJob::<Test>::get(), cost(&events)));
            assert_eq!(Reservations::get(), Used::get() + GivenBack::get(), "every reservation is settled, once");
        });
    }
}

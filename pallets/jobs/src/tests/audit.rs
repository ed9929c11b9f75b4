// SPDX-License-Identifier: Apache-2.0
//! From the answer to the reveal: the real audits pallet, driven by this one.
use crate::{mock::*, Event, State};
use ergon_primitives::commitment::attestation;
use frame_support::{assert_noop, assert_ok};
use pallet_audits::AuditParameters;
use sp_runtime::Permill;

fn with_auditors(auditors_per_job: u32) -> Chain {
    Chain {
        audits: AuditParameters {
            auditors_per_job,
            max_redraws: 1,
            ..Default::default()
        },
        ..Default::default()
    }
}

/// One answer in so many percent is audited.
fn seldom(percent: u32) -> Chain {
    let audits = AuditParameters {
        rate: Permill::from_percent(percent),
        ..Default::default()
    };
    Chain {
        audits,
        ..Default::default()
    }
}

#[test]
fn auditors_are_drawn_some_blocks_after_the_answer() {
    with_auditors(2).build_and_execute(|| {
        // Block 3.
        let id = assigned();
        assert_ok!(answer(id));
        run_to(5);
        assert_eq!(state(id), State::Answered);
        assert!(auditors(id).is_empty());
        take_events();
        run_to(6);
        assert_eq!(state(id), State::Auditing);
        assert_eq!(take_events(), vec![Event::AuditorsDrawn { job: id, auditors: 2 }]);
        assert_eq!(auditors(id).len(), 2);
        assert!(!auditors(id).contains(&executor(id)));
        // By the bound of 48 units, whatever the executor says that it took.
        assert_eq!(job(id).due, Some(6 + 4 + 2));
    });
}

#[test]
fn the_executor_is_to_reveal_when_all_have_attested() {
    with_auditors(2).build_and_execute(|| {
        // Block 6.
        let id = auditing();
        let root = honest_header(id).root();
        let [first, second] = auditors(id).try_into().unwrap();
        run_to(8);
        take_events();
        assert_ok!(Audits::attest(signed(hot(first)), id, attestation(&first, &root)));
        assert!(take_events().is_empty());
        assert_ok!(Audits::attest(signed(hot(second)), id, attestation(&second, &root)));
        assert_eq!(
            take_events(),
            vec![Event::RevealDue {
                job: id,
                operator: executor(id),
                deadline: 14
            }]
        );
        assert!(job(id).answer.unwrap().attested);
        assert_eq!(job(id).due, Some(14));
    });
}

#[test]
fn a_silent_auditor_is_replaced_and_the_job_settles() {
    Chain::default().build_and_execute(|| {
        // Drawn in block 6, due in block 12.
        let id = auditing();
        let silent = auditors(id)[0];
        run_to(11);
        assert_eq!(auditors(id), vec![silent]);
        run_to(12);
        let second = auditors(id)[0];
        assert_ne!(second, silent);
        assert_eq!(Missed::get(), vec![silent]);
        assert_eq!(job(id).due, Some(18));
        attest_all(id, &honest_header(id));
        assert_ok!(reveal(id));
        assert_eq!((state(id), job(id).credited), (State::Settled, UNITS));
    });
}

#[test]
fn an_answer_that_nobody_attested_is_unaudited_and_earns_nothing() {
    Chain::default().build_and_execute(|| {
        // Auditors are drawn in blocks 6 and 12; nobody says anything.
        let id = auditing();
        run_to(17);
        assert!(!job(id).answer.unwrap().attested);
        run_to(18);
        assert!(job(id).answer.unwrap().attested);
        assert_eq!(Missed::get().len(), 2);
        take_events();
        let (operator, root) = (executor(id), honest_header(id).root());
        assert_ok!(reveal(id));
        let unaudited = Event::Unaudited { job: id, operator };
        assert_eq!(
            take_events(),
            vec![
                Event::Revealed {
                    job: id,
                    operator,
                    root
                },
                unaudited
            ]
        );
        assert!(Credits::get().is_empty());
    });
}

#[test]
fn an_answer_that_chance_leaves_out_is_unaudited_and_earns_nothing() {
    seldom(1).build_and_execute(|| {
        // Block 6.
        let id = auditing();
        let drawn = Event::AuditorsDrawn { job: id, auditors: 0 };
        let due = Event::RevealDue {
            job: id,
            operator: executor(id),
            deadline: 12,
        };
        assert!(take_events().ends_with(&[drawn, due]));
        assert_ok!(reveal(id));
        assert_eq!((state(id), job(id).credited), (State::Unaudited, 0));
        assert!(Credits::get().is_empty());
    });
}

#[test]
fn a_sole_operator_is_audited_by_nobody() {
    Chain::default().build_and_execute(|| {
        Operators::set(&vec![1]);
        let id = auditing();
        assert!(job(id).answer.unwrap().attested);
        assert_ok!(reveal(id));
        assert_eq!((state(id), job(id).credited), (State::Unaudited, 0));
    });
}

#[test]
fn every_auditor_is_credited_the_units_of_the_job() {
    with_auditors(2).build_and_execute(|| {
        let id = attested();
        let drawn = auditors(id);
        let operator = executor(id);
        assert_ok!(reveal(id));
        use ergon_primitives::traits::Source::{Audit, Job};
        assert_eq!(
            Credits::get(),
            vec![
                (operator, Job, UNITS),
                (drawn[0], Audit, UNITS),
                (drawn[1], Audit, UNITS)
            ]
        );
        assert_eq!(Audits::audit(id), None);
        assert_noop!(
            Audits::attest(signed(hot(drawn[0])), id, Default::default()),
            pallet_audits::Error::<Test>::UnknownAudit
        );
    });
}

#[test]
fn an_answer_waits_for_auditors_with_room_and_goes_on_without_when_none_has_for_long() {
    Chain::default().build_and_execute(|| {
        BusyAuditors::set(&vec![1, 2, 3]);
        // Answered in block 3; auditors are looked for in blocks 6, 9 and so on.
        let id = assigned();
        assert_ok!(answer(id));
        run_to(6);
        assert_eq!((state(id), job(id).due), (State::Answered, Some(9)));
        BusyAuditors::set(&vec![]);
        run_to(8);
        assert_eq!(state(id), State::Answered);
        run_to(9);
        assert_eq!((state(id), auditors(id).len()), (State::Auditing, 1));
        attest_all(id, &honest_header(id));
        assert_ok!(reveal(id));
        assert_eq!((state(id), job(id).answer.unwrap().matching), (State::Settled, 1));

        BusyAuditors::set(&vec![1, 2, 3]);
        let id = assigned();
        assert_ok!(answer(id));
        let answered = System::block_number();
        // It is looked for after 3, 6 and 9 blocks, and then after half of the time more.
        run_to(answered + 12);
        assert_eq!(state(id), State::Answered);
        run_to(answered + 13);
        assert_eq!((state(id), auditors(id).len()), (State::Auditing, 0));
        assert_ok!(reveal(id));
        assert_eq!((state(id), job(id).credited), (State::Unaudited, 0));
        assert!(Missed::get().is_empty(), "being busy is no miss");
    });
}

#[test]
fn a_sampled_answer_counts_for_all_that_it_stands_for_and_a_newcomers_once() {
    seldom(25).build_and_execute(|| {
        Newcomers::set(&vec![(1, 0)]);
        let (mut sampled, mut forced) = (0, 0);
        for _ in 0..40 {
            let id = auditing();
            attest_all_if_any(id);
            assert_ok!(reveal(id));
            let credited = job(id).credited;
            match (executor(id), state(id)) {
                (1, State::Settled) => {
                    forced += 1;
                    assert_eq!(credited, UNITS);
                }
                (_, State::Settled) => {
                    sampled += 1;
                    assert_eq!(credited, 4 * UNITS);
                }
                (_, end) => assert_eq!((end, credited), (State::Unaudited, 0)),
            }
        }
        assert!(sampled > 0 && forced > 0);
    });
}

fn attest_all_if_any(id: u64) {
    if !auditors(id).is_empty() {
        attest_all(id, &honest_header(id));
    }
}

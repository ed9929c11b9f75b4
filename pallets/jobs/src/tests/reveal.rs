// SPDX-License-Identifier: Apache-2.0
//! The reveal and what it settles.
use crate::{mock::*, Error, Event, Headers, JobParameters, State};
use ergon_primitives::{
    commitment::{output_hash, sealed, Header, Outcome, RejectReason, StopReason},
    request::DecodeSettings,
    traits::Source,
    JobId, H256,
};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResultWithPostInfo};

/// Answers a job with this header, has it attested, and reveals it.
fn answer_and_reveal(id: JobId, header: &Header) -> DispatchResultWithPostInfo {
    assert_ok!(answer_as(hot(executor(id)), id, header));
    run_to(System::block_number() + 3);
    attest_all(id, header);
    Jobs::reveal(signed(hot(executor(id))), id, SEAL, header.clone())
}

#[test]
fn a_checked_answer_settles_and_is_credited() {
    Chain::default().build_and_execute(|| {
        let id = attested();
        let (operator, auditor) = (executor(id), auditors(id)[0]);
        take_events();
        assert_ok!(reveal(id));
        let header = honest_header(id);
        let revealed = Event::Revealed {
            job: id,
            operator,
            root: header.root(),
        };
        assert_eq!(
            take_events(),
            vec![
                revealed,
                Event::Settled {
                    job: id,
                    operator,
                    auditors: 1,
                    credited: UNITS
                }
            ]
        );
        assert_eq!((state(id), job(id).credited), (State::Settled, UNITS));
        assert_eq!(
            Credits::get(),
            vec![(operator, Source::Job, UNITS), (auditor, Source::Audit, UNITS)]
        );
        assert_eq!(Jobs::header(id), Some(header));
        assert!(Jobs::jobs_of(operator).is_empty());
        assert_noop!(reveal(id), Error::<Test>::WrongState);
    });
}

#[test]
fn nothing_is_revealed_before_all_have_attested() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        assert_noop!(reveal(id), Error::<Test>::WrongState);
        assert_ok!(answer(id));
        assert_noop!(reveal(id), Error::<Test>::TooEarly);
        run_to(6);
        assert_eq!(state(id), State::Auditing);
        assert_noop!(reveal(id), Error::<Test>::TooEarly);
        attest_all(id, &honest_header(id));
        assert_ok!(reveal(id));
    });
}

#[test]
fn only_the_executor_reveals() {
    Chain::default().build_and_execute(|| {
        let id = attested();
        let header = honest_header(id);
        let by = |who, id| Jobs::reveal(signed(who), id, SEAL, header.clone());
        assert_noop!(by(REQUESTER, id), Error::<Test>::NotAWorker);
        assert_noop!(by(hot(auditors(id)[0]), id), Error::<Test>::NotAssignedToYou);
        assert_noop!(by(hot(executor(id)), id + 1), Error::<Test>::UnknownJob);
    });
}

#[test]
fn a_reveal_must_fit_the_seal() {
    Chain::default().build_and_execute(|| {
        let id = attested();
        let header = honest_header(id);
        let other = Header {
            leaves: H256::zero(),
            ..header.clone()
        };
        let by = |seal, header| Jobs::reveal(signed(hot(executor(id))), id, seal, header);
        assert_noop!(by(H256::zero(), header.clone()), Error::<Test>::RevealDoesNotFitSeal);
        assert_noop!(by(SEAL, other), Error::<Test>::RevealDoesNotFitSeal);
        assert_ok!(by(SEAL, header));
    });
}

#[test]
fn a_header_must_say_what_was_published() {
    let changes: [fn(&mut Header); 5] = [
        |header| header.answer_id = H256::zero(),
        |header| header.prompt_tokens = 6,
        |header| header.output_tokens = 3,
        |header| header.outcome = Outcome::Completed(StopReason::Length),
        |header| header.output_hash = output_hash(b"London"),
    ];
    for change in changes {
        Chain::default().build_and_execute(|| {
            let id = assigned();
            let honest = honest_header(id);
            let mut header = honest.clone();
            change(&mut header);
            // The seal is of the other header, the rest of the result is honest.
            let (output, seal) = (OUTPUT.to_vec().try_into().unwrap(), sealed(&SEAL, &header.root()));
            assert_ok!(Jobs::submit_result(
                signed(hot(executor(id))),
                id,
                output,
                5,
                2,
                COMPLETED,
                seal
            ));
            run_to(6);
            attest_all(id, &honest);
            let reveal = Jobs::reveal(signed(hot(executor(id))), id, SEAL, header.clone());
            assert_noop!(reveal, Error::<Test>::HeaderMismatch);
            // Nothing helps it: the executor hides what the auditor attested.
            run_to(12);
            assert_eq!(state(id), State::Disputed);
        });
    }
}

#[test]
fn a_mismatch_disputes_the_job_credits_nothing_and_keeps_everything() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let honest = honest_header(id);
        let wrong = Header {
            leaves: H256::repeat_byte(0xBA),
            ..honest.clone()
        };
        assert_ok!(answer_as(hot(executor(id)), id, &wrong));
        run_to(6);
        attest_all(id, &honest);
        let (operator, auditor) = (executor(id), auditors(id)[0]);
        take_events();
        assert_ok!(Jobs::reveal(signed(hot(operator)), id, SEAL, wrong.clone()));
        let revealed = Event::Revealed {
            job: id,
            operator,
            root: wrong.root(),
        };
        assert_eq!(
            take_events(),
            vec![
                revealed,
                Event::Disputed {
                    job: id,
                    operator,
                    auditor
                }
            ]
        );
        assert!(Jobs::jobs_of(operator).is_empty());
        // In block 6. Any other job would be forgotten in block 56, this one is in block 86.
        run_to(85);
        assert_eq!((state(id), job(id).credited), (State::Disputed, 0));
        assert!(Credits::get().is_empty());
        assert_eq!(Jobs::header(id), Some(wrong));
        assert!(Jobs::input(id).is_some() && Jobs::output(id).is_some());
        assert!(Audits::audit(id).unwrap().auditors[0].attestation.is_some());
        assert_noop!(Jobs::cancel(signed(REQUESTER), id), Error::<Test>::TooLateToCancel);
        // Both stand by what they said until then.
        let mut parties = [operator, auditor];
        let mut owed = Owed::get();
        parties.sort();
        owed.sort();
        assert_eq!(owed, parties);
        take_events();
        run_to(86);
        assert_eq!(take_events(), vec![Event::Pruned { job: id }]);
        assert_eq!((Jobs::job(id), Jobs::header(id), Audits::audit(id)), (None, None, None));
        assert!(Jobs::input(id).is_none() && Jobs::output(id).is_none() && Owed::get().is_empty());
    });
}

#[test]
fn silence_after_an_attestation_is_a_dispute() {
    Chain::default().build_and_execute(|| {
        // Attested in block 6, to be revealed before block 12.
        let id = attested();
        let operator = executor(id);
        run_to(11);
        assert_eq!(state(id), State::Auditing);
        take_events();
        run_to(12);
        let auditor = Audits::audit(id).unwrap().auditors[0].operator;
        let disputed = Event::Disputed {
            job: id,
            operator,
            auditor,
        };
        assert_eq!(take_events(), vec![disputed]);
        assert_eq!(state(id), State::Disputed);
        assert_eq!(
            (Missed::get(), Kept::get().contains(&operator)),
            (vec![operator], false)
        );
        assert!(Credits::get().is_empty());
        assert_noop!(reveal(id), Error::<Test>::WrongState);
        assert_noop!(answer(id), Error::<Test>::AlreadyAnswered);
    });
}

#[test]
fn silence_that_hides_nothing_voids_the_job() {
    Chain::default().build_and_execute(|| {
        // Nobody else serves the model, so there is no auditor. Answered in block 3, to be revealed from block 6 to block 11.
        Operators::set(&vec![1]);
        let id = assigned();
        assert_ok!(answer(id));
        run_to(11);
        assert_eq!(state(id), State::Auditing);
        take_events();
        run_to(12);
        assert_eq!(take_events(), vec![Event::Voided { job: id, operator: 1 }]);
        assert_eq!((state(id), Missed::get()), (State::Voided, vec![1]));
        assert!(Kept::get().is_empty());
        assert_noop!(reveal(id), Error::<Test>::WrongState);
    });
}

#[test]
fn an_executor_has_kept_its_word_when_the_job_settles() {
    Chain::default().build_and_execute(|| {
        let id = attested();
        let operator = executor(id);
        assert!(!Kept::get().contains(&operator));
        assert_ok!(reveal(id));
        assert!(Kept::get().contains(&operator));
    });
}

#[test]
fn a_rejection_is_audited_like_an_answer_and_counts_nothing() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let operator = executor(id);
        let reason = RejectReason::InvalidPrompt;
        let name = honest_header(id).answer_id;
        let header = Header::new(name, 0, Outcome::Rejected(reason), b"", &[]);
        let seal = sealed(&SEAL, &header.root());
        let none = Default::default();
        assert_ok!(Jobs::submit_result(
            signed(hot(operator)),
            id,
            none,
            0,
            0,
            Outcome::Rejected(reason),
            seal
        ));
        run_to(6);
        attest_all(id, &header);
        take_events();
        assert_ok!(Jobs::reveal(signed(hot(operator)), id, SEAL, header.clone()));
        let revealed = Event::Revealed {
            job: id,
            operator,
            root: header.root(),
        };
        assert_eq!(
            take_events(),
            vec![
                revealed,
                Event::Rejected {
                    job: id,
                    operator,
                    auditors: 1,
                    reason
                }
            ]
        );
        assert_eq!((state(id), job(id).credited), (State::Rejected, 0));
        assert!(Credits::get().is_empty() && Missed::get().is_empty());
    });
}

#[test]
fn a_repeated_prompt_is_credited_once_whatever_the_settings() {
    Chain::default().build_and_execute(|| {
        // Settles, and what was credited.
        let ask = |model, settings, seed| {
            let id = crate::NextJob::<Test>::get();
            assert_ok!(Jobs::submit(signed(REQUESTER), model, prompt(7), settings, seed));
            run_to(System::block_number() + 2);
            assert_ok!(answer_and_reveal(id, &honest_header(id)));
            assert_eq!(state(id), State::Settled);
            job(id).credited
        };
        let greedy = || DecodeSettings::greedy(4);
        assert_eq!(ask(MODEL, greedy(), None), UNITS);
        let variants: [(fn(&mut DecodeSettings), _); 7] = [
            (|_| (), None),
            (|_| (), Some(3)),
            (|settings| settings.max_tokens = 5, None),
            (|settings| settings.temperature_milli = 700, None),
            (|settings| settings.top_k = 9, None),
            (|settings| settings.top_p_milli = 900, None),
            (
                |settings| settings.stop = vec![b"x".to_vec().try_into().unwrap()].try_into().unwrap(),
                None,
            ),
        ];
        for (change, seed) in variants {
            let mut settings = greedy();
            change(&mut settings);
            assert_eq!(ask(MODEL, settings, seed), 0);
        }
        assert_eq!(Credits::get().len(), 2);
        // Another model computes something else.
        assert_eq!(ask(OTHER, greedy(), None), UNITS);
    });
}

#[test]
fn a_model_that_too_few_serve_earns_no_weight() {
    let jobs = JobParameters {
        min_serving: 4,
        ..Chain::default().jobs
    };
    Chain {
        jobs,
        ..Default::default()
    }
    .build_and_execute(|| {
        let poor = attested();
        assert_ok!(reveal(poor));
        assert_eq!((state(poor), job(poor).credited), (State::Settled, 0));
        Operators::set(&vec![1, 2, 3, 4]);
        let rich = attested();
        assert_ok!(reveal(rich));
        assert_eq!(job(rich).credited, UNITS);
        assert!(Headers::<Test>::contains_key(poor) && Headers::<Test>::contains_key(rich));
    });
}

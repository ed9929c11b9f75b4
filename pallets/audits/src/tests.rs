// SPDX-License-Identifier: Apache-2.0
//! One rule each; whatever may happen in whatever order in [`histories`].
mod histories;
mod probation;

use crate::{
    mock::*, Audits as Stored, Error, Event, Lines, Pending, Waiting, MAX_AUDITORS, MAX_PROBATION_JOBS, MIN_RATE,
};
use ergon_primitives::{
    commitment::attestation,
    traits::{AuditProgress, Audits as _, Closing, Opening, Verdict},
    JobId, H256,
};
use frame_support::{assert_noop, assert_ok, hypothetically, storage::unhashed};
use sp_runtime::Permill;

const JOB: JobId = 7;
const ROOT: H256 = H256::repeat_byte(1);
const WRONG: H256 = H256::repeat_byte(2);

fn every_answer(auditors: u32, redraws: u32, test: impl FnOnce()) {
    build_and_execute(auditors, Permill::one(), redraws, test);
}

/// How many auditors are drawn.
fn open(job: JobId) -> u32 {
    match Audits::open(job, &answered(), &mut 0) {
        Opening::Drawn(auditors) => auditors,
        _ => 0,
    }
}

/// The answer stands and earns this much.
fn close(job: JobId, reward: u64) {
    let closing = Closing {
        stands: true,
        counts: true,
        reward,
    };
    Audits::close(job, closing);
}

/// Nothing follows from the audit.
fn forget(job: JobId) {
    Audits::close(job, Closing::default());
}

fn auditors(job: JobId) -> Vec<AccountId> {
    let audit = Stored::<Test>::get(job).map(|audit| audit.auditors).unwrap_or_default();
    audit.into_iter().map(|auditor| auditor.operator).collect()
}

fn attest(operator: AccountId, job: JobId, root: H256) -> sp_runtime::DispatchResult {
    Audits::attest(RuntimeOrigin::signed(hot(operator)), job, attestation(&operator, &root))
}

#[test]
fn auditors_are_drawn_without_the_executor_and_without_repetition() {
    every_answer(3, 0, || {
        for job in 0..20 {
            assert_eq!(open(job), 3);
            let mut drawn = auditors(job);
            drawn.sort();
            assert_eq!(drawn, vec![2, 3, 4]);
            assert!(drawn.iter().all(|operator| Audits::audits_of(*operator).contains(&job)));
        }
    });
}

#[test]
fn the_draw_depends_on_beacon_and_job() {
    every_answer(1, 0, || {
        let drawn: Vec<_> = (0..40).map(|job| (open(job), auditors(job)[0]).1).collect();
        for operator in 2..=4 {
            assert!(drawn.contains(&operator), "{operator} is never drawn: {drawn:?}");
        }
        System::set_block_number(2);
        (0..40).for_each(forget);
        let again: Vec<_> = (0..40).map(|job| (open(job), auditors(job)[0]).1).collect();
        assert_ne!(drawn, again);
    });
}

#[test]
fn fewer_operators_than_wanted_audit_as_far_as_they_go() {
    every_answer(3, 0, || {
        Operators::set(&vec![1, 2]);
        assert_eq!(open(JOB), 1);
        Operators::set(&vec![1]);
        assert_eq!(Audits::open(JOB + 1, &answered(), &mut 0), Opening::NobodyThere);
        assert_eq!(Stored::<Test>::get(JOB + 1), None);
        assert_eq!(take_events(), vec![Event::AuditorDrawn { job: JOB, operator: 2 }]);
    });
}

#[test]
fn the_audit_rate_is_met_on_average() {
    build_and_execute(1, Permill::from_percent(25), 0, || {
        let audited: u32 = (0..400).map(open).sum();
        assert!((70..130).contains(&audited), "{audited} of 400 at a rate of 25 %");
    });
}

#[test]
fn whether_an_answer_is_audited_is_drawn_once() {
    build_and_execute(1, Permill::from_percent(25), 0, || {
        Busy::set(&vec![2, 3, 4]);
        let openings: Vec<_> = (0..40).map(|job| Audits::open(job, &answered(), &mut 0)).collect();
        assert!(openings.contains(&Opening::NotSampled) && openings.contains(&Opening::Busy));
        System::set_block_number(2);
        Busy::set(&vec![]);
        for (job, opening) in (0..).zip(openings).filter(|(_, opening)| *opening == Opening::Busy) {
            assert_eq!(opening, Opening::Busy);
            assert_eq!(open(job), 1, "it is sampled for good");
            assert_eq!(Audits::sampled_in_a_million(job), 250_000);
        }
    });
}

#[test]
fn an_answer_waits_for_the_auditor_that_was_drawn_though_others_have_room() {
    every_answer(1, 0, || {
        Busy::set(&vec![2, 3, 4]);
        assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::Busy);
        let awaited = Stored::<Test>::get(JOB).unwrap().awaited.unwrap().operator;
        for block in 2..20 {
            System::set_block_number(block);
            Busy::set(&vec![awaited]);
            assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::Busy);
        }
        Busy::set(&vec![]);
        assert_eq!((open(JOB), auditors(JOB)), (1, vec![awaited]));
    });
}

#[test]
fn another_auditor_is_drawn_if_the_one_that_is_awaited_can_not_audit_any_longer() {
    every_answer(1, 0, || {
        Busy::set(&vec![2, 3, 4]);
        Audits::open(JOB, &answered(), &mut 0);
        let awaited = Stored::<Test>::get(JOB).unwrap().awaited.unwrap().operator;
        Operators::set(&(1..=4).filter(|operator| *operator != awaited).collect());
        Busy::set(&vec![]);
        assert_eq!(open(JOB), 1);
        assert_ne!(auditors(JOB), vec![awaited]);
    });
}

#[test]
fn an_answer_whose_silent_auditor_nobody_can_replace_waits_again() {
    every_answer(1, 1, || {
        open(JOB);
        let silent = auditors(JOB)[0];
        Busy::set(&vec![2, 3, 4]);
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Busy);
        assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::Busy);
        Busy::set(&vec![]);
        assert_eq!(open(JOB), 1);
        assert_ne!(auditors(JOB)[0], silent);
    });
}

#[test]
fn attestations_of_all_auditors_complete_the_audit() {
    every_answer(2, 0, || {
        open(JOB);
        let [first, second] = auditors(JOB).try_into().unwrap();
        take_events();
        assert_ok!(attest(first, JOB, ROOT));
        assert!(Completed::get().is_empty());
        assert!(Audits::audits_of(first).is_empty());
        assert_eq!(Audits::audits_of(second), vec![JOB]);
        assert_ok!(attest(second, JOB, ROOT));
        assert_eq!(Completed::get(), vec![JOB]);
        assert!(Kept::get().is_empty(), "nobody knows yet whether they are right");
        let attested = |operator| Event::Attested {
            job: JOB,
            operator,
            attestation: attestation(&operator, &ROOT),
        };
        assert_eq!(take_events(), vec![attested(first), attested(second)]);
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Match(2));
        close(JOB, 0);
        assert_eq!(Kept::get(), vec![first, second]);
    });
}

#[test]
fn each_wrong_attestation_has_its_own_error() {
    every_answer(1, 1, || {
        open(JOB);
        let auditor = auditors(JOB)[0];
        let other = (2..=4).find(|operator| *operator != auditor).unwrap();
        assert_noop!(attest(50, JOB, ROOT), Error::<Test>::NotAWorker);
        // An operator's cold key is no hot key.
        assert_noop!(
            Audits::attest(RuntimeOrigin::signed(auditor), JOB, ROOT),
            Error::<Test>::NotAWorker
        );
        assert_noop!(attest(auditor, JOB + 1, ROOT), Error::<Test>::UnknownAudit);
        assert_noop!(attest(other, JOB, ROOT), Error::<Test>::NotDrawn);
        assert_noop!(attest(EXECUTOR, JOB, ROOT), Error::<Test>::NotDrawn);
        assert_ok!(attest(auditor, JOB, ROOT));
        assert_noop!(attest(auditor, JOB, WRONG), Error::<Test>::AlreadyAttested);
        forget(JOB);
        assert_noop!(attest(auditor, JOB, ROOT), Error::<Test>::UnknownAudit);
    });
}

#[test]
fn one_differing_attestation_is_a_mismatch_that_names_its_auditor() {
    every_answer(3, 0, || {
        open(JOB);
        let [first, second, third] = auditors(JOB).try_into().unwrap();
        assert_ok!(attest(first, JOB, ROOT));
        assert_ok!(attest(second, JOB, WRONG));
        assert_ok!(attest(third, JOB, ROOT));
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Mismatch(second));
        assert_eq!(Audits::judge(JOB, &WRONG), Verdict::Mismatch(first));
        // The evidence stays.
        assert_eq!(auditors(JOB).len(), 3);
    });
}

#[test]
fn the_audit_of_a_disputed_answer_can_be_closed_and_credits_nobody() {
    every_answer(2, 0, || {
        open(JOB);
        let [first, second] = auditors(JOB).try_into().unwrap();
        assert_ok!(attest(first, JOB, WRONG));
        assert_ok!(attest(second, JOB, ROOT));
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Mismatch(first));
        assert_eq!(Owed::get().len(), 2);
        forget(JOB);
        assert_eq!(
            (Audits::audit(JOB), Owed::get(), Credits::get()),
            (None, vec![], vec![])
        );
        assert!(Kept::get().is_empty(), "a wrong attestation is no duty kept");
    });
}

#[test]
fn a_copied_attestation_is_a_mismatch() {
    every_answer(2, 0, || {
        open(JOB);
        let [honest, copier] = auditors(JOB).try_into().unwrap();
        assert_ok!(attest(honest, JOB, ROOT));
        let copied = attestation(&honest, &ROOT);
        assert_ok!(Audits::attest(RuntimeOrigin::signed(hot(copier)), JOB, copied));
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Mismatch(copier));
    });
}

#[test]
fn a_silent_auditor_is_replaced_and_can_not_come_back() {
    every_answer(1, 2, || {
        open(JOB);
        let silent = auditors(JOB)[0];
        take_events();
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Redrawn);
        let second = auditors(JOB)[0];
        assert_ne!(second, silent);
        assert_eq!(Missed::get(), vec![silent]);
        assert_eq!(Owed::get(), vec![second]);
        assert_eq!(
            take_events(),
            vec![
                Event::AuditorSilent {
                    job: JOB,
                    operator: silent
                },
                Event::AuditorDrawn {
                    job: JOB,
                    operator: second
                },
            ]
        );
        assert_noop!(attest(silent, JOB, ROOT), Error::<Test>::NotDrawn);
        assert_ok!(attest(second, JOB, ROOT));
        assert_eq!(Completed::get(), vec![JOB]);
    });
}

#[test]
fn only_the_silent_auditors_are_replaced() {
    every_answer(2, 2, || {
        open(JOB);
        let [prompt, silent] = auditors(JOB).try_into().unwrap();
        assert_ok!(attest(prompt, JOB, ROOT));
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Redrawn);
        let [kept, second] = auditors(JOB).try_into().unwrap();
        assert_eq!(kept, prompt);
        assert_eq!(second, 2 + 3 + 4 - prompt - silent);
        // Nobody else is left.
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Complete(1));
        assert_eq!(Missed::get(), vec![silent, second]);
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Match(1));
    });
}

#[test]
fn redraws_end_and_leave_an_answer_that_nobody_attested() {
    every_answer(1, 1, || {
        open(JOB);
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Redrawn);
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Complete(0));
        assert_eq!(Missed::get().len(), 2);
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Match(0));
        close(JOB, 9);
        assert!(Credits::get().is_empty());
    });
}

#[test]
fn closing_credits_those_that_attested_and_forgets_the_rest() {
    every_answer(2, 0, || {
        open(JOB);
        let attested = auditors(JOB)[0];
        assert_ok!(attest(attested, JOB, ROOT));
        // Its attestation is still to be judged.
        assert!(Owed::get().contains(&attested));
        close(JOB, 9);
        assert!(Owed::get().is_empty());
        assert_eq!(Credits::get(), vec![(attested, 9)]);
        assert_eq!(Stored::<Test>::iter().count() + Pending::<Test>::iter().count(), 0);
        // Nothing is credited twice.
        close(JOB, 9);
        assert_eq!(Credits::get().len(), 1);
    });
}

#[test]
fn a_job_without_an_audit_matches_nobody() {
    every_answer(1, 0, || {
        assert_eq!(Audits::audit(JOB), None);
        assert_eq!(Audits::judge(JOB, &ROOT), Verdict::Match(0));
        assert_eq!(Audits::overdue(JOB, &mut 0), AuditProgress::Complete(0));
    });
}

#[test]
fn parameters_out_of_range_are_refused() {
    let check = |auditors_per_job, max_redraws| {
        crate::AuditParameters {
            auditors_per_job,
            rate: Permill::one(),
            max_redraws,
            ..Default::default()
        }
        .check()
        .is_ok()
    };
    assert!(check(1, 2));
    assert!(check(MAX_AUDITORS, 3));
    assert!(!check(0, 0));
    assert!(!check(MAX_AUDITORS + 1, 0));
    assert!(!check(MAX_AUDITORS, 4));
    assert!(!check(1, u32::MAX));
    let good = crate::AuditParameters::default();
    let rate = |rate| crate::AuditParameters { rate, ..good }.check().is_ok();
    assert!(rate(MIN_RATE) && !rate(Permill::from_parts(MIN_RATE.deconstruct() - 1)));
    let probation = |probation_jobs| crate::AuditParameters { probation_jobs, ..good }.check().is_ok();
    assert!(probation(1) && probation(MAX_PROBATION_JOBS));
    assert!(!probation(0) && !probation(MAX_PROBATION_JOBS + 1));
}

#[test]
fn try_state_finds_a_lost_pending_entry() {
    every_answer(1, 0, || {
        open(JOB);
        let auditor = auditors(JOB)[0];
        Pending::<Test>::remove(auditor, JOB);
        assert!(Audits::do_try_state().is_err());
        Pending::<Test>::insert(auditor, JOB, ());
        Pending::<Test>::insert(auditor, JOB + 1, ());
        assert!(Audits::do_try_state().is_err());
        Pending::<Test>::remove(auditor, JOB + 1);
    });
}

#[test]
fn try_state_checks_the_parameters() {
    every_answer(1, 0, || {
        let good = Settings::get();
        Settings::set(&crate::AuditParameters {
            auditors_per_job: 0,
            ..good
        });
        assert!(Audits::do_try_state().is_err());
        Settings::set(&good);
    });
}

/// An answer in front of the line takes the room; a later one waits though it was drawn when there was room again.
#[test]
fn answers_that_wait_for_an_auditor_are_checked_in_the_order_in_which_they_came() {
    every_answer(1, 1, || {
        Operators::set(&vec![1, 2]);
        Busy::set(&vec![2]);
        let [first, second, third] = [JOB, JOB + 1, JOB + 2];
        assert_eq!(Audits::open(first, &answered(), &mut 0), Opening::Busy);
        assert_eq!(Audits::open(second, &answered(), &mut 0), Opening::Busy);
        Busy::set(&vec![]);
        assert_eq!(
            Audits::open(third, &answered(), &mut 0),
            Opening::Busy,
            "others come first"
        );
        assert_eq!(Audits::open(second, &answered(), &mut 0), Opening::Busy);
        assert_eq!((open(first), auditors(first)), (1, vec![2]));
        assert_eq!(Called::get(), [second], "its turn has come");
        assert_eq!((open(second), open(third)), (1, 1));
        assert_eq!((Called::get(), Lines::<Test>::get(2)), (vec![second, third], None));
    });
}

#[test]
fn room_that_is_given_back_is_offered_to_the_first_in_line() {
    every_answer(1, 1, || {
        Operators::set(&vec![1, 2]);
        assert_eq!(open(JOB), 1);
        Busy::set(&vec![2]);
        assert_eq!(Audits::open(JOB + 1, &answered(), &mut 0), Opening::Busy);
        assert_ok!(attest(2, JOB, H256::zero()));
        assert_eq!(Called::get(), [JOB + 1]);
        close(JOB, 0);
    });
}

#[test]
fn an_answer_that_gives_up_leaves_the_line_to_those_behind_it() {
    every_answer(1, 1, || {
        Operators::set(&vec![1, 2]);
        Busy::set(&vec![2]);
        let jobs: Vec<_> = (JOB..JOB + 40).collect();
        for job in &jobs {
            assert_eq!(Audits::open(*job, &answered(), &mut 0), Opening::Busy);
        }
        // Holes everywhere, more than are passed over at once.
        for job in &jobs[1..39] {
            Audits::give_up(*job);
            Audits::do_try_state().unwrap();
        }
        Busy::set(&vec![]);
        assert_eq!(open(jobs[0]), 1);
        let last = jobs[39];
        let tries = (1..5).find(|_| Audits::open(last, &answered(), &mut 0) == Opening::Drawn(1));
        assert!(tries.is_some_and(|tries| tries <= 3), "{tries:?}");
        assert_eq!(Lines::<Test>::get(2), None);
    });
}

#[test]
fn a_line_that_does_not_decode_is_kept_and_its_answers_wait() {
    every_answer(1, 1, || {
        Operators::set(&vec![1, 2]);
        Busy::set(&vec![2]);
        assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::Busy);
        let key = Lines::<Test>::hashed_key_for(2);
        let whole = unhashed::get_raw(&key).unwrap();
        let spoilt = &whole[..whole.len() - 1];
        unhashed::put_raw(&key, spoilt);
        Busy::set(&vec![]);
        assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::Busy);
        assert_eq!(Audits::open(JOB + 1, &answered(), &mut 0), Opening::Busy);
        assert_eq!(unhashed::get_raw(&key).unwrap(), spoilt);
        unhashed::put_raw(&key, &whole);
        assert_eq!((open(JOB), open(JOB + 1)), (1, 1));
    });
}

#[test]
fn try_state_finds_a_place_in_a_line_without_an_audit() {
    every_answer(1, 1, || {
        Operators::set(&vec![1, 2]);
        Busy::set(&vec![2]);
        assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::Busy);
        hypothetically!({
            Stored::<Test>::remove(JOB);
            assert!(Audits::do_try_state().is_err());
        });
        hypothetically!({
            Waiting::<Test>::remove(2, 0);
            assert!(Audits::do_try_state().is_err());
        });
        hypothetically!({
            Lines::<Test>::mutate_extant(2, |line| line.waiting += 1);
            assert!(Audits::do_try_state().is_err());
        });
    });
}

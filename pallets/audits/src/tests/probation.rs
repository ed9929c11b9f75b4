// SPDX-License-Identifier: Apache-2.0
//! Executors on probation.
use super::*;

/// No answer is audited but those of executors on probation.
fn no_answer(auditors: u32, test: impl FnOnce()) {
    build_and_execute(auditors, Permill::zero(), 0, test);
}

fn required() -> u32 {
    Settings::get().probation_jobs
}

/// Opens an audit that all drawn auditors attest, and closes it.
fn settle(job: JobId, reward: u64) {
    open(job);
    for auditor in auditors(job) {
        assert_ok!(attest(auditor, job, ROOT));
    }
    Audits::close(job, reward);
}

#[test]
fn every_answer_of_an_executor_on_probation_is_audited_whatever_the_rate_is() {
    for percent in [0, 25] {
        build_and_execute(1, Permill::from_percent(percent), 0, || {
            let audited = |jobs: std::ops::Range<JobId>| jobs.map(open).sum::<u32>();
            assert!(audited(0..50) < 30);
            Newcomers::set(&vec![(EXECUTOR, 0)]);
            assert_eq!(audited(50..100), 50);
            // Others' are audited as often as before.
            Newcomers::set(&vec![(2, 0), (3, 0), (4, 0)]);
            assert!(audited(100..150) < 30);
        });
    }
}

#[test]
fn whoever_has_as_many_answers_as_it_takes_is_on_probation_no_more() {
    no_answer(1, || {
        for (stood, audited) in [(required() - 1, 1), (required(), 0), (u32::MAX, 0)] {
            Newcomers::set(&vec![(EXECUTOR, stood)]);
            assert_eq!(open(JOB + u64::from(stood)), audited, "after {stood}");
        }
        Settings::set(&crate::AuditParameters {
            probation_jobs: 0,
            ..Settings::get()
        });
        Newcomers::set(&vec![(EXECUTOR, 0)]);
        assert_eq!(open(JOB), 0, "governance has done without probation");
    });
}

#[test]
fn answers_that_earn_units_count_for_probation() {
    no_answer(2, || {
        Newcomers::set(&vec![(EXECUTOR, 3)]);
        settle(JOB, 9);
        assert_eq!(Stood::get(), vec![(EXECUTOR, required())]);
        // A repeated prompt, a rejection, a dispute that is forgotten.
        settle(JOB + 1, 0);
        // Nobody has checked it.
        open(JOB + 2);
        Audits::close(JOB + 2, 9);
        // Nothing happens twice.
        Audits::close(JOB, 9);
        assert_eq!(Stood::get().len(), 1);
    });
}

#[test]
fn answers_of_the_established_are_not_counted() {
    every_answer(1, 0, || {
        settle(JOB, 9);
        assert_eq!((Stood::get(), Credits::get().len()), (vec![], 1));
    });
}

#[test]
fn newcomers_do_not_get_each_other_past_probation() {
    no_answer(3, || {
        Newcomers::set(&vec![(EXECUTOR, 0), (2, 0), (3, 0), (4, 0)]);
        settle(JOB, 9);
        assert!(Stood::get().is_empty());
        // One auditor who is established is enough, if he has attested.
        Newcomers::set(&vec![(EXECUTOR, 0), (2, 0), (3, 0), (4, required())]);
        open(JOB + 1);
        assert_ok!(attest(2, JOB + 1, ROOT));
        Audits::close(JOB + 1, 9);
        assert!(Stood::get().is_empty());
        settle(JOB + 2, 9);
        assert_eq!(Stood::get().len(), 1);
        assert_eq!(Credits::get().len(), 3 + 1 + 3, "all are credited all the same");
    });
}

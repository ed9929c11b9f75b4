// SPDX-License-Identifier: Apache-2.0
//! Executors and auditors on probation.
use super::*;

/// Few answers are audited but those of executors on probation.
fn few_answers(auditors: u32, test: impl FnOnce()) {
    build_and_execute(auditors, MIN_RATE, 0, test);
}

fn required() -> u32 {
    Settings::get().probation_jobs
}

/// Opens an audit that all drawn auditors attest, and closes it.
fn settle(job: JobId, closing: Closing) {
    open(job);
    for auditor in auditors(job) {
        assert_ok!(attest(auditor, job, ROOT));
    }
    Audits::close(job, closing);
}

const COUNTS: Closing = Closing {
    stands: true,
    counts: true,
    reward: 9,
};

#[test]
fn every_answer_of_an_executor_on_probation_is_audited_whatever_the_rate_is() {
    for percent in [1, 25] {
        build_and_execute(1, Permill::from_percent(percent), 0, || {
            let audited = |jobs: std::ops::Range<JobId>| jobs.map(open).sum::<u32>();
            assert!(audited(0..50) < 30);
            Newcomers::set(&vec![(EXECUTOR, 0)]);
            assert_eq!(audited(50..100), 50);
            // Chance has no part in it, so each counts once.
            assert!((50..100).all(|job| Audits::sampled_in_a_million(job) == 1_000_000));
            // Others' are audited as often as before.
            Newcomers::set(&vec![(2, 0), (3, 0)]);
            assert!(audited(100..150) < 30);
        });
    }
}

#[test]
fn an_answer_that_counts_brings_the_end_of_probation_nearer_whatever_it_earns() {
    few_answers(2, || {
        Newcomers::set(&vec![(EXECUTOR, 3)]);
        settle(JOB, Closing { reward: 0, ..COUNTS });
        assert_eq!(Stood::get(), vec![(EXECUTOR, required())]);
        // A repeated prompt or a rejection, and a dispute that is forgotten.
        settle(
            JOB + 1,
            Closing {
                counts: false,
                ..COUNTS
            },
        );
        settle(JOB + 2, Closing::default());
        // Nothing happens twice.
        Audits::close(JOB, COUNTS);
        assert_eq!(Stood::get().len(), 1);
    });
}

#[test]
fn answers_of_the_established_are_not_counted() {
    every_answer(1, 0, || {
        settle(JOB, COUNTS);
        assert_eq!((Stood::get(), Credits::get().len()), (vec![], 1));
    });
}

#[test]
fn newcomers_do_not_audit_each_other() {
    every_answer(3, 0, || {
        Newcomers::set(&vec![(EXECUTOR, 0), (2, 0), (3, 0), (4, 0)]);
        assert_eq!(Audits::open(JOB, &answered(), &mut 0), Opening::NobodyThere);
        Newcomers::set(&vec![(EXECUTOR, 0), (2, 0), (3, 0)]);
        assert_eq!(open(JOB), 1);
        assert_eq!(auditors(JOB), vec![4]);
    });
}

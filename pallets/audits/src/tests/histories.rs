// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, Audits as Stored, Pending, MAX_AUDITORS};
use ergon_primitives::{
    commitment::attestation,
    traits::{AuditProgress, Audits as _, Closing, Opening},
    JobId, H256,
};
use proptest::prelude::*;
use sp_runtime::Permill;

/// Jobs that the histories are about.
const JOBS: JobId = 4;
/// Operators that there may be; the executor is one of them.
const OPERATORS: AccountId = 12;

/// Anything that can happen to one of a few audits.
#[derive(Clone, Debug)]
enum Step {
    /// Opens the audit, if it is not open.
    Open(JobId),
    /// By anybody, drawn or not.
    Attest(JobId, AccountId, u8),
    Overdue(JobId),
    Close(JobId, u8),
    /// So many operators serve the model from now on.
    Serve(AccountId),
    /// Operators from this one on have no room from now on.
    Busy(AccountId),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let job = || 0..JOBS;
    let step = prop_oneof![
        3 => job().prop_map(Step::Open),
        8 => (job(), 1..=OPERATORS, 0u8..2).prop_map(|(job, who, root)| Step::Attest(job, who, root)),
        4 => job().prop_map(Step::Overdue),
        1 => (job(), 0u8..2).prop_map(|(job, reward)| Step::Close(job, reward)),
        1 => (0..=OPERATORS).prop_map(Step::Serve),
        1 => (1..=OPERATORS + 1).prop_map(Step::Busy),
    ];
    prop::collection::vec(step, 1..80)
}

fn take(step: &Step) {
    match *step {
        Step::Open(job) => {
            let opened = |job| Audits::audit(job).map(|audit| audit.auditors.len() as u32);
            if opened(job).unwrap_or_default() == 0 {
                match Audits::open(job, &answered(), &mut 0) {
                    Opening::Drawn(found) => assert_eq!(opened(job), Some(found)),
                    Opening::Busy => assert_eq!(opened(job), Some(0)),
                    Opening::NotSampled | Opening::NobodyThere => assert_eq!(opened(job), None),
                }
            }
        }
        Step::Attest(job, who, root) => {
            let drawn = Pending::<Test>::contains_key(who, job);
            let attestation = attestation(&who, &H256::repeat_byte(root));
            let attested = Audits::attest(RuntimeOrigin::signed(hot(who)), job, attestation);
            // An operator that has stopped serving has no hot key in the mock.
            assert_eq!(attested.is_ok(), drawn && Operators::get().contains(&who));
        }
        Step::Overdue(job) => {
            let waiting = matches!(Audits::overdue(job, &mut 0), AuditProgress::Redrawn);
            let complete = Audits::audit(job).is_none_or(|audit| audit.is_complete());
            assert_eq!(waiting, !complete);
        }
        Step::Close(job, reward) => Audits::close(
            job,
            Closing {
                stands: true,
                counts: reward > 0,
                reward: reward.into(),
            },
        ),
        Step::Busy(from) => Busy::set(&(from..=OPERATORS).collect()),
        Step::Serve(count) => Operators::set(&(1..=count).collect()),
    }
}

proptest! {
    #[test]
    fn each_drawing_is_discharged_once_in_every_history(
        auditors in 1..=MAX_AUDITORS,
        redraws in 0u32..4,
        percent in prop_oneof![Just(100), 1u32..100],
        history in steps(),
    ) {
        build_and_execute(auditors, Permill::from_percent(percent), redraws, || {
            for step in &history {
                take(step);
                System::set_block_number(System::block_number() + 1);
                Audits::do_try_state().unwrap();
                assert_all_owed();
            }
            (0..JOBS).for_each(|job| Audits::close(job, Closing::default()));
            assert_eq!((Owed::get(), Pending::<Test>::iter().count()), (vec![], 0));
            assert_eq!(Stored::<Test>::iter().count(), 0);
        });
    }
}

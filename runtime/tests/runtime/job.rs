// SPDX-License-Identifier: Apache-2.0
//! One job through the composed runtime.
use crate::{
    chain::{begin_epoch, dev, run_blocks},
    market::{account, answer, audit_and_reveal, job, manifest, open_market, submit, wait_for, OPERATORS, OUTPUT},
};
use codec::Encode;
use ergon_runtime::{compute, AccountId, Runtime, RuntimeOrigin, Workers};
use ergon_runtime_api::{Finish, JobState, WorkerStatus};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult, traits::Get};

fn remove(operator: &AccountId) -> DispatchResult {
    Workers::remove(RuntimeOrigin::signed(operator.clone()))
}

#[test]
fn a_job_is_answered_audited_settled_and_becomes_vote_weight() {
    dev().execute_with(|| {
        let model = open_market();
        let id = submit(model, Some(1));
        wait_for(id, JobState::Assigned);
        let executor = job(id).executor.unwrap();
        let header = answer(id);

        wait_for(id, JobState::Auditing);
        let auditor = job(id).auditors[0].operator.clone();
        for operator in [&executor, &auditor] {
            assert_noop!(remove(operator), pallet_workers::Error::<Runtime>::ObligationsLeft);
        }
        assert_ne!(auditor, executor);
        audit_and_reveal(id, header.clone());

        let settled = job(id);
        let answer = settled.answer.clone().unwrap();
        assert_eq!(
            (settled.state, answer.output.as_slice(), answer.finish),
            (JobState::Settled, OUTPUT, Finish::EndOfSequence)
        );
        assert_eq!(answer.root, Some(header.root()));
        assert_eq!(settled.credited, manifest().default_prices().units(7, 2));
        assert_eq!((answer.units, answer.matching), (settled.credited, 1));
        assert!(settled.credited > 0 && answer.units <= settled.bound);

        assert_eq!(
            compute::vote_weight(&executor).weight,
            0,
            "units count when their epoch is over"
        );
        begin_epoch();
        let weight = compute::vote_weight(&executor);
        assert!(weight.weight > 0 && weight.total >= weight.weight, "{weight:?}");
        for operator in [&executor, &auditor] {
            assert_noop!(remove(operator), pallet_workers::Error::<Runtime>::StillListed);
            assert_ok!(Workers::drain(RuntimeOrigin::signed(operator.clone())));
        }
        let list_delay: u32 = <Runtime as pallet_workers::Config>::ListDelay::get();
        run_blocks(list_delay + 1);
        for operator in [&executor, &auditor] {
            assert_ok!(remove(operator));
        }
    });
}

#[test]
fn the_reads_of_the_runtime_api_show_the_market() {
    dev().execute_with(|| {
        let model = open_market();
        let known = compute::models().into_iter().find(|info| info.id == model).unwrap();
        assert_eq!((known.name.as_str(), known.active, known.serving), ("tiny", true, 2));

        let (operator, hot) = OPERATORS[1];
        let worker = compute::worker(account(operator)).unwrap();
        assert_eq!(
            (worker.status, worker.endpoint.as_str()),
            (WorkerStatus::Active, "http://127.0.0.1:8080")
        );
        assert_eq!(worker.hot_keys, [account(hot)]);
        assert_eq!(
            compute::worker(account(hot)).map(|worker| worker.encode()),
            Some(worker.encode())
        );

        assert_eq!(compute::worker(account("//Charlie")), None);
        assert_eq!(compute::job(0), None);
        assert_eq!(compute::vote_weight(&account("//Charlie")).weight, 0);
    });
}

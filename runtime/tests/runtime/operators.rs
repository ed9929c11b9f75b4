// SPDX-License-Identifier: Apache-2.0
//! What an operator's status is, as clients read it.
use crate::{
    chain::{dev, run_blocks},
    market::{account, by_root, open_market, send, OPERATORS},
};
use ergon_primitives::traits::Workers as _;
use ergon_runtime::{compute, Runtime, RuntimeOrigin, System, Workers};
use ergon_runtime_api::WorkerStatus;
use frame_support::{assert_noop, traits::Get};

fn status(operator: &str) -> WorkerStatus {
    compute::worker(account(operator)).unwrap().status
}

#[test]
fn an_operator_that_missed_too_much_reads_as_suspended_and_one_that_asked_for_it_as_draining() {
    dev().execute_with(|| {
        open_market();
        let [(silent, hot), (tired, _)] = OPERATORS;
        let misses: u32 = <Runtime as pallet_workers::Config>::MaxMissesInRow::get();
        (0..misses).for_each(|_| Workers::note_missed(&account(silent)));
        send(tired, pallet_workers::Call::drain {});
        assert_eq!(
            (status(silent), status(tired)),
            (WorkerStatus::Suspended, WorkerStatus::Draining)
        );
        let resumable = compute::worker(account(silent)).unwrap().resumable.unwrap();
        run_blocks(resumable - System::block_number());
        send(hot, pallet_workers::Call::resume {});
        assert_eq!(status(silent), WorkerStatus::Active);
    });
}

#[test]
fn root_lets_a_jailed_operator_off() {
    dev().execute_with(|| {
        open_market();
        let (jailed, _) = OPERATORS[1];
        Workers::jail(&account(jailed));
        assert_eq!(status(jailed), WorkerStatus::Jailed);
        by_root(pallet_workers::Call::unjail {
            operator: account(jailed),
        });
        assert_eq!(status(jailed), WorkerStatus::Draining);
    });
}

#[test]
fn a_hot_key_can_send_but_not_become_an_operator() {
    dev().execute_with(|| {
        let model = open_market();
        let (_, hot) = OPERATORS[0];
        send(hot, frame_system::Call::remark { remark: vec![] });
        let registered = Workers::register(
            RuntimeOrigin::signed(account(hot)),
            account("//Newcomer"),
            Default::default(),
            vec![model].try_into().unwrap(),
        );
        assert_noop!(registered, pallet_workers::Error::<Runtime>::NotSponsored);
    });
}

// SPDX-License-Identifier: Apache-2.0
//! What votes take of quotas in the composed runtime.
use crate::{
    chain::{dev, key, run_block, signed},
    market::account,
    quota::{comes_first, exhaust, refused, remark},
};
use codec::Encode;
use ergon_primitives::{
    quota::Admission as _,
    traits::{Contributions as _, Source},
};
use ergon_runtime::{
    quota, timing, Contributions, Quota, RankedCollective, RankedPolls, Runtime, RuntimeCall, RuntimeOrigin, System,
};
use frame_support::{assert_ok, traits::Get};
use pallet_quota::{extension::EXHAUSTED, Meter, Usage, Usages};
use sp_runtime::transaction_validity::InvalidTransaction;

/// Makes accounts operators without workers that weigh enough to propose and to decide from now on.
pub fn weighty(paths: &[String]) {
    let least: u64 = <Runtime as pallet_compute_collective::Config>::MinSubmitWeight::get();
    let all: u64 = <Runtime as pallet_compute_collective::Config>::TotalFloor::get();
    // An epoch's units become weight by a part of about ln 2 of the half-life.
    let units = (2 * least.max(all) * u64::from(timing::HALF_LIFE_EPOCHS)).max(1_000_000);
    for path in paths {
        let who = account(path);
        Quota::welcome(&who);
        let entry = pallet_workers::Operator {
            status: pallet_workers::Status::Draining,
            ..pallet_workers::Operator::new(Default::default(), Default::default())
        };
        pallet_workers::Operators::<Runtime>::insert(&who, entry);
        Contributions::credit(&who, Source::Job, units);
    }
    pallet_session::CurrentIndex::<Runtime>::mutate(|epoch| *epoch += 1);
}

fn vote(poll: u32, aye: bool) -> RuntimeCall {
    pallet_compute_collective::Call::<Runtime>::vote { poll, aye }.into()
}

/// A poll that `proposer` opens.
fn open_poll(proposer: &str) {
    let proposal = frame_support::traits::Bounded::Inline(remark(1).encode().try_into().unwrap());
    let models = pallet_compute_collective::Origin::Models;
    let at = frame_support::traits::schedule::DispatchTime::After(1);
    let proposer = RuntimeOrigin::signed(account(proposer));
    pallet_compute_collective::Opened::<Runtime>::put(true);
    assert_ok!(RankedPolls::submit(proposer, Box::new(models.into()), proposal, at));
}

#[test]
fn votes_draw_on_their_own_bucket_also_when_they_change_and_when_all_else_is_used_up() {
    dev().execute_with(|| {
        run_block(vec![]);
        let path = "//Voter";
        weighty(&[path.to_string()]);
        open_poll(path);
        let by_voter = |call| signed(&key(path), System::account_nonce(account(path)), call);
        let exhausted = InvalidTransaction::Custom(EXHAUSTED);
        for (aye, is_exhausted) in [(true, true), (false, true), (true, false), (false, true)] {
            if is_exhausted {
                exhaust(&account(path));
                assert_eq!(refused(by_voter(remark(5))), exhausted);
                assert_eq!(refused(by_voter(vote(1, true))), exhausted, "there is no such poll");
            } else {
                Usages::<Runtime>::insert(account(path), Meter::Ordinary, Usage::full(u64::MAX));
            }
            let before = quota::quota(&account(path));
            run_block(vec![by_voter(vote(0, aye))]);
            let record = pallet_compute_collective::Voting::<Runtime>::get(0, account(path)).unwrap();
            assert_eq!(record.is_aye(), aye);
            let after = quota::quota(&account(path));
            assert!(after.vote_points < before.vote_points);
            assert!(is_exhausted || after.points == after.capacity);
            assert!(!comes_first(path, &vote(0, !aye)), "only the first one does");
        }
    });
}

#[test]
fn an_operator_split_into_100_has_one_vote_of_each_part_before_all_others_in_a_poll_that_is_open() {
    dev().execute_with(|| {
        run_block(vec![]);
        let parts: Vec<String> = (0..100).map(|part| format!("//Part{part}")).collect();
        weighty(&parts);
        assert!(!comes_first(&parts[0], &vote(0, true)), "there is no such poll");
        open_poll(&parts[0]);
        for part in &parts {
            assert!(comes_first(part, &vote(0, true)));
            assert_ok!(RankedCollective::vote(RuntimeOrigin::signed(account(part)), 0, true));
            assert!(!comes_first(part, &vote(0, true)));
            assert!(!comes_first(part, &vote(0, false)));
        }
        // Who came later votes on another poll, and who weighs nothing on none.
        let late = ["//Late".to_string()];
        weighty(&late);
        assert!(!comes_first(&late[0], &vote(0, true)));
        assert!(!comes_first("//Dave", &vote(0, true)));
        assert_ok!(RankedPolls::cancel(RuntimeOrigin::root(), 0));
        assert!(parts.iter().all(|part| !comes_first(part, &vote(0, true))));
    });
}

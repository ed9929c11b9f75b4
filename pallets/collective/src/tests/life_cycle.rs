// SPDX-License-Identifier: Apache-2.0
//! What becomes of proposals, with `pallet-referenda`, and without a token.
use crate::{mock::*, EnsureModels, EnsureParameters, Origin};
use frame_support::{
    assert_ok,
    dispatch::RawOrigin,
    traits::{EnsureOrigin, VoteTally},
};
use pallet_referenda::ReferendumInfo;
use sp_runtime::{DispatchError, Perbill};

/// The block in which a poll that was submitted in block 1 is approved, if its votes suffice from the start.
const APPROVED: u64 = 1 + PREPARE + CONFIRM;
/// The block in which it is rejected.
const REJECTED: u64 = 1 + PREPARE + DECISION;

fn vote(who: u64, poll: u32, aye: bool) {
    assert_ok!(RankedCollective::vote(signed(who), poll, aye));
}

fn place_deposit(who: u64, poll: u32) {
    assert_ok!(RankedPolls::place_decision_deposit(signed(who), poll));
}

/// Nobody has, or has reserved, anything.
fn assert_no_token() {
    assert_eq!(Balances::total_issuance(), 0);
    for (who, _) in THREE {
        assert_eq!(System::account(who).data, Default::default());
    }
}

/// How the enactment of the only adopted proposal went.
fn enactment() -> Option<Result<(), DispatchError>> {
    System::events().into_iter().find_map(|record| match record.event {
        RuntimeEvent::Scheduler(pallet_scheduler::Event::Dispatched {
            id: Some(_), result, ..
        }) => Some(result),
        _ => None,
    })
}

#[test]
fn a_majority_of_compute_changes_a_model_without_a_token() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(3);
        place_deposit(3, poll);
        vote(1, poll, true);
        vote(2, poll, false);
        assert_eq!(counts(poll), (60, 30));
        // 60 of 90 is too little approval at first, and enough after two thirds of the decision period.
        run_to(1 + PREPARE + DECISION * 2 / 3);
        assert!(matches!(info(poll), ReferendumInfo::Ongoing(_)));
        run_for(2 + CONFIRM);
        assert!(matches!(info(poll), ReferendumInfo::Approved(..)));
        run_for(ENACTMENT);
        assert_eq!((enactment(), prices::Price::<Test>::get()), (Some(Ok(())), poll + 1));
        assert_no_token();
    });
}

#[test]
fn an_adopted_proposal_on_the_root_track_is_enacted_as_root() {
    build_and_execute(|| {
        three_founders();
        let items = vec![(b"upgraded".to_vec(), b"yes".to_vec())];
        assert_ok!(propose(1, root(), frame_system::Call::set_storage { items }.into()));
        place_deposit(1, 0);
        vote(1, 0, true);
        run_to(APPROVED - 1);
        assert!(matches!(info(0), ReferendumInfo::Ongoing(_)));
        run_to(APPROVED);
        assert!(matches!(info(0), ReferendumInfo::Approved(..)));
        run_for(ENACTMENT - 1);
        assert_eq!(frame_support::storage::unhashed::get_raw(b"upgraded"), None);
        run_for(1);
        assert_eq!(
            frame_support::storage::unhashed::get_raw(b"upgraded"),
            Some(b"yes".to_vec())
        );
        assert_no_token();
    });
}

#[test]
fn the_parameter_track_cannot_do_what_belongs_to_the_models() {
    build_and_execute(|| {
        three_founders();
        assert_ok!(propose(1, parameters(), set_price(5)));
        place_deposit(1, 0);
        vote(1, 0, true);
        run_to(APPROVED + ENACTMENT);
        assert!(matches!(info(0), ReferendumInfo::Approved(..)));
        assert_eq!(enactment(), Some(Err(DispatchError::BadOrigin)));
        assert_eq!(prices::Price::<Test>::get(), 0);
        assert_no_token();
    });
}

#[test]
fn each_track_has_its_own_origin() {
    for (origin, is_models, is_parameters) in [
        (RuntimeOrigin::from(Origin::Models), true, false),
        (RuntimeOrigin::from(Origin::Parameters), false, true),
        (RawOrigin::Root.into(), false, false),
        (signed(1), false, false),
    ] {
        assert_eq!(EnsureModels::ensure_origin(origin.clone()).is_ok(), is_models);
        assert_eq!(EnsureParameters::ensure_origin(origin).is_ok(), is_parameters);
    }
}

#[test]
fn a_majority_of_compute_rejects() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(3);
        place_deposit(3, poll);
        vote(1, poll, false);
        vote(2, poll, true);
        vote(3, poll, true);
        run_to(REJECTED - 1);
        assert!(matches!(info(poll), ReferendumInfo::Ongoing(_)));
        run_to(REJECTED);
        assert!(matches!(info(poll), ReferendumInfo::Rejected(..)));
        run_for(ENACTMENT);
        assert_eq!(prices::Price::<Test>::get(), 0);
        assert_no_token();
    });
}

#[test]
fn too_little_support_rejects() {
    build_and_execute(|| {
        work(&[(1, 91), (2, 9), (3, 10)]);
        let poll = submit(3);
        place_deposit(3, poll);
        vote(2, poll, true);
        run_to(REJECTED);
        assert!(matches!(info(poll), ReferendumInfo::Rejected(..)));
    });
}

#[test]
fn a_proposal_times_out_without_a_decision_deposit() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        vote(1, poll, true);
        run_to(UNDECIDING_TIMEOUT);
        assert!(matches!(info(poll), ReferendumInfo::Ongoing(_)));
        run_to(1 + UNDECIDING_TIMEOUT);
        assert!(matches!(info(poll), ReferendumInfo::TimedOut(..)));
        assert_no_token();
    });
}

#[test]
fn shares_of_an_empty_tally_are_nothing() {
    build_and_execute(|| {
        TotalFloor::set(0);
        let mut tally = crate::Tally::<Test>::new(1u8);
        assert_eq!(tally.total, 0);
        assert_eq!(
            (tally.support(1u8), tally.approval(1u8)),
            (Perbill::zero(), Perbill::zero())
        );
        (tally.ayes, tally.nays) = (u64::MAX, u64::MAX);
        assert_eq!(tally.support(1u8), Perbill::one());
        assert_eq!(tally.approval(1u8), Perbill::one());
    });
}

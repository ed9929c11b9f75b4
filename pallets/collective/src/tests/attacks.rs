// SPDX-License-Identifier: Apache-2.0
//! What somebody might try to get more say than its verified compute gives it; each test is named after what it is
//! prevented from.
use crate::{mock::*, Error, Refusal};
use ergon_primitives::{
    traits::{Contributions as _, Source},
    VoteWeight,
};
use frame_support::{assert_noop, assert_ok};
use pallet_referenda::ReferendumInfo;
use sp_runtime::DispatchError::BadOrigin;

fn vote(who: u64, poll: u32, aye: bool) {
    assert_ok!(RankedCollective::vote(signed(who), poll, aye));
}

#[test]
fn flash_compute_bought_after_submission() {
    build_and_execute(|| {
        three_operators();
        Contributions::credit(&3, Source::Job, 1_000);
        let poll = submit(1);
        let total = tally(poll).total;
        Contributions::credit(&3, Source::Job, 1_000_000);
        Contributions::credit(&4, Source::Job, 1_000_000);
        vote(3, poll, false);
        assert_eq!(counts(poll), (0, 10));
        Now::set(2);
        assert!(weight(3) > 500_000);
        vote(3, poll, false);
        assert_eq!(counts(poll), (0, 10));
        assert_noop!(
            RankedCollective::refresh_vote(signed(3), poll, 3),
            Error::<Test>::NothingToRefresh
        );
        assert_noop!(RankedCollective::vote(signed(4), poll, false), Error::<Test>::NoWeight);
        assert_eq!(tally(poll).total, total);
    });
}

#[test]
fn weight_delegated_after_submission() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        assert_ok!(RankedCollective::delegate(signed(2), 3));
        Now::set(2);
        vote(3, poll, false);
        assert_eq!(counts(poll), (0, 10));
    });
}

#[test]
fn double_counting_through_delegation_chains() {
    build_and_execute(|| {
        three_operators();
        // No chain 3 -> 2 -> 1, in whatever order and epoch it is tied.
        assert_ok!(RankedCollective::delegate(signed(3), 2));
        assert_noop!(RankedCollective::delegate(signed(2), 1), Error::<Test>::HasDelegators);
        work(&THREE);
        assert_noop!(RankedCollective::delegate(signed(2), 1), Error::<Test>::HasDelegators);
        let poll = submit(1);
        // The weight votes once, with the delegate: not before, not with another, not with both.
        vote(2, poll, true);
        assert_ok!(RankedCollective::undelegate(signed(3)));
        assert_noop!(RankedCollective::vote(signed(3), poll, true), Error::<Test>::Delegated);
        assert_ok!(RankedCollective::delegate(signed(3), 1));
        work(&THREE);
        assert_noop!(RankedCollective::vote(signed(3), poll, true), Error::<Test>::Delegated);
        vote(1, poll, true);
        vote(2, poll, true);
        assert_eq!(counts(poll), (60 + 30 + 10, 0));
        // Nor does it count twice in the poll that is submitted while it changes hands.
        let next = submit(2);
        vote(1, next, true);
        vote(2, next, true);
        assert_eq!(counts(next), (60 + 10 + 30, 0));
    });
}

#[test]
fn voting_after_removal() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        vote(2, poll, true);
        Gone::mutate(|gone| gone.extend([1, 2]));
        assert_noop!(RankedCollective::vote(signed(1), poll, true), Error::<Test>::NotMember);
        assert_eq!(RankedCollective::may_submit(&2, &models()), Err(Refusal::NotMember));
        // Nor does the vote of before stay.
        assert_ok!(RankedCollective::refresh_vote(signed(3), poll, 2));
        assert_eq!(counts(poll), (0, 0));
        assert_ok!(RankedCollective::refresh_member(signed(3), 1));
        assert_noop!(RankedCollective::vote(signed(1), poll, true), Error::<Test>::NotMember);
    });
}

#[test]
fn a_vote_that_outlives_a_fraud_verdict() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(2);
        assert_ok!(RankedPolls::place_decision_deposit(signed(2), poll));
        vote(1, poll, true);
        vote(2, poll, false);
        run_to(1 + PREPARE + 1);
        Contributions::forfeit(&1);
        // Anyone may say so.
        assert_ok!(RankedCollective::refresh_vote(signed(99), poll, 1));
        let tally = tally(poll);
        assert_eq!((tally.bare_ayes, tally.ayes, tally.nays), (0, 0, 30));
        assert_noop!(RankedCollective::vote(signed(1), poll, true), Error::<Test>::NotMember);
        run_for(DECISION);
        assert!(matches!(info(poll), ReferendumInfo::Rejected(..)));
    });
}

#[test]
fn proposal_spam() {
    build_and_execute(|| {
        three_operators();
        submit(1);
        for _ in 0..10 {
            assert_noop!(propose(1, models(), set_price(1)), BadOrigin);
        }
        assert_eq!(pallet_referenda::ReferendumCount::<Test>::get(), 1);
        // Nor by way of an account without weight.
        assert_noop!(propose(11, models(), set_price(1)), BadOrigin);
    });
}

#[test]
fn splitting_into_a_hundred_accounts() {
    /// Weight that votes aye, members that may submit, and the total, for an operator of weight 200 next to one of 100.
    fn split(parts: &[(u64, VoteWeight)]) -> (VoteWeight, usize, VoteWeight) {
        let mut outcome = Default::default();
        build_and_execute(|| {
            work(&[&[(1, 100)], parts].concat());
            let poll = submit(1);
            parts.iter().for_each(|(who, _)| vote(*who, poll, true));
            let proposers = parts
                .iter()
                .filter(|(who, _)| RankedCollective::may_submit(who, &models()).is_ok());
            outcome = (counts(poll).0, proposers.count(), tally(poll).total);
        });
        outcome
    }
    let (whole, whole_proposers, total) = split(&[(2, 200)]);
    let hundred: Vec<_> = (1_000..1_100).map(|who| (who, 2)).collect();
    let (parts, parts_proposers, total_of_parts) = split(&hundred);
    assert_eq!((whole, parts), (200, 200));
    assert_eq!(total, total_of_parts);
    assert_eq!((whole_proposers, parts_proposers), (1, 0));
}

#[test]
fn the_first_settler_rules_the_chain() {
    build_and_execute(|| {
        TotalFloor::set(1_000);
        // It alone has weight, and votes alone.
        work(&[(1, 60)]);
        let poll = submit(1);
        assert_eq!(tally(poll).total, 1_000);
        assert_ok!(RankedPolls::place_decision_deposit(signed(1), poll));
        vote(1, poll, true);
        run_for(PREPARE + DECISION);
        assert!(matches!(info(poll), ReferendumInfo::Rejected(..)));
        // However long it waits and however much it does, root and parameters stay locked.
        for _ in 0..20 {
            work(&[(1, 5_000)]);
            for locked in [root(), parameters()] {
                assert_eq!(RankedCollective::may_submit(&1, &locked), Err(Refusal::Locked));
                assert_noop!(propose(1, locked, set_price(1)), BadOrigin);
            }
        }
    });
}

#[test]
fn the_guardian_after_its_end() {
    build_and_execute(|| {
        three_operators();
        run_to(GUARDIAN_END - 1);
        let (first, second) = (submit(1), submit(2));
        assert_ok!(RankedPolls::cancel(signed(GUARDIAN), first));
        run_to(GUARDIAN_END);
        assert_noop!(RankedPolls::cancel(signed(GUARDIAN), second), BadOrigin);
        assert!(matches!(info(second), ReferendumInfo::Ongoing(_)));
    });
}

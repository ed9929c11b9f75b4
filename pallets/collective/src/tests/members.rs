// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, Error, Event, MemberRecord, Members};
use ergon_primitives::traits::{Contributions as _, Source};
use frame_support::{assert_noop, assert_ok};

fn is_listed(who: u64) -> bool {
    Members::<Test>::contains_key(who)
}

#[test]
fn operators_become_members_with_their_first_credit() {
    build_and_execute(|| {
        Now::set(4);
        Contributions::credit(&1, Source::Audit, 5);
        assert_eq!(Members::<Test>::get(1), Some(MemberRecord { rank: 0, since: 4 }));
        System::assert_last_event(Event::MemberAdded { who: 1 }.into());
        Now::set(5);
        Contributions::credit(&1, Source::Job, 5);
        assert_eq!(Members::<Test>::get(1), Some(MemberRecord { rank: 0, since: 4 }));
        Gone::mutate(|gone| gone.insert(2));
        Contributions::credit(&2, Source::Job, 5);
        assert!(!is_listed(2));
    });
}

#[test]
fn members_leave_with_their_weight() {
    build_and_execute(|| {
        three_operators();
        Contributions::forfeit(&1);
        assert!(!is_listed(1));
        System::assert_last_event(Event::MemberRemoved { who: 1, rank: 0 }.into());
        // There is nothing to be forfeited twice.
        Contributions::forfeit(&1);
        assert_eq!(Members::<Test>::iter().count(), 2);
    });
}

#[test]
fn membership_can_be_tidied_up_by_anyone() {
    build_and_execute(|| {
        three_operators();
        for who in [1, 9] {
            assert_noop!(
                RankedCollective::refresh_member(signed(9), who),
                Error::<Test>::NothingToRefresh
            );
        }
        Gone::mutate(|gone| gone.insert(1));
        assert_ok!(RankedCollective::refresh_member(signed(9), 1));
        assert!(!is_listed(1));
        assert_noop!(
            RankedCollective::refresh_member(signed(9), 1),
            Error::<Test>::NothingToRefresh
        );
        // An account that is back, and still weighs something, is a member again.
        Gone::mutate(|gone| gone.clear());
        assert_ok!(RankedCollective::refresh_member(signed(9), 1));
        assert!(RankedCollective::is_member(&1));
        // All weights are below 2^64.
        Now::mutate(|now| *now += 64);
        assert_ok!(RankedCollective::refresh_member(signed(9), 1));
        assert!(!is_listed(1));
    });
}

#[test]
fn newcomers_stay_though_they_weigh_nothing_yet() {
    build_and_execute(|| {
        Contributions::credit(&1, Source::Job, 100);
        assert_noop!(
            RankedCollective::refresh_member(signed(9), 1),
            Error::<Test>::NothingToRefresh
        );
        Gone::mutate(|gone| gone.insert(1));
        assert_ok!(RankedCollective::refresh_member(signed(9), 1));
    });
}

#[test]
fn who_is_no_operator_weighs_nothing_at_once() {
    build_and_execute(|| {
        three_operators();
        assert_eq!(RankedCollective::voting_weight(1, 1), 60);
        Gone::mutate(|gone| gone.insert(1));
        assert!(is_listed(1) && !RankedCollective::is_member(&1));
        assert_eq!(RankedCollective::voting_weight(1, 1), 0);
    });
}

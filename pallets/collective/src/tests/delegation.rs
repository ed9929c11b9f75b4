// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, Delegations, Delegators, Error, Event, VoteRecord};
use ergon_primitives::traits::Contributions as _;
use frame_support::{assert_noop, assert_ok};

fn delegate(who: u64, to: u64) {
    assert_ok!(RankedCollective::delegate(signed(who), to));
}

fn begin_epoch() {
    Now::mutate(|now| *now += 1);
}

/// Sets up [`three_operators`] in epoch 1 and returns polls that are submitted in this epoch and the next two, in the
/// last of which it is then. `act` happens in epoch 1, after the first.
fn polls_around(act: impl FnOnce()) -> [u32; 3] {
    work(&THREE);
    let before = submit(1);
    act();
    work(&THREE);
    let after = submit(2);
    work(&THREE);
    [before, after, submit(3)]
}

fn vote(who: u64, poll: u32) -> u64 {
    assert_ok!(RankedCollective::vote(signed(who), poll, true));
    vote_of(poll, who).unwrap().weight()
}

#[test]
fn delegation_counts_from_the_next_epoch() {
    build_and_execute(|| {
        let [before, after, later] = polls_around(|| {
            delegate(2, 1);
            System::assert_last_event(
                Event::Delegated {
                    who: 2,
                    delegate: 1,
                    from: 2,
                }
                .into(),
            );
        });
        assert_eq!((vote(1, before), vote(2, before)), (60, 30));
        for poll in [after, later] {
            assert_eq!(vote(1, poll), 90);
            assert_noop!(RankedCollective::vote(signed(2), poll, true), Error::<Test>::Delegated);
        }
    });
}

#[test]
fn delegation_ends_with_the_next_epoch_for_later_polls_only() {
    build_and_execute(|| {
        work(&THREE);
        delegate(2, 1);
        let [before, after, later] = polls_around(|| {
            assert_ok!(RankedCollective::undelegate(signed(2)));
            System::assert_last_event(
                Event::Undelegated {
                    who: 2,
                    delegate: 1,
                    from: 3,
                }
                .into(),
            );
        });
        assert_eq!(vote(1, before), 90);
        assert_noop!(
            RankedCollective::vote(signed(2), before, true),
            Error::<Test>::Delegated
        );
        for poll in [after, later] {
            assert_eq!((vote(1, poll), vote(2, poll)), (60, 30));
        }
    });
}

#[test]
fn the_last_change_of_an_epoch_counts() {
    build_and_execute(|| {
        let [_, after, _] = polls_around(|| {
            delegate(3, 1);
            delegate(3, 2);
        });
        assert_eq!((vote(1, after), vote(2, after)), (60, 40));
        // Back and forth is nothing.
        assert_ok!(RankedCollective::undelegate(signed(3)));
        delegate(3, 2);
        assert_eq!(Delegations::<Test>::get(3).len(), 1);
    });
}

#[test]
fn a_delegate_can_refuse() {
    build_and_execute(|| {
        let [_, after, _] = polls_around(|| {
            delegate(3, 1);
            assert_noop!(RankedCollective::dismiss(signed(2), 3), Error::<Test>::NotDelegator);
            assert_ok!(RankedCollective::dismiss(signed(1), 3));
            assert_noop!(RankedCollective::dismiss(signed(1), 3), Error::<Test>::NotDelegator);
            assert!(!Delegations::<Test>::contains_key(3));
        });
        assert_eq!((vote(1, after), vote(3, after)), (60, 10));
    });
}

#[test]
fn nobody_can_keep_another_from_delegating() {
    build_and_execute(|| {
        three_operators();
        delegate(3, 1);
        begin_epoch();
        assert_noop!(RankedCollective::delegate(signed(1), 2), Error::<Test>::HasDelegators);
        assert_ok!(RankedCollective::dismiss(signed(1), 3));
        delegate(1, 2);
        assert_noop!(
            RankedCollective::delegate(signed(3), 1),
            Error::<Test>::DelegateDelegates
        );
    });
}

#[test]
fn unfit_delegations_are_refused() {
    build_and_execute(|| {
        three_operators();
        assert_noop!(RankedCollective::delegate(signed(1), 1), Error::<Test>::SelfDelegation);
        assert_noop!(RankedCollective::delegate(signed(9), 1), Error::<Test>::NotMember);
        assert_noop!(
            RankedCollective::delegate(signed(1), 9),
            Error::<Test>::DelegateNotMember
        );
        assert_noop!(RankedCollective::undelegate(signed(1)), Error::<Test>::NotDelegating);
        delegate(1, 2);
        assert_noop!(
            RankedCollective::delegate(signed(1), 2),
            Error::<Test>::AlreadyDelegated
        );
        assert_noop!(
            RankedCollective::delegate(signed(3), 1),
            Error::<Test>::DelegateDelegates
        );
        assert_noop!(RankedCollective::delegate(signed(2), 3), Error::<Test>::HasDelegators);
        Gone::mutate(|gone| gone.insert(2));
        assert_noop!(
            RankedCollective::delegate(signed(3), 2),
            Error::<Test>::DelegateNotMember
        );
        assert_noop!(RankedCollective::delegate(signed(2), 3), Error::<Test>::NotMember);
    });
}

#[test]
fn places_of_delegators_become_free_once_no_poll_needs_them() {
    build_and_execute(|| {
        let all: Vec<_> = (1..=6).map(|who| (who, 20)).collect();
        work(&all);
        (2..2 + u64::from(MAX_DELEGATORS)).for_each(|who| delegate(who, 1));
        assert_noop!(
            RankedCollective::delegate(signed(6), 1),
            Error::<Test>::TooManyDelegators
        );
        // One that never came into force takes no place.
        assert_ok!(RankedCollective::dismiss(signed(1), 2));
        delegate(6, 1);
        begin_epoch();
        // One that did keeps its place while there may be a poll of such an epoch.
        assert_ok!(RankedCollective::undelegate(signed(6)));
        begin_epoch();
        let end = Now::get();
        while Now::get() < end + MAX_POLL_EPOCHS {
            assert_noop!(
                RankedCollective::delegate(signed(2), 1),
                Error::<Test>::TooManyDelegators
            );
            begin_epoch();
        }
        delegate(2, 1);
        assert_eq!(Delegators::<Test>::get(1).into_inner(), [3, 4, 2]);
    });
}

#[test]
fn a_history_is_as_long_as_polls_can_be_and_no_longer() {
    build_and_execute(|| {
        three_operators();
        for epoch in 0..30 {
            delegate(3, 1 + epoch % 2);
            begin_epoch();
            RankedCollective::do_try_state().unwrap();
            let now = Now::get();
            for past in now.saturating_sub(MAX_POLL_EPOCHS).max(2)..=now {
                assert_eq!(RankedCollective::delegate_at(&3, past), Some(1 + u64::from(past) % 2));
            }
            assert!(Delegations::<Test>::get(3).len() as u32 <= MAX_POLL_EPOCHS + 2);
        }
        assert_ok!(RankedCollective::undelegate(signed(3)));
        Now::mutate(|now| *now += MAX_POLL_EPOCHS + 1);
        delegate(3, 1);
        assert_eq!(Delegations::<Test>::get(3).len(), 1);
    });
}

#[test]
fn a_delegator_that_leaves_takes_its_weight_along() {
    build_and_execute(|| {
        let [_, after, later] = polls_around(|| delegate(2, 1));
        assert_eq!((vote(1, after), vote(1, later)), (90, 90));
        Contributions::forfeit(&2);
        assert_ok!(RankedCollective::refresh_vote(signed(9), after, 1));
        assert_eq!(vote_of(after, 1), Some(VoteRecord::Aye(60)));
        assert_eq!(vote(1, later), 60);
    });
}

#[test]
fn the_delegators_of_a_fraudster_do_not_save_its_vote() {
    build_and_execute(|| {
        let [_, after, later] = polls_around(|| delegate(2, 1));
        assert_eq!(vote(1, after), 90);
        Contributions::forfeit(&1);
        assert_ok!(RankedCollective::refresh_vote(signed(9), after, 1));
        assert_eq!((vote_of(after, 1), counts(after)), (None, (0, 0)));
        assert_noop!(RankedCollective::vote(signed(1), later, true), Error::<Test>::NotMember);
    });
}

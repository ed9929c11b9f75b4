// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, EnsureGuardian, Event, OpenPoll, Opened, Progress, Refusal, TaskNames};
use ergon_primitives::traits::{Contributions as _, Source};
use frame_support::{assert_noop, assert_ok, traits::EnsureOrigin};
use sp_runtime::DispatchError::BadOrigin;

fn refusal(who: u64, origin: OriginCaller) -> Option<Refusal> {
    let refusal = RankedCollective::may_submit(&who, &origin).err();
    assert_eq!(RankedCollective::refusal(who, Box::new(origin)), refusal);
    refusal
}

/// The founders of the last epoch that has any, and how many epochs count.
fn opening() -> (Vec<u64>, u32) {
    let opening = Progress::<Test>::get();
    (opening.founders.into_inner(), opening.epochs)
}

#[test]
fn only_members_with_enough_weight_of_their_own_submit() {
    build_and_execute(|| {
        work(&[(1, MIN_SUBMIT_WEIGHT), (2, MIN_SUBMIT_WEIGHT - 1)]);
        assert_eq!(refusal(9, models()), Some(Refusal::NotMember));
        assert_noop!(propose(9, models(), set_price(1)), BadOrigin);
        assert_eq!(refusal(2, models()), Some(Refusal::TooLittleWeight));
        assert_noop!(propose(2, models(), set_price(1)), BadOrigin);
        assert_eq!(refusal(1, models()), None);
        assert_eq!(submit(1), 0);
        assert_eq!(OpenPoll::<Test>::get(1), Some(0));
    });
}

#[test]
fn a_proposal_that_fails_is_no_open_poll() {
    build_and_execute(|| {
        three_founders();
        // There is no track for it.
        let origin: OriginCaller = frame_system::RawOrigin::Signed(1).into();
        let failed = frame_support::storage::with_storage_layer(|| propose(1, origin, set_price(1)));
        assert_eq!(failed, Err(pallet_referenda::Error::<Test>::NoTrack.into()));
        assert_eq!(OpenPoll::<Test>::get(1), None);
        submit(1);
    });
}

#[test]
fn the_next_proposal_may_follow_when_the_last_one_is_over() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        assert_eq!(refusal(1, models()), Some(Refusal::PollOpen));
        run_for(UNDECIDING_TIMEOUT);
        assert_eq!(submit(1), poll + 1);
        assert_eq!(OpenPoll::<Test>::get(1), Some(poll + 1));
    });
}

#[test]
fn the_chain_opens_for_good_when_enough_members_have_worked_with_weight_for_long_enough() {
    build_and_execute(|| {
        work(&THREE);
        assert_eq!(opening(), (vec![], 0), "nobody weighs anything in the first epoch");
        for epochs in 0..OPENING_EPOCHS {
            assert_eq!(opening().1, epochs);
            assert_eq!(refusal(1, root()), Some(Refusal::Locked));
            assert_noop!(propose(1, root(), set_price(1)), BadOrigin);
            assert_eq!(refusal(1, parameters()), Some(Refusal::Locked));
            work(&THREE);
        }
        System::assert_has_event(Event::ChainOpened.into());
        assert!(Opened::<Test>::get() && !Progress::<Test>::exists());
        assert_ok!(propose(1, root(), set_price(1)));
        for who in [1, 3] {
            Contributions::forfeit(&who);
        }
        assert_eq!(refusal(2, parameters()), None);
        work(&[(2, 30)]);
        assert!(!Progress::<Test>::exists());
    });
}

#[test]
fn a_member_that_leaves_does_not_set_the_opening_back() {
    build_and_execute(|| {
        work(&THREE);
        work(&[(1, 60), (2, 30), (3, 10), (4, 40)]);
        assert_eq!(opening(), (vec![1, 2, 3], 1));
        Contributions::forfeit(&1);
        // Two are too few, so time stands still, and nothing is lost.
        work(&[(2, 30), (3, 10)]);
        assert_eq!(opening(), (vec![2, 3], 1));
        assert_eq!(refusal(2, root()), Some(Refusal::Locked));
        // Another one, credited for the first time since, counts as well as those of before.
        work(&[(2, 30), (3, 10), (4, 40)]);
        assert_eq!(refusal(2, root()), None);
    });
}

#[test]
fn an_epoch_counts_once_even_if_founders_leave_and_others_come() {
    build_and_execute(|| {
        work(&[&THREE[..], &[(4, 40), (5, 50)]].concat());
        for who in [1, 2, 3] {
            Contributions::credit(&who, Source::Job, 1);
        }
        assert_eq!(opening(), (vec![1, 2, 3], 1));
        Contributions::forfeit(&1);
        Contributions::credit(&4, Source::Job, 1);
        Contributions::forfeit(&2);
        Contributions::credit(&5, Source::Job, 1);
        assert_eq!(opening().1, 1);
    });
}

#[test]
fn an_epoch_counts_only_while_enough_of_its_founders_are_left() {
    build_and_execute(|| {
        work(&[&THREE[..], &[(4, 40)]].concat());
        Contributions::credit(&1, Source::Job, 1);
        Contributions::credit(&2, Source::Job, 1);
        Contributions::forfeit(&1);
        Contributions::credit(&3, Source::Job, 1);
        assert_eq!(opening(), (vec![2, 3], 0));
        Gone::mutate(|gone| gone.insert(2));
        Contributions::credit(&4, Source::Job, 1);
        assert_eq!(opening(), (vec![3, 4], 0));
    });
}

#[test]
fn weight_without_work_does_not_open_the_chain() {
    build_and_execute(|| {
        work(&THREE);
        for _ in 0..OPENING_EPOCHS {
            work(&THREE[..2]);
        }
        assert!(weight(3) > 0);
        assert_eq!(opening().1, 0);
    });
}

#[test]
fn a_member_leaves_behind_the_name_of_one_task_at_most() {
    build_and_execute(|| {
        three_operators();
        for poll in 0..3 {
            assert_eq!(submit(1), poll);
            assert_eq!(TaskNames::<Test>::iter_values().collect::<Vec<_>>(), [poll]);
            run_for(UNDECIDING_TIMEOUT);
        }
        assert_noop!(
            RankedCollective::cleanup_poll(signed(9), 2, 9),
            crate::Error::<Test>::NoneRemaining
        );
    });
}

#[test]
fn only_the_guardian_cancels() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        assert_noop!(RankedPolls::cancel(signed(1), poll), BadOrigin);
        assert_noop!(RankedPolls::kill(signed(GUARDIAN), poll), BadOrigin);
        assert_ok!(RankedPolls::cancel(signed(GUARDIAN), poll));
        submit(1);
        assert!(EnsureGuardian::<Test>::ensure_origin(signed(GUARDIAN)).is_ok_and(|who| who == GUARDIAN));
        assert!(EnsureGuardian::<Test>::ensure_origin(frame_system::RawOrigin::Root.into()).is_err());
    });
}

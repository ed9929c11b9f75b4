// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, EnsureGuardian, Event, Founders, OpenPoll, Opened, Refusal};
use ergon_primitives::traits::Contributions as _;
use frame_support::{assert_noop, assert_ok, traits::EnsureOrigin};
use sp_runtime::DispatchError::BadOrigin;

fn refusal(who: u64, origin: OriginCaller) -> Option<Refusal> {
    let refusal = RankedCollective::may_submit(&who, &origin).err();
    assert_eq!(RankedCollective::refusal(who, Box::new(origin)), refusal);
    refusal
}

fn founders() -> Vec<(u64, u32)> {
    Founders::<Test>::get().into_iter().map(|f| (f.who, f.since)).collect()
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
fn the_chain_opens_for_good_when_enough_founders_have_held_weight_for_long_enough() {
    build_and_execute(|| {
        work(&THREE);
        assert_eq!(founders(), []);
        for _ in 0..OPENING_EPOCHS {
            assert_eq!(refusal(1, root()), Some(Refusal::Locked));
            assert_noop!(propose(1, root(), set_price(1)), BadOrigin);
            assert_eq!(refusal(1, parameters()), Some(Refusal::Locked));
            work(&THREE);
            assert_eq!(founders(), [(1, 1), (2, 1), (3, 1)]);
        }
        assert_eq!(refusal(1, root()), None);
        assert!(!Opened::<Test>::get());
        assert_ok!(propose(1, root(), set_price(1)));
        System::assert_has_event(Event::ChainOpened.into());
        assert!(Opened::<Test>::get());
        assert_eq!(founders(), []);
        for who in [1, 3] {
            Contributions::forfeit(&who);
        }
        assert_eq!(refusal(2, parameters()), None);
        work(&[(2, 30)]);
        assert_eq!(founders(), []);
    });
}

#[test]
fn an_unlocked_proposal_does_not_open_the_chain() {
    build_and_execute(|| {
        three_founders();
        submit(1);
        assert!(!Opened::<Test>::get());
    });
}

#[test]
fn a_founder_that_is_gone_leaves_its_place_to_the_next() {
    build_and_execute(|| {
        work(&THREE);
        work(&THREE);
        work(&[(1, 60), (2, 30), (3, 10), (4, 40)]);
        assert_eq!(founders(), [(1, 1), (2, 1), (3, 1)]);
        Contributions::forfeit(&1);
        assert_eq!(founders(), [(2, 1), (3, 1)]);
        work(&[(2, 30), (3, 10), (4, 40)]);
        assert_eq!(founders(), [(2, 1), (3, 1), (4, 3)]);
        // It has to wait for as long as the others did.
        assert_eq!(refusal(2, root()), Some(Refusal::Locked));
        work(&[(2, 30), (3, 10), (4, 40)]);
        assert_eq!(refusal(2, root()), None);
        // One that weighs too little holds it up, until somebody else takes its place.
        work(&[(2, 30), (4, 40)]);
        assert_eq!(refusal(2, root()), Some(Refusal::Locked));
        work(&[(2, 30), (4, 40), (5, 20)]);
        work(&[(2, 30), (4, 40), (5, 20)]);
        assert_eq!(founders(), [(2, 1), (4, 3), (5, 7)]);
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

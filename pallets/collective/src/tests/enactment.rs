// SPDX-License-Identifier: Apache-2.0
//! Between adoption and enactment, on the real scheduler.
use crate::{mock::*, Adopted, Error, Event, Referenda, Voting};
use ergon_primitives::traits::Contributions as _;
use frame_support::{
    assert_noop, assert_ok,
    traits::{
        schedule::{v3::Named, DispatchTime},
        StorePreimage,
    },
};
use pallet_referenda::ReferendumInfo;
use sp_runtime::{traits::Dispatchable, DispatchError::BadOrigin, Perbill};

/// The price that the adopted poll sets.
const PRICE: u32 = 1;

fn vote(who: u64, poll: u32, aye: bool) {
    assert_ok!(RankedCollective::vote(signed(who), poll, aye));
}

/// Anybody corrects a vote.
fn refresh(poll: u32, who: u64) {
    assert_ok!(RankedCollective::refresh_vote(signed(99), poll, who));
}

/// Poll 0, adopted by the votes of these, weights as of [`THREE`]; no price is set yet.
fn adopted(ayes: &[u64], nays: &[u64]) -> u32 {
    three_operators();
    let poll = submit(1);
    assert_ok!(RankedPolls::place_decision_deposit(signed(1), poll));
    ayes.iter().for_each(|who| vote(*who, poll, true));
    nays.iter().for_each(|who| vote(*who, poll, false));
    while matches!(info(poll), ReferendumInfo::Ongoing(_)) {
        run_for(1);
    }
    assert!(matches!(info(poll), ReferendumInfo::Approved(..)));
    assert_eq!(price(), 0);
    poll
}

fn price() -> u32 {
    prices::Price::<Test>::get()
}

/// Whether anything is to be enacted: all else that is scheduled has no name.
fn is_scheduled() -> bool {
    pallet_scheduler::Lookup::<Test>::iter().next().is_some()
}

#[test]
fn fraud_found_after_adoption_does_not_stay_adopted() {
    build_and_execute(|| {
        let poll = adopted(&[1], &[2]);
        Contributions::forfeit(&1);
        refresh(poll, 1);
        System::assert_last_event(Event::EnactmentStopped { poll }.into());
        check_invariants();
        run_for(10 * ENACTMENT);
        assert_eq!(price(), 0);
        assert!(!is_scheduled());
        // Its time has passed.
        assert_noop!(
            RankedCollective::refresh_vote(signed(99), poll, 2),
            Error::<Test>::NotPolling
        );
    });
}

#[test]
fn what_still_suffices_is_enacted() {
    build_and_execute(|| {
        let poll = adopted(&[1, 2], &[3]);
        Contributions::forfeit(&3);
        refresh(poll, 3);
        Contributions::forfeit(&2);
        refresh(poll, 2);
        let adoption = Adopted::<Test>::get(poll).unwrap();
        assert_eq!(
            (adoption.tally.ayes, adoption.tally.nays, adoption.stopped),
            (60, 0, false)
        );
        run_for(ENACTMENT);
        assert_eq!(price(), PRICE);
    });
}

/// Lets a twentieth of all weight be support enough.
fn lower_support(poll: u32) {
    Adopted::<Test>::mutate_extant(poll, |adoption| adoption.thresholds.support = Perbill::from_percent(5));
}

#[test]
fn votes_may_be_corrected_in_any_order() {
    // Neither the ayes of 1 nor the nays of 2 are worth anything; 3 alone suffices.
    for order in [[1, 2], [2, 1]] {
        build_and_execute(|| {
            let poll = adopted(&[1, 3], &[2]);
            lower_support(poll);
            Contributions::forfeit(&1);
            Contributions::forfeit(&2);
            order.into_iter().for_each(|who| refresh(poll, who));
            let adoption = Adopted::<Test>::get(poll).unwrap();
            assert_eq!((adoption.tally.ayes, adoption.tally.nays), (10, 0));
            run_for(ENACTMENT);
            assert_eq!(price(), PRICE);
        });
    }
}

#[test]
fn what_suffices_again_is_enacted_in_time() {
    build_and_execute(|| {
        // Without the 60 that are forged there are 10 against 30, and then 10 against none.
        let poll = adopted(&[1, 3], &[2]);
        lower_support(poll);
        Contributions::forfeit(&1);
        refresh(poll, 1);
        System::assert_last_event(Event::EnactmentStopped { poll }.into());
        assert!(!is_scheduled());
        check_invariants();
        Contributions::forfeit(&2);
        refresh(poll, 2);
        System::assert_last_event(Event::EnactmentResumed { poll }.into());
        check_invariants();
        run_for(ENACTMENT - 1);
        assert_eq!(price(), 0);
        run_for(1);
        assert_eq!(price(), PRICE);
    });
}

#[test]
fn nobody_votes_on_what_was_adopted() {
    build_and_execute(|| {
        let poll = adopted(&[1], &[]);
        assert_noop!(
            RankedCollective::vote(signed(2), poll, false),
            Error::<Test>::NotPolling
        );
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), poll, 1),
            Error::<Test>::NothingToRefresh
        );
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), poll, 2),
            Error::<Test>::NoVote
        );
    });
}

#[test]
fn votes_are_kept_until_enactment() {
    build_and_execute(|| {
        let poll = adopted(&[1], &[2]);
        run_for(ENACTMENT - 1);
        assert_noop!(
            RankedCollective::cleanup_poll(signed(9), poll, 9),
            Error::<Test>::Ongoing
        );
        run_for(1);
        assert_eq!(price(), PRICE);
        assert_ok!(RankedCollective::cleanup_poll(signed(9), poll, 9));
        assert_eq!(Voting::<Test>::iter_prefix(poll).count(), 0);
        assert!(!Adopted::<Test>::contains_key(poll));
    });
}

#[test]
fn only_the_guardian_vetoes_and_only_while_it_lives() {
    build_and_execute(|| {
        let poll = adopted(&[1, 2, 3], &[]);
        assert_noop!(RankedCollective::veto(signed(1), poll), BadOrigin);
        assert_noop!(RankedCollective::veto(RuntimeOrigin::root(), poll), BadOrigin);
        assert_noop!(
            RankedCollective::veto(signed(GUARDIAN), poll + 1),
            Error::<Test>::NotAdopted
        );
        assert_ok!(RankedCollective::veto(signed(GUARDIAN), poll));
        System::assert_last_event(Event::Vetoed { poll }.into());
        assert_noop!(
            RankedCollective::veto(signed(GUARDIAN), poll),
            Error::<Test>::NotAdopted
        );
        run_for(10 * ENACTMENT);
        assert_eq!(price(), 0);

        let poll = submit(1);
        assert_ok!(RankedPolls::place_decision_deposit(signed(1), poll));
        [1, 2, 3].into_iter().for_each(|who| vote(who, poll, true));
        run_to(GUARDIAN_END);
        assert_noop!(RankedCollective::veto(signed(GUARDIAN), poll), BadOrigin);
    });
}

#[test]
fn what_was_enacted_can_not_be_vetoed() {
    build_and_execute(|| {
        let poll = adopted(&[1, 2, 3], &[]);
        run_for(ENACTMENT);
        assert_eq!(price(), PRICE);
        assert_noop!(
            RankedCollective::veto(signed(GUARDIAN), poll),
            Error::<Test>::NotAdopted
        );
    });
}

#[test]
fn what_was_stopped_can_be_vetoed_and_stays_so() {
    build_and_execute(|| {
        let poll = adopted(&[1], &[2]);
        Contributions::forfeit(&1);
        refresh(poll, 1);
        assert_ok!(RankedCollective::veto(signed(GUARDIAN), poll));
        Contributions::forfeit(&2);
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), poll, 2),
            Error::<Test>::NotPolling
        );
        run_for(ENACTMENT);
        assert_eq!(price(), 0);
    });
}

#[test]
fn what_root_took_off_the_agenda_does_not_come_back() {
    build_and_execute(|| {
        let poll = adopted(&[1], &[2]);
        let name = RankedPolls::task_name(poll);
        assert_ok!(<Scheduler as Named<_, _, _>>::cancel_named(name));
        Contributions::forfeit(&1);
        let refresh = crate::Call::<Test>::refresh_vote { poll, who: 1 };
        assert_noop!(
            RuntimeCall::from(refresh)
                .dispatch(signed(9))
                .map_err(|error| error.error),
            Error::<Test>::NotAdopted
        );
        assert_noop!(
            RankedCollective::veto(signed(GUARDIAN), poll),
            Error::<Test>::NotAdopted
        );
        run_for(ENACTMENT);
        assert_eq!(price(), 0);
    });
}

#[test]
fn a_fraud_is_taken_out_however_late_enactment_is() {
    build_and_execute(|| {
        three_operators();
        let bounded = Preimage::bound(set_price(PRICE)).unwrap();
        let late = DispatchTime::At(500);
        assert_ok!(RankedPolls::submit(signed(1), Box::new(models()), bounded, late));
        assert_ok!(RankedPolls::place_decision_deposit(signed(1), 0));
        vote(1, 0, true);
        run_for(PREPARE + CONFIRM);
        assert!(matches!(info(0), ReferendumInfo::Approved(..)));
        Now::mutate(|now| *now += 2 * MAX_POLL_EPOCHS);
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), 0, 1),
            Error::<Test>::PollTooOld
        );
        Contributions::forfeit(&1);
        refresh(0, 1);
        run_to(500);
        assert_eq!(price(), 0);
    });
}

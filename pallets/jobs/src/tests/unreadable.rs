// SPDX-License-Identifier: Apache-2.0
//! What doesn't decode is kept and reported.
use crate::{mock::*, Agenda, Error, Event, Links, Queues, Rounds, SetAside, Standings, State};
use ergon_primitives::{request::DecodeSettings, traits::Audits as _, JobId};
use frame_support::{assert_noop, assert_ok, storage::unhashed};
use sp_runtime::DispatchError;

fn job_key(id: JobId) -> Vec<u8> {
    crate::Jobs::<Test>::hashed_key_for(id)
}

fn audit_key(id: JobId) -> Vec<u8> {
    pallet_audits::Audits::<Test>::hashed_key_for(id)
}

/// Cuts the last byte off what is kept; returns what it was.
fn spoil(key: &[u8]) -> Vec<u8> {
    let whole = unhashed::get_raw(key).unwrap();
    unhashed::put_raw(key, &whole[..whole.len() - 1]);
    whole
}

fn assert_set_aside(id: JobId) {
    assert_eq!(take_events(), [Event::Unreadable { job: id }]);
    assert!(SetAside::<Test>::contains_key(id));
    assert!(!Agenda::<Test>::iter_keys().any(|(_, _, listed)| listed == id));
    run_to(System::block_number() + 20);
    assert!(take_events().is_empty(), "it is reported once");
}

#[test]
fn a_job_that_does_not_decode_is_kept_and_reported_and_goes_on_when_it_is_repaired() {
    Chain::default().build_and_execute(|| {
        let id = assigned();
        let deadline = job(id).due.unwrap();
        let whole = spoil(&job_key(id));
        take_events();
        run_to(deadline);
        assert_set_aside(id);
        assert_eq!(unhashed::get_raw(&job_key(id)).unwrap(), whole[..whole.len() - 1]);
        assert_noop!(Jobs::cancel(signed(REQUESTER), id), Error::<Test>::UnknownJob);
        assert!(!Jobs::reinstate(id), "it still doesn't decode");

        unhashed::put_raw(&job_key(id), &whole);
        check_invariants();
        assert!(Jobs::reinstate(id) && !Jobs::reinstate(id));
        assert_ok!(answer(id));
        run_to(System::block_number() + 3);
        attest_all(id, &honest_header(id));
        assert_ok!(reveal(id));
        assert_eq!(state(id), State::Settled);
    });
}

#[test]
fn a_job_at_the_head_of_its_queue_that_does_not_decode_holds_nobody_up() {
    Chain::default().build_and_execute(|| {
        let (first, second) = (submit(), submit());
        let whole = spoil(&job_key(first));
        let unread = || crate::Jobs::<Test>::get(first).is_none();
        take_events();
        // The delay of its draw is over: it doesn't even enter the queue.
        run_to(System::block_number() + 2);
        assert!(unread() && state(second) == State::Assigned);
        assert!(take_events().contains(&Event::Unreadable { job: first }));
        unhashed::put_raw(&job_key(first), &whole);
        assert!(Jobs::reinstate(first));
        run_to(System::block_number() + 2);
        assert_eq!(state(first), State::Assigned);
    });
}

#[test]
fn a_job_that_stops_decoding_in_its_round_leaves_it_and_comes_back_to_one() {
    Chain::default().build_and_execute(|| {
        let (first, second) = (submit(), submit());
        Unserved::set(&vec![MODEL]);
        run_to(System::block_number() + 3);
        assert!(Links::<Test>::contains_key(first));
        let whole = spoil(&job_key(first));
        take_events();
        Unserved::set(&vec![]);
        run_to(System::block_number() + 2);
        assert_eq!(state(second), State::Assigned);
        assert!(take_events().contains(&Event::Unreadable { job: first }));
        let queue = Queues::<Test>::get(MODEL).unwrap();
        assert_eq!((queue.ready(), queue.places()), (0, 1));

        unhashed::put_raw(&job_key(first), &whole);
        assert!(Jobs::reinstate(first));
        run_to(System::block_number() + 2);
        assert_eq!(state(first), State::Assigned);
    });
}

#[test]
fn nothing_is_decided_without_an_audit_that_does_not_decode() {
    Chain::default().build_and_execute(|| {
        let id = attested();
        let due = job(id).due.unwrap();
        let whole = spoil(&audit_key(id));
        assert!(!Audits::is_readable(id));
        assert_noop!(reveal(id), Error::<Test>::UnreadableAudit);
        take_events();
        run_to(due);
        assert_set_aside(id);
        assert_eq!(state(id), State::Auditing);
        assert!(Missed::get().is_empty());

        unhashed::put_raw(&audit_key(id), &whole);
        assert!(Jobs::reinstate(id));
        assert_ok!(reveal(id));
        assert_eq!(state(id), State::Settled);
    });
}

/// Spoils a part of the queue while a job of `requester` waits for the delay of its draw.
fn assert_queue_is_kept(requester: AccountId, key: impl Fn() -> Vec<u8>) {
    Chain::default().build_and_execute(|| {
        submit();
        submit();
        Unserved::set(&vec![MODEL]);
        run_to(System::block_number() + 3);
        Unserved::set(&vec![]);
        let id = submit_by(requester, MODEL);
        Unserved::set(&vec![MODEL]);
        let whole = spoil(&key());
        take_events();
        run_to(System::block_number() + 3);
        assert_eq!(take_events(), [Event::Unreadable { job: id }]);
        assert!(SetAside::<Test>::contains_key(id) && state(id) == State::Queued);
        assert_eq!(unhashed::get_raw(&key()).unwrap(), whole[..whole.len() - 1]);

        unhashed::put_raw(&key(), &whole);
        assert!(Jobs::reinstate(id));
        Unserved::set(&vec![]);
        run_to(System::block_number() + 4);
        assert_eq!(state(id), State::Assigned);
    });
}

#[test]
fn a_queue_that_does_not_decode_is_kept_and_what_is_to_enter_it_is_set_aside() {
    assert_queue_is_kept(REQUESTER, || Queues::<Test>::hashed_key_for(MODEL));
    assert_queue_is_kept(REQUESTER, || {
        Standings::<Test>::hashed_key_for((MODEL, false, REQUESTER))
    });
    // Another requester's first job enters the round after the one that is served.
    assert_queue_is_kept(1_002, || Rounds::<Test>::hashed_key_for((MODEL, false, 2)));
}

#[test]
fn nothing_is_submitted_to_a_queue_that_does_not_decode() {
    Chain::default().build_and_execute(|| {
        submit();
        let ask = || Jobs::submit(signed(REQUESTER), MODEL, prompt(99), DecodeSettings::greedy(4), None);
        for key in [
            Queues::<Test>::hashed_key_for(MODEL),
            Standings::<Test>::hashed_key_for((MODEL, false, REQUESTER)),
        ] {
            let whole = spoil(&key);
            assert_noop!(ask(), DispatchError::Corruption);
            unhashed::put_raw(&key, &whole);
        }
        assert_ok!(ask());
    });
}

#[test]
fn a_job_whose_place_in_its_round_does_not_decode_is_assigned_once_that_is_repaired() {
    Chain::default().build_and_execute(|| {
        let jobs = [submit(), submit()];
        Unserved::set(&vec![MODEL]);
        run_to(System::block_number() + 3);
        let first = Rounds::<Test>::get((MODEL, false, 1)).unwrap().head;
        let key = Links::<Test>::hashed_key_for(first);
        let whole = spoil(&key);
        Unserved::set(&vec![]);
        run_to(System::block_number() + 3);
        assert_eq!(jobs.map(state), [State::Queued; 2]);
        assert_eq!(unhashed::get_raw(&key).unwrap(), whole[..whole.len() - 1]);

        unhashed::put_raw(&key, &whole);
        run_to(System::block_number() + 3);
        assert_eq!(jobs.map(state), [State::Assigned; 2]);
    });
}

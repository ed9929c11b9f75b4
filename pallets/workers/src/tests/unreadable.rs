// SPDX-License-Identifier: Apache-2.0
//! What doesn't decode is kept and reported.
use super::{execution, MODEL, ROOM};
use crate::{
    mock::*, ChangeQueue, Changes, Event, Operators, Positions, QueuedChanges, Serving, ServingCount, Status, Sums,
};
use ergon_primitives::traits::{Duty, Workers as _};
use frame_support::{assert_ok, storage::unhashed};

/// Cuts the last byte off what is kept; returns what it was.
fn spoil(key: &[u8]) -> Vec<u8> {
    let whole = unhashed::get_raw(key).unwrap();
    unhashed::put_raw(key, &whole[..whole.len() - 1]);
    whole
}

#[test]
fn an_operator_that_does_not_decode_is_neither_changed_nor_removed_nor_drawn() {
    build_and_execute(|| {
        serve([1]);
        let key = Operators::<Test>::hashed_key_for(1);
        let whole = spoil(&key);
        let hooks: [fn(); 5] = [
            || Workers::note_kept(&1),
            || Workers::note_missed(&1),
            || Workers::release(&1, Duty::Execution, ROOM),
            || Workers::discharge(&1),
            || Workers::jail(&1),
        ];
        for hook in hooks {
            System::reset_events();
            hook();
            System::assert_last_event(Event::Unreadable { operator: 1 }.into());
            assert_eq!(System::events().len(), 1);
            assert_eq!(unhashed::get_raw(&key).unwrap(), whole[..whole.len() - 1]);
        }
        assert_eq!(execution(&[]), None);
        assert!(Workers::register(signed(1), hot(7), endpoint(), served(&MODELS[..1])).is_err());
        unhashed::put_raw(&key, &whole);
        assert_eq!(Operators::<Test>::get(1).unwrap().status, Status::Active);
        assert_eq!(execution(&[]), Some(1));
        Workers::release(&1, Duty::Execution, ROOM);
        Workers::discharge(&1);
    });
}

#[test]
fn a_change_of_a_list_that_does_not_decode_is_kept_and_reported_and_holds_none_up() {
    build_and_execute(|| {
        register([1, 2]);
        let queue = ChangeQueue::<Test>::get();
        assert_eq!(queue.end - queue.first, 2);
        let number = queue.first;
        let key = QueuedChanges::<Test>::hashed_key_for(number);
        let whole = spoil(&key);
        System::reset_events();
        lists_follow();
        let reported = RuntimeEvent::Workers(Event::UnreadableChange { number });
        let reports = || {
            System::events()
                .iter()
                .filter(|record| record.event == reported)
                .count()
        };
        assert_eq!(reports(), 1);
        assert_eq!(unhashed::get_raw(&key).unwrap(), whole[..whole.len() - 1]);
        assert_eq!(ChangeQueue::<Test>::get().first, queue.end);
        assert_eq!(execution(&[]), Some(2));
        Workers::release(&2, Duty::Execution, ROOM);
        Workers::discharge(&2);
        lists_follow();
        assert_eq!(reports(), 1);

        // An upgrade that repairs it makes it.
        unhashed::put_raw(&key, &whole);
        let queued = QueuedChanges::<Test>::take(number).unwrap();
        let change = Changes::<Test>::take(queued.model, queued.operator).unwrap();
        assert_ok!(Workers::make(&queued.model, queued.operator, change));
        assert_ok!(Workers::drain(signed(2)));
    });
}

#[test]
fn a_list_a_part_of_which_does_not_decode_is_kept_as_it_is() {
    let parts: [fn() -> Vec<u8>; 4] = [
        || ServingCount::<Test>::hashed_key_for(MODEL),
        || Positions::<Test>::hashed_key_for(MODEL, 1),
        || Serving::<Test>::hashed_key_for(MODEL, 1),
        || Sums::<Test>::hashed_key_for((MODEL, 0, 0)),
    ];
    for part in parts {
        build_and_execute(|| {
            serve([1, 2]);
            let list = || (Positions::<Test>::get(MODEL, 2), Workers::all_shares(&MODEL));
            let before = list();
            let whole = spoil(&part());
            System::reset_events();
            assert_ok!(Workers::drain(signed(1)));
            lists_follow();
            let is_report =
                |event: &RuntimeEvent| matches!(event, RuntimeEvent::Workers(Event::UnreadableChange { .. }));
            assert_eq!(
                System::events()
                    .iter()
                    .filter(|record| is_report(&record.event))
                    .count(),
                1
            );
            assert_eq!(unhashed::get_raw(&part()).unwrap(), whole[..whole.len() - 1]);
            unhashed::put_raw(&part(), &whole);
            assert_eq!(list(), before);

            // It drains, so nobody draws it. Back, it is where it was.
            assert_eq!(execution(&[]), Some(2));
            Workers::release(&2, Duty::Execution, ROOM);
            Workers::discharge(&2);
            assert_ok!(Workers::resume(signed(1)));
            lists_follow();
            assert_eq!(ServingCount::<Test>::get(MODEL), 2);
        });
    }
}

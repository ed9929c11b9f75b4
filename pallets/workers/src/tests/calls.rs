// SPDX-License-Identifier: Apache-2.0
use super::{audit, execution, ROOM};
use crate::{
    mock::*, Active, Error, Event, HotKeys, HotKeysEver, Operator, Operators, Serving, Sponsored, Status, Sums,
    MAX_HOT_KEYS,
};
use ergon_primitives::{
    traits::{Duty, Workers as _},
    H256,
};
use frame_support::{assert_noop, assert_ok};

const MODEL: H256 = MODELS[0];

fn status(operator: u64) -> Status {
    Operators::<Test>::get(operator).unwrap().status
}

#[test]
fn a_registered_operator_is_active_and_serves_its_models() {
    build_and_execute(|| {
        assert_ok!(Workers::register(signed(1), 7_000, endpoint(), served(&MODELS[..2])));
        System::assert_last_event(
            Event::Registered {
                operator: 1,
                hot: 7_000,
            }
            .into(),
        );
        let expected = Operator {
            hot_keys: vec![7_000].try_into().unwrap(),
            ..Operator::new(endpoint(), served(&MODELS[..2]))
        };
        assert_eq!(Operators::<Test>::get(1), Some(expected));
        assert_eq!(Workers::operator_of(&7_000), Some(1));
        assert_eq!(Workers::operator_of(&1), None);
        assert_eq!(MODELS.map(|model| Workers::serving(&model)), [1, 1, 0]);
    });
}

#[test]
fn each_account_gets_one_provider_and_keeps_it() {
    build_and_execute(|| {
        assert_eq!((System::providers(&1), System::providers(&hot(1))), (1, 0));
        register([1]);
        assert_eq!((System::providers(&1), System::providers(&hot(1))), (1, 1));
        leave(1);
        register([1]);
        assert_eq!((System::providers(&1), System::providers(&hot(1))), (1, 1));
    });
}

#[test]
fn an_account_that_only_has_a_provider_can_not_register() {
    build_and_execute(|| {
        register([1]);
        let stranger = |who| Workers::register(signed(who), 5_000, endpoint(), served(&[MODEL]));
        assert_noop!(stranger(hot(1)), Error::<Test>::NotSponsored);
        // Not even when it is nobody's hot key any more.
        assert_ok!(Workers::remove_hot_key(signed(hot(1)), hot(1)));
        assert!(System::providers(&hot(1)) > 0);
        assert_noop!(stranger(hot(1)), Error::<Test>::NotSponsored);
    });
}

/// Gives operator 1 this hot key, and takes it away again if it was given.
fn lend(hot: u64) -> sp_runtime::DispatchResult {
    Workers::add_hot_key(signed(1), hot)?;
    Workers::remove_hot_key(signed(1), hot)
}

#[test]
fn changing_hot_keys_brings_a_bounded_number_of_accounts_onto_the_chain() {
    build_and_execute(|| {
        register([1]);
        for key in 1..u64::from(MAX_HOT_KEYS_EVER) {
            assert_ok!(lend(5_000 + key));
        }
        assert_noop!(
            Workers::add_hot_key(signed(1), 5_000),
            Error::<Test>::TooManyHotKeysEver
        );
        assert_eq!(System::providers(&5_000), 0);
        // Those that it brought before bring nothing new.
        assert_ok!(lend(5_001));
        // Leaving and coming back is no new beginning.
        leave(1);
        let again = |hot| Workers::register(signed(1), hot, endpoint(), served(&[MODEL]));
        assert_noop!(again(5_000), Error::<Test>::TooManyHotKeysEver);
        assert_ok!(again(hot(1)));
        // Each operator has its own count.
        assert_ok!(Workers::register(signed(2), 5_000, endpoint(), served(&[MODEL])));
    });
}

#[test]
fn an_operator_may_be_its_own_hot_key() {
    build_and_execute(|| {
        assert_ok!(Workers::register(signed(1), 1, endpoint(), served(&[MODEL])));
        assert_eq!(Workers::operator_of(&1), Some(1));
        assert_ok!(Workers::drain(signed(1)));
        assert_ok!(Workers::resume(signed(1)));
        register([2]);
        assert_ok!(Workers::add_hot_key(signed(2), 2));
        assert_eq!(Workers::operator_of(&2), Some(2));
    });
}

#[test]
fn registrations_that_break_a_rule_are_refused() {
    build_and_execute(|| {
        register([1]);
        let with = |who, hot, models: &[H256]| Workers::register(signed(who), hot, endpoint(), served(models));
        assert_noop!(with(SPONSORED + 1, 5_000, &[MODEL]), Error::<Test>::NotSponsored);
        assert_noop!(with(1, 5_000, &[MODEL]), Error::<Test>::AlreadyRegistered);
        assert_noop!(with(2, hot(1), &[MODEL]), Error::<Test>::KeyTaken);
        assert_noop!(with(2, 1, &[MODEL]), Error::<Test>::KeyTaken);
        assert_noop!(with(2, 5_000, &[]), Error::<Test>::NoModels);
        assert_noop!(
            with(2, 5_000, &[MODEL, MODELS[1], MODEL]),
            Error::<Test>::DuplicateModel
        );
        assert_noop!(with(2, 5_000, &[MODEL, RETIRED]), Error::<Test>::ModelNotActive);
        for bad in [b"http://a b", b"http://a\xff\n", b"http://a\0c"] {
            let endpoint = bad.to_vec().try_into().unwrap();
            let registered = Workers::register(signed(2), 5_000, endpoint, served(&[MODEL]));
            assert_noop!(registered, Error::<Test>::InvalidEndpoint);
        }
    });
}

#[test]
fn calls_need_a_signature_of_an_operator() {
    build_and_execute(|| {
        assert_noop!(
            Workers::update(signed(9), endpoint(), served(&[MODEL])),
            Error::<Test>::NotRegistered
        );
        assert_noop!(Workers::add_hot_key(signed(9), 5_000), Error::<Test>::NotRegistered);
        assert_noop!(Workers::remove_hot_key(signed(9), 5_000), Error::<Test>::UnknownHotKey);
        assert_noop!(Workers::drain(signed(9)), Error::<Test>::NotRegistered);
        assert_noop!(Workers::resume(signed(9)), Error::<Test>::NotRegistered);
        assert_noop!(Workers::remove(signed(9)), Error::<Test>::NotRegistered);
        assert_noop!(
            Workers::drain(RuntimeOrigin::root()),
            sp_runtime::DispatchError::BadOrigin
        );
    });
}

#[test]
fn an_update_moves_the_operator_to_its_new_models() {
    build_and_execute(|| {
        register([1, 2]);
        assert_ok!(Workers::update(signed(1), Default::default(), served(&MODELS[1..])));
        System::assert_last_event(Event::Updated { operator: 1 }.into());
        assert_eq!(MODELS.map(|model| Workers::serving(&model)), [1, 1, 1]);
        lists_follow();
        let listed = |model| Serving::<Test>::get(model, 0).map(|listing| listing.operator);
        assert_eq!((listed(MODEL), listed(MODELS[1])), (Some(2), Some(1)));
        assert!(Operators::<Test>::get(1).unwrap().endpoint.is_empty());
        assert_noop!(
            Workers::update(signed(1), endpoint(), served(&[])),
            Error::<Test>::NoModels
        );
        assert_noop!(
            Workers::update(signed(1), endpoint(), served(&[RETIRED])),
            Error::<Test>::ModelNotActive
        );
    });
}

#[test]
fn an_update_does_not_bring_a_draining_operator_back() {
    build_and_execute(|| {
        register([1]);
        assert_ok!(Workers::drain(signed(1)));
        assert_ok!(Workers::update(signed(1), endpoint(), served(&MODELS)));
        assert_eq!(MODELS.map(|model| Workers::serving(&model)), [0, 0, 0]);
        assert_ok!(Workers::resume(signed(1)));
        assert_eq!(MODELS.map(|model| Workers::serving(&model)), [1, 1, 1]);
    });
}

#[test]
fn hot_keys_come_and_go() {
    build_and_execute(|| {
        register([1, 2]);
        assert_ok!(Workers::add_hot_key(signed(1), 5_000));
        System::assert_last_event(
            Event::HotKeyAdded {
                operator: 1,
                hot: 5_000,
            }
            .into(),
        );
        assert_eq!((Workers::operator_of(&5_000), System::providers(&5_000)), (Some(1), 1));
        assert_noop!(Workers::add_hot_key(signed(2), 5_000), Error::<Test>::KeyTaken);
        assert_noop!(Workers::add_hot_key(signed(2), 1), Error::<Test>::KeyTaken);
        assert_noop!(Workers::remove_hot_key(signed(2), 5_000), Error::<Test>::UnknownHotKey);
        assert_ok!(Workers::remove_hot_key(signed(1), 5_000));
        System::assert_last_event(
            Event::HotKeyRemoved {
                operator: 1,
                hot: 5_000,
            }
            .into(),
        );
        assert_eq!((Workers::operator_of(&5_000), System::providers(&5_000)), (None, 1));
        assert_ok!(Workers::add_hot_key(signed(1), 5_000));
        assert_eq!(status(1), Status::Active);
    });
}

#[test]
fn nobody_binds_an_account_that_is_somebody_elses() {
    build_and_execute(|| {
        register([1, 2]);
        let bind = |operator, hot| Workers::add_hot_key(signed(operator), hot);
        // Neither one that was sponsored, nor one that another operator brought, even if it is free.
        assert_noop!(bind(1, 3), Error::<Test>::KeyNotYours);
        assert_noop!(
            Workers::register(signed(3), 4, endpoint(), served(&[MODEL])),
            Error::<Test>::KeyNotYours
        );
        assert_ok!(bind(2, 5_000));
        assert_ok!(Workers::remove_hot_key(signed(5_000), 5_000));
        assert_noop!(bind(1, 5_000), Error::<Test>::KeyNotYours);
        assert_ok!(bind(2, 5_000));
        // Nor one that anybody else has let in.
        System::inc_providers(&6_000);
        assert_noop!(bind(1, 6_000), Error::<Test>::KeyNotYours);
    });
}

#[test]
fn hot_keys_are_bounded() {
    build_and_execute(|| {
        register([1]);
        for key in 1..u64::from(MAX_HOT_KEYS) {
            assert_ok!(Workers::add_hot_key(signed(1), 5_000 + key));
        }
        assert_noop!(Workers::add_hot_key(signed(1), 5_000), Error::<Test>::TooManyHotKeys);
    });
}

#[test]
fn a_hot_key_may_leave_and_an_operator_without_one_drains() {
    build_and_execute(|| {
        register([1]);
        assert_ok!(Workers::remove_hot_key(signed(hot(1)), hot(1)));
        assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Draining, 0));
        assert_noop!(Workers::resume(signed(1)), Error::<Test>::NoHotKey);
        assert_ok!(Workers::add_hot_key(signed(1), 5_000));
        assert_ok!(Workers::resume(signed(5_000)));
        assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Active, 1));
    });
}

#[test]
fn a_drained_operator_resumes_by_itself_or_by_its_hot_key() {
    build_and_execute(|| {
        register([1]);
        assert_noop!(Workers::resume(signed(1)), Error::<Test>::AlreadyActive);
        for who in [1, hot(1)] {
            assert_ok!(Workers::drain(signed(1)));
            System::assert_last_event(Event::Drained { operator: 1 }.into());
            assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Draining, 0));
            assert_noop!(Workers::drain(signed(1)), Error::<Test>::AlreadyDraining);
            assert_ok!(Workers::resume(signed(who)));
            System::assert_last_event(Event::Resumed { operator: 1 }.into());
            assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Active, 1));
        }
    });
}

#[test]
fn an_operator_leaves_only_when_every_drawing_is_discharged() {
    build_and_execute(|| {
        serve([1]);
        assert_eq!(execution(&[]), Some(1));
        assert_eq!(audit(&[]), Some(1));
        assert_ok!(Workers::drain(signed(1)));
        lists_follow();
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::ObligationsLeft);
        // It has answered, but the answer is still to be audited.
        Workers::release(&1, Duty::Execution, ROOM);
        Workers::release(&1, Duty::Audit, ROOM);
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::ObligationsLeft);
        Workers::discharge(&1);
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::ObligationsLeft);
        Workers::discharge(&1);
        assert_ok!(Workers::remove(signed(1)));
        System::assert_last_event(Event::Removed { operator: 1 }.into());
        assert_eq!((Operators::<Test>::get(1), HotKeys::<Test>::get(hot(1))), (None, None));
    });
}

#[test]
fn an_operator_leaves_only_when_no_list_leads_to_it() {
    build_and_execute(|| {
        serve([1]);
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::StillListed);
        assert_ok!(Workers::drain(signed(1)));
        pass(LIST_DELAY);
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::StillListed);
        pass(1);
        assert_ok!(Workers::remove(signed(1)));
    });
}

#[test]
fn an_operator_that_owes_an_attestation_can_be_jailed_or_miss_it() {
    build_and_execute(|| {
        serve([1]);
        assert_eq!(audit(&[]), Some(1));
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::ObligationsLeft);
        Workers::note_missed(&1);
        Workers::jail(&1);
        assert_eq!(Operators::<Test>::get(1).unwrap().missed, 1);
        Workers::release(&1, Duty::Audit, ROOM);
        Workers::discharge(&1);
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::OperatorJailed);
    });
}

#[test]
fn a_jailed_operator_can_do_nothing_but_its_hot_key_may_leave() {
    build_and_execute(|| {
        register([1, 2]);
        Workers::jail(&1);
        System::assert_last_event(Event::Jailed { operator: 1 }.into());
        assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Jailed, 1));
        assert_eq!(Workers::operator_of(&hot(1)), Some(1));
        let jailed = Error::<Test>::OperatorJailed;
        assert_noop!(Workers::update(signed(1), endpoint(), served(&MODELS)), jailed);
        assert_noop!(Workers::add_hot_key(signed(1), 5_000), Error::<Test>::OperatorJailed);
        assert_noop!(Workers::drain(signed(1)), Error::<Test>::OperatorJailed);
        assert_noop!(Workers::resume(signed(1)), Error::<Test>::OperatorJailed);
        assert_noop!(Workers::resume(signed(hot(1))), Error::<Test>::OperatorJailed);
        assert_noop!(Workers::remove(signed(1)), Error::<Test>::OperatorJailed);
        assert_noop!(
            Workers::register(signed(1), 5_000, endpoint(), served(&MODELS)),
            Error::<Test>::AlreadyRegistered
        );
        frame_support::assert_storage_noop!(Workers::jail(&1));
        assert_ok!(Workers::remove_hot_key(signed(hot(1)), hot(1)));
        assert_eq!((status(1), Workers::operator_of(&hot(1))), (Status::Jailed, None));
    });
}

#[test]
fn governance_lets_a_jailed_operator_off_and_it_is_draining() {
    build_and_execute(|| {
        let root = RuntimeOrigin::root;
        register([1]);
        assert_noop!(Workers::unjail(root(), 1), Error::<Test>::NotJailed);
        assert_noop!(Workers::unjail(root(), 2), Error::<Test>::NotRegistered);
        Workers::jail(&1);
        assert_noop!(Workers::unjail(signed(1), 1), sp_runtime::DispatchError::BadOrigin);
        assert_ok!(Workers::unjail(root(), 1));
        System::assert_last_event(Event::Unjailed { operator: 1 }.into());
        assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Draining, 0));
        assert_ok!(Workers::resume(signed(hot(1))));
        assert_eq!((status(1), Workers::serving(&MODEL)), (Status::Active, 1));
    });
}

#[test]
fn a_draining_operator_can_be_jailed() {
    build_and_execute(|| {
        register([1]);
        assert_ok!(Workers::drain(signed(1)));
        Workers::jail(&1);
        assert_eq!(status(1), Status::Jailed);
    });
}

#[test]
fn invariants_notice_each_kind_of_damage() {
    build_and_execute(|| {
        register([1, 2]);
        lists_follow();
        let first = Serving::<Test>::take(MODEL, 0).unwrap();
        assert!(Workers::do_try_state().is_err());
        Serving::<Test>::insert(MODEL, 0, first);
        HotKeys::<Test>::insert(5_000, 1);
        assert!(Workers::do_try_state().is_err());
        HotKeys::<Test>::remove(5_000);
        Operators::<Test>::mutate_extant(1, |entry| entry.status = Status::Draining);
        assert!(Workers::do_try_state().is_err());
        Operators::<Test>::mutate_extant(1, |entry| entry.status = Status::Active);
        Operators::<Test>::mutate_extant(1, |entry| entry.executing = 1);
        assert!(Workers::do_try_state().is_err());
        Operators::<Test>::mutate_extant(1, |entry| entry.executing = 0);
        Active::<Test>::insert(MODEL, 3);
        assert!(Workers::do_try_state().is_err());
        Active::<Test>::insert(MODEL, 2);
        let node = Sums::<Test>::take((MODEL, 0, 0));
        assert!(Workers::do_try_state().is_err());
        Sums::<Test>::insert((MODEL, 0, 0), node);
        HotKeysEver::<Test>::insert(1, MAX_HOT_KEYS_EVER + 1);
        assert!(Workers::do_try_state().is_err());
        HotKeysEver::<Test>::insert(1, 2);
        assert!(Workers::do_try_state().is_err(), "miscounted");
        HotKeysEver::<Test>::insert(1, 1);
        Sponsored::<Test>::insert(hot(1), ());
        assert!(Workers::do_try_state().is_err());
        Sponsored::<Test>::remove(hot(1));
        Sponsored::<Test>::insert(9_999, ());
        assert!(Workers::do_try_state().is_err());
        Sponsored::<Test>::remove(9_999);
    });
}

// SPDX-License-Identifier: Apache-2.0
use crate::{
    mock::{build_and_execute, Keyless, RuntimeOrigin, System, Test, Validators, MAX_VALIDATORS},
    Error, Event, Next,
};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use sp_runtime::DispatchError;

fn set(validators: Vec<u64>) -> DispatchResult {
    Validators::set_validators(RuntimeOrigin::root(), validators)
}

#[test]
fn a_named_set_is_taken_once_and_as_it_was_named() {
    build_and_execute(|| {
        assert_eq!(Validators::take_next(), None);
        assert_ok!(set(vec![3, 1, 2]));
        System::assert_last_event(
            Event::ValidatorsSet {
                validators: vec![3, 1, 2],
            }
            .into(),
        );
        assert_eq!(Validators::take_next(), Some(vec![3, 1, 2]));
        assert_eq!(Validators::take_next(), None);
    });
}

#[test]
fn naming_another_set_replaces_one_that_was_not_taken() {
    build_and_execute(|| {
        assert_ok!(set(vec![1]));
        assert_ok!(set(vec![2, 3]));
        assert_eq!(Validators::take_next(), Some(vec![2, 3]));
    });
}

#[test]
fn only_the_privileged_origin_names_validators() {
    build_and_execute(|| {
        for origin in [RuntimeOrigin::signed(1), RuntimeOrigin::none()] {
            assert_noop!(Validators::set_validators(origin, vec![1]), DispatchError::BadOrigin);
        }
    });
}

#[test]
fn a_set_that_would_stop_the_chain_is_refused() {
    build_and_execute(|| {
        let most = u64::from(MAX_VALIDATORS);
        for (validators, error) in [
            (vec![], Error::<Test>::NoValidators),
            ((0..=most).collect(), Error::TooManyValidators),
            (vec![1, 2, 1], Error::DuplicateValidator),
            (vec![1, Keyless::get()], Error::NoSessionKeys),
        ] {
            assert_noop!(set(validators), error);
        }
        assert_ok!(set((0..most).collect()));
    });
}

#[test]
fn a_set_whose_keys_are_all_gone_is_dropped_but_not_one_with_some() {
    build_and_execute(|| {
        assert_ok!(set(vec![1, 2]));
        Keyless::set(2);
        assert_eq!(Validators::take_next(), Some(vec![1, 2]));
        Keyless::set(100);
        assert_ok!(set(vec![1, 2]));
        Keyless::set(0);
        assert_eq!(Validators::take_next(), None);
        assert!(!Next::<Test>::exists());
    });
}

#[test]
fn the_invariants_find_a_set_that_would_be_refused() {
    build_and_execute(|| {
        for broken in [vec![], vec![1, 1], vec![Keyless::get()]] {
            Next::<Test>::put(frame_support::BoundedVec::truncate_from(broken));
            assert!(Validators::do_try_state().is_err());
        }
        Next::<Test>::kill();
    });
}

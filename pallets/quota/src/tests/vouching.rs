// SPDX-License-Identifier: Apache-2.0
//! Letting newcomers in by an operator's word.
use super::*;
use crate::{Class, Error, Event};
use ergon_primitives::quota::Admission;
use frame_support::{assert_noop, assert_ok};

const STRANGER: u64 = KNOWN + 1;

#[test]
fn an_established_operator_lets_a_newcomer_in() {
    build_and_execute(|| {
        operators([(1, 0)]);
        assert_ok!(Quota::vouch(signed(1), STRANGER));
        frame_system::Pallet::<Test>::assert_last_event(
            Event::Vouched {
                voucher: 1,
                account: STRANGER,
            }
            .into(),
        );
        assert_eq!(LetIn::get(), [STRANGER], "the registry puts it on probation");
        let info = Quota::quota_of(&STRANGER);
        assert_eq!((info.class, info.points), (Class::Newcomer, NEWCOMER_POINTS));
        dispatch(STRANGER, 0, remark(b"hello")).unwrap().unwrap();
    });
}

#[test]
fn bad_vouching_is_refused() {
    build_and_execute(|| {
        operators([(1, 5), (2, 5)]);
        OnProbation::set([2].into());
        assert_noop!(Quota::vouch(signed(2), STRANGER), Error::<Test>::NotEstablished);
        assert_noop!(Quota::vouch(signed(3), STRANGER), Error::<Test>::NotEstablished);
        assert_noop!(Quota::vouch(signed(hot(1)), STRANGER), Error::<Test>::NotEstablished);
        assert_noop!(Quota::vouch(signed(1), 3), Error::<Test>::AlreadyAdmitted);
        assert_noop!(Quota::vouch(signed(1), hot(2)), Error::<Test>::ActsForOperator);
        assert_ok!(Quota::vouch(signed(1), STRANGER));
        assert_noop!(Quota::vouch(signed(1), STRANGER), Error::<Test>::AlreadyAdmitted);
    });
}

#[test]
fn an_operator_vouches_for_so_many_an_epoch() {
    build_and_execute(|| {
        operators([(1, 5)]);
        let mut account = STRANGER;
        for epoch in 0..3 {
            CurrentIndex::set(epoch);
            for _ in 0..VOUCHES {
                assert_ok!(Quota::vouch(signed(1), account));
                account += 1;
            }
            assert_noop!(Quota::vouch(signed(1), account), Error::<Test>::TooManyVouches);
        }
    });
}

#[test]
fn attack_cores_shut_the_door() {
    build_and_execute(|| {
        let vouchers = u64::from(TICKETS_PER_BLOCK / VOUCHES);
        operators((1..=vouchers + 1).map(|who| (who, 5)));
        // Tickets take all the places that they can get.
        for account in STRANGER..STRANGER + u64::from(TICKETS_PER_BLOCK) {
            assert_ok!(Quota::admit(&account, &make_ticket(account)));
        }
        let late = 2 * STRANGER;
        assert!(Quota::admit(&late, &make_ticket(late)).is_err());
        // As many are left to those that somebody vouches for, whatever newcomers send.
        for who in 1..=100 {
            let _ = spend(who, 1_000);
        }
        let mut account = 10 * STRANGER;
        for voucher in 1..=vouchers {
            for _ in 0..VOUCHES {
                assert_ok!(Quota::vouch(signed(voucher), account));
                account += 1;
            }
        }
        assert_noop!(Quota::vouch(signed(vouchers + 1), account), Error::<Test>::NoPlaceLeft);
        go_to(2);
        assert_ok!(Quota::vouch(signed(vouchers + 1), account));
    });
}

#[test]
fn an_operator_whose_newcomer_fails_its_probation_vouches_for_nobody_for_some_epochs() {
    build_and_execute(|| {
        operators([(1, 5), (2, 5)]);
        assert_ok!(Quota::vouch(signed(1), STRANGER));
        assert_ok!(Quota::vouch(signed(2), STRANGER + 1));
        Quota::note_failed(&STRANGER);
        frame_system::Pallet::<Test>::assert_last_event(
            Event::VoucherBarred {
                voucher: 1,
                account: STRANGER,
                until: BAN + 1,
            }
            .into(),
        );
        for epoch in 0..=BAN {
            CurrentIndex::set(epoch);
            assert_noop!(Quota::vouch(signed(1), STRANGER + 2), Error::<Test>::VoucherBarred);
        }
        assert_ok!(Quota::vouch(signed(2), STRANGER + 3));
        CurrentIndex::set(BAN + 1);
        assert_ok!(Quota::vouch(signed(1), STRANGER + 2));
        Quota::note_passed(&(STRANGER + 1));
        Quota::note_failed(&(STRANGER + 1));
        assert_ok!(Quota::vouch(signed(2), STRANGER + 4));
        // Nobody answers for those that came by a ticket.
        Quota::note_failed(&1);
    });
}

/// A newcomer with nothing to lose failed over and over, so that its voucher could never vouch again.
#[test]
fn a_newcomer_that_fails_again_and_again_bars_its_voucher_once() {
    build_and_execute(|| {
        operators([(1, 5)]);
        assert_ok!(Quota::vouch(signed(1), STRANGER));
        for epoch in 0..=BAN {
            CurrentIndex::set(epoch);
            Quota::note_failed(&STRANGER);
        }
        CurrentIndex::set(BAN + 1);
        assert_ok!(Quota::vouch(signed(1), STRANGER + 1));
    });
}

// SPDX-License-Identifier: Apache-2.0
//! What doesn't decode is kept, and gives nothing.
use super::*;
use crate::{Meter, Sponsors, Usages, Vouchers};
use ergon_primitives::quota::Admission as _;
use frame_support::{assert_noop, assert_ok, assert_storage_noop, storage::unhashed};
use sp_runtime::DispatchError;

const STRANGER: u64 = KNOWN + 1;
const LINE: u64 = 100_000;

/// Cuts the last byte off what is kept while `test` runs, which must leave it so.
fn spoilt(key: &[u8], test: impl FnOnce()) {
    let whole = unhashed::get_raw(key).unwrap();
    let cut = &whole[..whole.len() - 1];
    unhashed::put_raw(key, cut);
    test();
    assert_eq!(unhashed::get_raw(key).unwrap(), cut);
    unhashed::put_raw(key, &whole);
}

#[test]
fn a_bucket_that_does_not_decode_is_empty_until_it_is_repaired() {
    build_and_execute(|| {
        operators([(1, 1)]);
        assert_ok!(spend(1, 1_000));
        let left = points_left(1);
        spoilt(&Usages::<Test>::hashed_key_for(1, Meter::Ordinary), || {
            assert_eq!(points_left(1), 0);
            assert_storage_noop!(Quota::refund(&1, Meter::Ordinary, 500));
            assert_eq!(dispatch(1, 0, remark(b"hello")).unwrap_err(), exhausted());
        });
        assert_eq!(points_left(1), left);
        assert_ok!(spend(1, 1_000));
    });
}

#[test]
fn what_a_voucher_or_a_sponsor_has_given_is_not_forgotten_when_it_does_not_decode() {
    build_and_execute(|| {
        operators([(1, 5)]);
        assert_ok!(Quota::vouch(signed(1), STRANGER));
        spoilt(&Vouchers::<Test>::hashed_key_for(1), || {
            assert_noop!(Quota::vouch(signed(1), STRANGER + 1), DispatchError::Corruption);
            Quota::note_failed(&STRANGER);
        });
        assert_ok!(Quota::sponsor(signed(1), STRANGER + 1, LINE));
        spoilt(&Sponsors::<Test>::hashed_key_for(1), || {
            assert_noop!(Quota::sponsor(signed(1), STRANGER + 2, LINE), DispatchError::Corruption);
            assert_noop!(Quota::withdraw(signed(1), STRANGER + 1), DispatchError::Corruption);
        });
        assert_ok!(Quota::withdraw(signed(1), STRANGER + 1));
    });
}

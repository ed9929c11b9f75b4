// SPDX-License-Identifier: Apache-2.0
//! What doesn't decode is kept: nobody votes twice because of it.
use crate::{mock::*, Delegations, Delegators, Members, Voting};
use frame_support::{assert_noop, assert_ok, storage::unhashed};
use sp_runtime::{DispatchError, DispatchResult};

/// Cuts the last byte off what is kept while `call` is refused.
fn assert_refused(key: &[u8], call: impl FnOnce() -> DispatchResult) {
    let whole = unhashed::get_raw(key).unwrap();
    unhashed::put_raw(key, &whole[..whole.len() - 1]);
    assert_noop!(call(), DispatchError::Corruption);
    unhashed::put_raw(key, &whole);
}

#[test]
fn what_does_not_decode_is_neither_replaced_nor_counted_again() {
    build_and_execute(|| {
        work(&THREE);
        let poll = submit(1);
        assert_ok!(RankedCollective::vote(signed(1), poll, true));
        assert_refused(&Voting::<Test>::hashed_key_for(poll, 1), || {
            RankedCollective::vote(signed(1), poll, false)
        });
        assert_refused(&Members::<Test>::hashed_key_for(1), || {
            RankedCollective::refresh_member(signed(2), 1)
        });
        assert_ok!(RankedCollective::delegate(signed(2), 1));
        assert_refused(&Delegators::<Test>::hashed_key_for(1), || {
            RankedCollective::delegate(signed(3), 1)
        });
        assert_ok!(RankedCollective::undelegate(signed(2)));
        assert_ok!(RankedCollective::delegate(signed(2), 3));
        assert_refused(&Delegations::<Test>::hashed_key_for(2), || {
            RankedCollective::delegate(signed(2), 1)
        });
    });
}

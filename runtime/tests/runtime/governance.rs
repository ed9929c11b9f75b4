// SPDX-License-Identifier: Apache-2.0
//! What the composition adds to the collective and the referenda.
use crate::{
    chain::dev,
    market::{account, open_market, OPERATORS},
};
use ergon_primitives::traits::{Contributions as _, Source};
use ergon_runtime::{configs::MAX_NOTED_BYTES, Contributions, Preimage, RuntimeOrigin};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResultWithPostInfo};
use sp_runtime::{
    traits::{BlakeTwo256, Hash},
    DispatchError,
};

fn note(who: &str, preimage: &[u8]) -> DispatchResultWithPostInfo {
    Preimage::note_preimage(RuntimeOrigin::signed(account(who)), preimage.to_vec())
}

#[test]
fn only_members_note_preimages_and_each_only_so_many_bytes() {
    dev().execute_with(|| {
        open_market();
        let [(member, _), (other, _)] = OPERATORS;
        Contributions::credit(&account(member), Source::Job, 1_000);
        assert_noop!(note(other, b"call"), DispatchError::BadOrigin);
        let largest = vec![7; MAX_NOTED_BYTES as usize];
        assert_ok!(note(member, &largest));
        assert_noop!(note(member, b"call"), DispatchError::Exhausted);
        assert_ok!(Preimage::unnote_preimage(
            RuntimeOrigin::signed(account(member)),
            BlakeTwo256::hash(&largest)
        ));
        assert_ok!(note(member, b"call"));
    });
}

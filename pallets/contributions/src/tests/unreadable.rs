// SPDX-License-Identifier: Apache-2.0
//! What doesn't decode is kept and reported.
use super::*;
use frame_support::{assert_storage_noop, storage::unhashed};

#[test]
fn a_record_that_does_not_decode_is_neither_replaced_nor_forfeited() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        go_to(1);
        let (before, key) = (weight(1), Records::<Test>::hashed_key_for(1));
        let whole = unhashed::get_raw(&key).unwrap();
        let spoilt = &whole[..whole.len() - 1];
        unhashed::put_raw(&key, spoilt);
        let total = Total::<Test>::get();
        credit(1, 5);
        System::assert_last_event(
            Event::Unreadable {
                operator: 1,
                source: Source::Job,
                units: 5,
            }
            .into(),
        );
        assert_storage_noop!(Contributions::forfeit(&1));
        assert_eq!(unhashed::get_raw(&key).unwrap(), spoilt);
        assert_eq!(Total::<Test>::get(), total);
        unhashed::put_raw(&key, &whole);
        assert_eq!(weight(1), before);
    });
}

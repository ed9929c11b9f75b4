// SPDX-License-Identifier: Apache-2.0
//! Changing entries of maps without losing what doesn't decode.
//!
//! An entry that doesn't decode means that an upgrade forgot it or went wrong. It is evidence and somebody's work, and the next upgrade can
//! repair it, so it must be there still. The maps of FRAME read it as if nothing were there: `mutate_exists` and `mutate_extant` remove it, and
//! what is inserted instead of a default replaces it. [`Kept`] tells the three cases apart; FRAME logs each such read as corrupted state.
//!
//! Calls return [`DispatchError::Corruption`] for it, with `?`. Hooks leave out what they can't do without it, and report it by an event of
//! their pallet.
#![cfg_attr(not(feature = "std"), no_std)]

use codec::FullCodec;
use frame_support::storage::{unhashed, StoragePrefixedMap};
use sp_runtime::DispatchError;

/// There is something that doesn't decode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unreadable;

impl From<Unreadable> for DispatchError {
    fn from(_: Unreadable) -> Self {
        Self::Corruption
    }
}

/// Any map of storage, with keys as its `hashed_key_for` returns them.
pub trait Kept<Value: FullCodec>: StoragePrefixedMap<Value> {
    /// What is there.
    fn read(key: &[u8]) -> Result<Option<Value>, Unreadable> {
        debug_assert!(key.starts_with(&Self::final_prefix()), "the key of another map");
        match unhashed::get(key) {
            None if unhashed::exists(key) => Err(Unreadable),
            value => Ok(value),
        }
    }

    /// Changes, makes or removes what is there. What doesn't decode stays as it is, and `change` isn't called.
    fn change<R>(key: &[u8], change: impl FnOnce(&mut Option<Value>) -> R) -> Result<R, Unreadable> {
        let mut value = Self::read(key)?;
        let outcome = change(&mut value);
        match value {
            Some(value) => unhashed::put(key, &value),
            None => unhashed::kill(key),
        }
        Ok(outcome)
    }

    /// Changes what is there, if it is there and decodes.
    fn change_readable(key: &[u8], change: impl FnOnce(&mut Value)) {
        if let Ok(Some(mut value)) = Self::read(key) {
            change(&mut value);
            unhashed::put(key, &value);
        }
    }

    /// Takes out what is there. What doesn't decode stays.
    fn take_out(key: &[u8]) -> Result<Option<Value>, Unreadable> {
        Self::change(key, Option::take)
    }
}

impl<Value: FullCodec, Map: StoragePrefixedMap<Value>> Kept<Value> for Map {}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_support::{pallet_prelude::ValueQuery, storage_alias, Twox64Concat};
    use sp_io::TestExternalities;

    #[storage_alias]
    type Counts = StorageMap<Test, Twox64Concat, u8, u32, ValueQuery>;

    fn key(of: u8) -> Vec<u8> {
        Counts::hashed_key_for(of)
    }

    #[test]
    fn what_does_not_decode_is_neither_changed_nor_removed() {
        TestExternalities::default().execute_with(|| {
            unhashed::put_raw(&key(1), &[7]);
            let changed = Counts::change(&key(1), |_| unreachable!("it can't be read"));
            assert_eq!(changed, Err(Unreadable));
            Counts::change_readable(&key(1), |_| unreachable!("it can't be read"));
            assert_eq!(Counts::take_out(&key(1)), Err(Unreadable));
            assert_eq!(unhashed::get_raw(&key(1)), Some(vec![7]));
        });
    }

    #[test]
    fn what_decodes_is_made_changed_and_removed() {
        TestExternalities::default().execute_with(|| {
            Counts::change_readable(&key(1), |_| unreachable!("nothing is there"));
            assert!(!Counts::contains_key(1));
            let before = Counts::change(&key(1), |count| count.replace(5));
            assert_eq!(before, Ok(None));
            Counts::change_readable(&key(1), |count| *count += 1);
            assert_eq!((Counts::get(1), Counts::contains_key(2)), (6, false));
            assert_eq!(Counts::take_out(&key(1)), Ok(Some(6)));
            assert!(!Counts::contains_key(1));
        });
    }
}

// SPDX-License-Identifier: Apache-2.0
mod capacity;
mod curve;
mod extension;
mod lanes;
mod sponsoring;
mod tickets;
mod units;
mod unreadable;
mod vouching;

use crate::{
    extension::{EXHAUSTED, NEVER_AFFORDABLE},
    mock::*,
};
use frame_support::dispatch::DispatchResultWithPostInfo;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

/// What a transaction is refused with.
type Refusal = TransactionValidityError;

fn exhausted() -> Refusal {
    InvalidTransaction::Custom(EXHAUSTED).into()
}

fn never_affordable() -> Refusal {
    InvalidTransaction::Custom(NEVER_AFFORDABLE).into()
}

/// The block has no room left.
fn no_room() -> Refusal {
    InvalidTransaction::ExhaustsResources.into()
}

/// Sends ordinary calls of `points` in this block until one is refused; how many went through.
fn flood(who: u64, points: u64) -> u64 {
    (0..10_000).take_while(|_| spend(who, points).is_ok()).count() as u64
}

/// A call that changed nothing and failed.
fn failed() -> DispatchResultWithPostInfo {
    Err(sp_runtime::DispatchError::BadOrigin.into())
}

// SPDX-License-Identifier: Apache-2.0
//! What an upgrade to this runtime changes in storage.
//!
//! `spec_version` 1 has nothing to change. The feature `next-version` makes the runtime that follows it, to rehearse an upgrade with: its
//! `spec_version` is one higher, and it runs [`EndpointsWithoutSlash`].
use crate::{AccountId, Runtime};
use frame_support::{
    migrations::{MigrationId, SteppedMigration, SteppedMigrationError},
    weights::WeightMeter,
};
use pallet_workers::Operators;

/// The migrations of this version, in their order.
#[cfg(not(feature = "next-version"))]
pub type Migrations = ();
/// The migrations of this version, in their order.
#[cfg(feature = "next-version")]
pub type Migrations = (EndpointsWithoutSlash,);

/// Takes the slashes off the ends of operators' endpoints, so that a path can be put after any of them: `https://worker.example/` becomes
/// `https://worker.example`. Each step takes as many operators as there is weight for, at least one; the cursor is the last one taken.
pub struct EndpointsWithoutSlash;

impl SteppedMigration for EndpointsWithoutSlash {
    type Cursor = AccountId;
    type Identifier = MigrationId<7>;

    fn id() -> Self::Identifier {
        MigrationId {
            pallet_id: *b"workers",
            version_from: 0,
            version_to: 1,
        }
    }

    fn step(
        mut cursor: Option<AccountId>,
        meter: &mut WeightMeter,
    ) -> Result<Option<AccountId>, SteppedMigrationError> {
        let required = <Runtime as frame_system::Config>::DbWeight::get().reads_writes(1, 1);
        if !meter.can_consume(required) {
            return Err(SteppedMigrationError::InsufficientWeight { required });
        }
        let mut operators = match &cursor {
            Some(last) => Operators::<Runtime>::iter_from(Operators::<Runtime>::hashed_key_for(last)),
            None => Operators::<Runtime>::iter(),
        };
        while meter.try_consume(required).is_ok() {
            let Some((who, mut operator)) = operators.next() else {
                return Ok(None);
            };
            let slashes = operator.endpoint.iter().rev().take_while(|&&byte| byte == b'/').count();
            if slashes > 0 {
                operator.endpoint.truncate(operator.endpoint.len() - slashes);
                Operators::<Runtime>::insert(&who, operator);
            }
            cursor = Some(who);
        }
        Ok(cursor)
    }
}

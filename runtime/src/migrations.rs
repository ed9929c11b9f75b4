// SPDX-License-Identifier: Apache-2.0
//! What an upgrade to this runtime changes in storage.
//!
//! `spec_version` 1 has nothing to change. The feature `next-version` makes the runtime that follows it, to rehearse an upgrade with: its
//! `spec_version` is one higher, and its [`Job`] and [`Operator`] have a field more, which [`Append`] gives to those that there are.
//!
//! # Migrations over blocks
//!
//! While one is under way, transactions wait, deadlines stand still and only the hooks of consensus run, see [`pallet_clock`]. So a migration
//! has maps to itself, whatever it leaves half done, except for what those hooks touch ([`configs`](crate::configs)). It keeps what it can't
//! read as it is, and reports it.
//!
//! [`Job`]: pallet_jobs::Job
//! [`Operator`]: pallet_workers::Operator
use crate::{AccountId, Runtime, RuntimeEvent, System};
use codec::{Decode, DecodeAll, FullCodec};
use core::marker::PhantomData;
use ergon_primitives::JobId;
use frame_support::{
    migrations::{MigrationId, SteppedMigration, SteppedMigrationError},
    storage::{unhashed, StoragePrefixedMap},
    traits::ConstU32,
    weights::WeightMeter,
    BoundedVec,
};
use sp_io::storage::next_key;

/// The migrations of this version, in their order.
#[cfg(not(feature = "next-version"))]
pub type Migrations = ();
/// The migrations of this version, in their order.
#[cfg(feature = "next-version")]
pub type Migrations = (Append<Jobs>, Append<Operators>);

/// Most entries that one step takes: few, so that a rehearsal takes some blocks.
const ENTRIES: u32 = 2;

/// A map whose values get a field at their end.
pub trait Appended {
    /// What they are afterwards.
    type Value: FullCodec;
    /// The map.
    type Map: StoragePrefixedMap<Self::Value>;
    /// Names the map and the versions of its layout.
    const ID: MigrationId<7>;
    /// The field, encoded.
    const FIELD: &'static [u8];
    /// Tells that the value of a key can't be read, and was kept as it is.
    fn report(key: &[u8]);
}

/// Gives every value of a map its new field. A step takes as many entries as there is weight for, at least one and at most [`ENTRIES`]; the
/// cursor is the key of the last one taken.
pub struct Append<Map>(PhantomData<Map>);

impl<Map: Appended> SteppedMigration for Append<Map> {
    type Cursor = BoundedVec<u8, ConstU32<128>>;
    type Identifier = MigrationId<7>;

    fn id() -> Self::Identifier {
        Map::ID
    }

    fn step(
        cursor: Option<Self::Cursor>,
        meter: &mut WeightMeter,
    ) -> Result<Option<Self::Cursor>, SteppedMigrationError> {
        let required = <Runtime as frame_system::Config>::DbWeight::get().reads_writes(2, 1);
        if !meter.can_consume(required) {
            return Err(SteppedMigrationError::InsufficientWeight { required });
        }
        let prefix = Map::Map::final_prefix();
        let mut last = cursor.map_or(prefix.to_vec(), BoundedVec::into_inner);
        for _ in 0..ENTRIES {
            if meter.try_consume(required).is_err() {
                break;
            }
            let Some(key) = next_key(&last).filter(|key| key.starts_with(&prefix)) else {
                return Ok(None);
            };
            Self::append(&key);
            last = key;
        }
        last.try_into().map(Some).map_err(|_| SteppedMigrationError::Failed)
    }
}

impl<Map: Appended> Append<Map> {
    fn append(key: &[u8]) {
        let mut value = unhashed::get_raw(key).unwrap_or_default();
        value.extend_from_slice(Map::FIELD);
        match Map::Value::decode_all(&mut &value[..]) {
            Ok(_) => unhashed::put_raw(key, &value),
            Err(_) => Map::report(key),
        }
    }
}

/// Names the change of a pallet's layout from version 0 to 1.
pub const fn id(pallet_id: &[u8; 7]) -> MigrationId<7> {
    MigrationId {
        pallet_id: *pallet_id,
        version_from: 0,
        version_to: 1,
    }
}

/// What a key of a map ends with, whose hasher keeps it.
fn key_part<T: Decode>(key: &[u8], length: usize) -> Option<T> {
    let at = key.len().checked_sub(length)?;
    T::decode(&mut &key[at..]).ok()
}

/// The jobs, which get `version`.
#[cfg(feature = "next-version")]
pub struct Jobs;

#[cfg(feature = "next-version")]
impl Appended for Jobs {
    type Value = pallet_jobs::Job<AccountId, crate::BlockNumber>;
    type Map = pallet_jobs::Jobs<Runtime>;
    const ID: MigrationId<7> = id(b"jobs   ");
    const FIELD: &'static [u8] = &1u32.to_le_bytes();

    fn report(key: &[u8]) {
        report_job(key);
    }
}

/// The operators, which get `version`.
#[cfg(feature = "next-version")]
pub struct Operators;

#[cfg(feature = "next-version")]
impl Appended for Operators {
    type Value = pallet_workers::Operator<AccountId, crate::BlockNumber>;
    type Map = pallet_workers::Operators<Runtime>;
    const ID: MigrationId<7> = id(b"workers");
    const FIELD: &'static [u8] = &1u32.to_le_bytes();

    fn report(key: &[u8]) {
        report_operator(key);
    }
}

/// Reports a job that can't be read, by the key of its value.
pub fn report_job(key: &[u8]) {
    if let Some(job) = key_part::<JobId>(key, core::mem::size_of::<JobId>()) {
        System::deposit_event(RuntimeEvent::Jobs(pallet_jobs::Event::Unreadable { job }));
    }
}

/// Reports an operator that can't be read, by the key of its value.
pub fn report_operator(key: &[u8]) {
    if let Some(operator) = key_part::<AccountId>(key, 32) {
        System::deposit_event(RuntimeEvent::Workers(pallet_workers::Event::Unreadable { operator }));
    }
}

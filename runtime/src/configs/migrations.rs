// SPDX-License-Identifier: Apache-2.0
//! Migrations of storage that may take many blocks. While one is under way, blocks take inherents only, deadlines stand still, and of the
//! hooks only those run that a block can't do without.
use super::*;
use crate::{AllPalletsWithSystem, Authorship, Beacon, Grandpa, Timestamp};
use frame_support::migrations::FreezeChainOnFailedMigration;

impl pallet_clock::Config for Runtime {}

/// What consensus needs of a block: the end of an epoch doesn't wait, nor does the beacon. They keep single values only, and so does what the
/// session tells: half-lives and the total of `pallet-contributions`, the next validators, parameters. A migration of these has to be one of
/// `SingleBlockMigrations`, which are through before any hook runs.
type Needed = (System, Timestamp, Babe, Authorship, Session, Grandpa, Beacon);

/// The hooks of all pallets, and while a migration is under way those that are needed.
pub type Hooks = pallet_clock::Gate<Runtime, AllPalletsWithSystem, Needed>;

parameter_types! {
    /// Share of a block for the step of a migration; hooks and inherents have the rest.
    pub MigrationWeight: Weight = Perbill::from_percent(50) * MAX_BLOCK_WEIGHT;
}

/// A migration that fails leaves the chain closed to transactions: nothing runs on storage that is half old, half new. Validators repair that with
/// `:code` substituted in the chain specification.
impl pallet_migrations::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Migrations = crate::migrations::Migrations;
    type CursorMaxLen = ConstU32<256>;
    type IdentifierMaxLen = ConstU32<64>;
    type MigrationStatusHandler = ();
    type FailedMigrationHandler = FreezeChainOnFailedMigration;
    type MaxServiceWeight = MigrationWeight;
    type WeightInfo = pallet_migrations::weights::SubstrateWeight<Runtime>;
}

// SPDX-License-Identifier: Apache-2.0
//! Migrations of storage that may take many blocks. While one is under way, blocks take inherents only.
use super::*;
use frame_support::migrations::FreezeChainOnFailedMigration;

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

// SPDX-License-Identifier: Apache-2.0
//! How each pallet is configured: the framework's here, those of work in `compute.rs`, those of referenda in `governance.rs`, those that
//! choose the validators in `validators.rs`, and what replaces fees in `quota.rs`.
mod compute;
mod governance;
mod migrations;
mod preimages;
mod quota;
mod validators;
mod weights;

use crate::{
    timing, AccountId, Babe, Balance, Balances, Block, BlockNumber, Clock, MultiBlockMigrations, Nonce, OriginCaller,
    PalletInfo, Runtime, RuntimeCall, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, RuntimeOrigin, RuntimeTask,
    RuntimeVersion, Session, System, VERSION,
};
pub use compute::{LifeWeight, Sessions};
use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstU128, ConstU16, ConstU32, ConstU64, InsideBoth, VariantCountOf},
    weights::{constants::WEIGHT_REF_TIME_PER_MILLIS, Weight},
};
use frame_system::limits::{BlockLength, BlockWeights};
pub use migrations::Hooks;
#[cfg(any(feature = "std", feature = "try-runtime"))]
pub use preimages::check_noted;
pub use preimages::{ALWAYS_NOTED_BYTES, MAX_NOTED_BYTES, MAX_NOTED_TOTAL};
pub use quota::{CURVE, NEWCOMERS_UNITS, NEWCOMER_UNITS};
use sp_runtime::Perbill;

/// Share of a block that ordinary transactions may fill; operational ones may use the rest as well.
const NORMAL_SHARE: Perbill = Perbill::from_percent(75);
/// Most bytes in a block.
const MAX_BLOCK_BYTES: u32 = 5 * 1024 * 1024;
/// Time that executing a block may take: a third of a slot, so that building, gossip and import fit into it.
const MAX_BLOCK_WEIGHT: Weight =
    Weight::from_parts(timing::SLOT_MILLISECONDS / 3 * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX);
/// Maximum number of validators.
pub const MAX_AUTHORITIES: u32 = 100;

parameter_types! {
    pub const BlockHashCount: BlockNumber = timing::BLOCK_HASH_COUNT;
    pub const Version: RuntimeVersion = VERSION;
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(MAX_BLOCK_WEIGHT, NORMAL_SHARE);
    pub Length: BlockLength = BlockLength::builder()
        .max_length(MAX_BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |bytes| *bytes = NORMAL_SHARE * MAX_BLOCK_BYTES)
        .build();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type AccountData = pallet_balances::AccountData<Balance>;
    type BlockHashCount = BlockHashCount;
    type BlockWeights = Weights;
    type BlockLength = Length;
    type DbWeight = weights::DatabaseWeight;
    type Version = Version;
    type SS58Prefix = ConstU16<42>;
    type MaxConsumers = ConstU32<16>;
    type BaseCallFilter = InsideBoth<crate::parameters::InRange, validators::KeepsKeys>;
    type MultiBlockMigrator = MultiBlockMigrations;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
    type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = Babe;
    type MinimumPeriod = ConstU64<{ timing::SLOT_MILLISECONDS / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl pallet_babe::Config for Runtime {
    type EpochDuration = ConstU64<{ timing::EPOCH_SLOTS }>;
    type ExpectedBlockTime = ConstU64<{ timing::SLOT_MILLISECONDS }>;
    type EpochChangeTrigger = pallet_babe::ExternalTrigger;
    type DisabledValidators = Session;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
    type MaxNominators = ConstU32<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
    type EventHandler = ();
}

/// There is no token. The pallet is here because clients expect it; nobody can call it, and nothing is ever issued.
impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    type DustRemoval = ();
    type ExistentialDeposit = ConstU128<1>;
    type AccountStore = System;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<0>;
    type MaxReserves = ConstU32<0>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

#[cfg(not(feature = "production"))]
impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

// SPDX-License-Identifier: Apache-2.0
//! The runtime of Ergon: which pallets there are, how they are wired, and what the node may ask of them.
//!
//! | module | holds |
//! |---|---|
//! | [`timing`] | slot and epoch length, periods of governance |
//! | [`configs`] | the configuration of each pallet |
//! | [`compute`] | reads of models, workers, jobs and vote weight |
//! | [`quota`] | what an account may still do, and what things cost |
//! | [`apis`] | the runtime APIs |
//! | [`migrations`] | what an upgrade changes in storage |
//! | [`parameters`] | what governance changes while the chain runs |
//! | [`genesis`] | how a network begins: presets, and what every genesis must have |
//! | `benchmarks` | with the feature `runtime-benchmarks`: what our pallets are measured with |
//!
//! There is no token and no fee; what an account may do is bounded by its quota. An account exists, in the sense that it may sign
//! transactions, once a provider reference is held for it: from genesis on, by a sponsor, by a ticket, or as a worker's hot key.
#![cfg_attr(not(feature = "std"), no_std)]
// The macros recurse once for every pallet.
#![recursion_limit = "256"]

extern crate alloc;

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarks;
pub mod compute;
pub mod configs;
pub mod genesis;
pub mod migrations;
pub mod parameters;
pub mod quota;
pub mod timing;

use alloc::{borrow::Cow, vec::Vec};
use frame_metadata_hash_extension::CheckMetadataHash;
use sp_runtime::{
    generic, impl_opaque_keys,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

pub use apis::RuntimeApi;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

/// Number of a block.
pub type BlockNumber = u32;
/// Any of the three kinds of signature.
pub type Signature = MultiSignature;
/// Hash of a public key, or the key itself.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// How a transaction names its sender.
pub type Address = MultiAddress<AccountId, ()>;
/// Amount of the token that doesn't exist.
pub type Balance = u128;
/// Number of transactions that an account has sent.
pub type Nonce = u32;
/// Hash of blocks, extrinsics and state.
pub type Hash = sp_core::H256;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// An extrinsic as it comes from the network.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TransactionExtensions>;
/// What the node knows of blocks: it need not understand their extrinsics, so it outlives runtime upgrades.
pub mod opaque {
    pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

    /// A block with extrinsics as mere bytes.
    pub type Block = sp_runtime::generic::Block<super::Header, UncheckedExtrinsic>;
}
/// What a signature covers.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TransactionExtensions>;

/// What every transaction goes through, in this order. None of them needs anything from a client beyond the standard ones, and none charges
/// a fee; [`pallet_quota::CheckNonce`] refuses senders whose account doesn't exist, and [`pallet_quota::ChargeQuota`] those that have used
/// up what they may.
///
/// Clients sign what the extensions say, so another list needs a higher `transaction_version`. `CheckMetadataHash` is on it from the start for
/// hardware wallets, which show what they sign by its means: it is off, and a transaction that wants it is refused, until a runtime is built with a
/// hash of its metadata in it.
pub type TransactionExtensions = (
    frame_system::AuthorizeCall<Runtime>,
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    pallet_quota::CheckMortality<Runtime>,
    pallet_quota::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_quota::ChargeQuota<Runtime>,
    CheckMetadataHash<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);

/// The extensions of a transaction as a client makes them.
pub fn extensions(nonce: Nonce, era: generic::Era) -> TransactionExtensions {
    (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        pallet_quota::CheckMortality::from(era),
        pallet_quota::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_quota::ChargeQuota::new(),
        CheckMetadataHash::new(false),
        frame_system::WeightReclaim::new(),
    )
}

/// Runs blocks.
pub type Executive =
    frame_executive::Executive<Runtime, Block, frame_system::ChainContext<Runtime>, Runtime, configs::Hooks>;

// The version also stands in a section of the WebAssembly, for which `runtime_version` has to read the number itself.
macro_rules! version {
    ($spec_version:tt) => {
        /// Version of this runtime.
        #[sp_version::runtime_version]
        pub const VERSION: RuntimeVersion = RuntimeVersion {
            spec_name: Cow::Borrowed("ergon"),
            impl_name: Cow::Borrowed("ergon-node"),
            authoring_version: 1,
            spec_version: $spec_version,
            impl_version: 1,
            apis: apis::RUNTIME_API_VERSIONS,
            transaction_version: 1,
            system_version: 1,
        };
    };
}
#[cfg(not(feature = "next-version"))]
version!(1);
#[cfg(feature = "next-version")]
version!(2);

impl_opaque_keys! {
    /// The keys that a validator signs with.
    pub struct SessionKeys {
        /// Block authoring.
        pub babe: Babe,
        /// Finality.
        pub grandpa: Grandpa,
    }
}

/// Checks what must hold in every state: that nothing was ever issued, and the invariants of our own pallets.
#[cfg(any(feature = "std", feature = "try-runtime"))]
pub fn check_invariants() -> Result<(), sp_runtime::TryRuntimeError> {
    frame_support::ensure!(Balances::total_issuance() == 0, "balances: there is a token");
    Clock::do_try_state()?;
    Beacon::do_try_state()?;
    Models::do_try_state()?;
    Workers::do_try_state()?;
    Contributions::do_try_state()?;
    Audits::do_try_state()?;
    Quota::do_try_state()?;
    Jobs::do_try_state()?;
    RankedCollective::do_try_state()?;
    Validators::do_try_state()?;
    configs::check_noted()
}

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;

    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;

    #[runtime::pallet_index(2)]
    pub type Babe = pallet_babe;

    #[runtime::pallet_index(3)]
    pub type Authorship = pallet_authorship;

    #[runtime::pallet_index(4)]
    #[runtime::disable_call]
    pub type Balances = pallet_balances;

    #[runtime::pallet_index(5)]
    pub type Session = pallet_session;

    #[runtime::pallet_index(6)]
    pub type Grandpa = pallet_grandpa;

    #[runtime::pallet_index(7)]
    pub type Utility = pallet_utility;

    #[cfg(not(feature = "production"))]
    #[runtime::pallet_index(8)]
    pub type Sudo = pallet_sudo;

    // The order of ours is that of their hooks: the beacon first, since jobs and audits draw from it; then whom jobs call.
    #[runtime::pallet_index(20)]
    pub type Beacon = pallet_beacon;

    #[runtime::pallet_index(21)]
    pub type Models = pallet_models;

    #[runtime::pallet_index(22)]
    pub type Workers = pallet_workers;

    #[runtime::pallet_index(23)]
    pub type Contributions = pallet_contributions;

    #[runtime::pallet_index(24)]
    pub type Audits = pallet_audits;

    #[runtime::pallet_index(25)]
    pub type Jobs = pallet_jobs;

    #[runtime::pallet_index(26)]
    pub type Validators = pallet_validators;

    #[runtime::pallet_index(27)]
    pub type Clock = pallet_clock;

    #[runtime::pallet_index(28)]
    pub type Quota = pallet_quota;

    #[runtime::pallet_index(40)]
    pub type Scheduler = pallet_scheduler;

    #[runtime::pallet_index(41)]
    pub type Preimage = pallet_preimage;

    // The names of these two are those that stock polkadot.js Apps has a page for.
    #[runtime::pallet_index(42)]
    pub type RankedPolls = pallet_referenda;

    #[runtime::pallet_index(43)]
    pub type RankedCollective = pallet_compute_collective;

    #[runtime::pallet_index(44)]
    pub type MultiBlockMigrations = pallet_migrations;

    #[runtime::pallet_index(45)]
    pub type Parameters = pallet_parameters;
}

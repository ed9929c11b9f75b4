// SPDX-License-Identifier: Apache-2.0
//! The registry of operators and their workers.
//!
//! An **operator** is a cold account. It has up to [`MAX_HOT_KEYS`] **hot keys**, which its workers sign with, so that
//! a stolen worker loses no identity. It says where it can be reached and which models it serves.
//!
//! # Rules
//!
//! 1. To register, an account must be [`Sponsored`], which genesis, an operator that vouches for it, or a ticket makes it:
//!    [`join`](Pallet::join) is registering with one, and needs no permission. A provider reference, by which the transaction pool knows who may send anything at all, is not enough: every
//!    hot key has one.
//! 2. An operator gives each of its hot keys a provider reference, so that it can sign, if it has none. It does so for at
//!    most [`Config::MaxHotKeysEver`] accounts, counted through leaving and coming back: else, changing hot keys would be
//!    an unlimited source of accounts. References are never taken back: a reaped account would start again at nonce 0,
//!    and its old extrinsics could be replayed.
//! 3. An account is either an operator or a hot key of one, or both for itself; never a hot key of two. A hot key draws on its operator's
//!    quota, so nobody may bind an account that is somebody else's: a hot key is the operator itself, or an account that the chain doesn't
//!    know, or one that this operator brought onto the chain before ([`BroughtBy`]) and that isn't sponsored itself.
//! 4. A hot key may leave its operator by itself, and by joining. An operator without hot keys drains.
//! 5. Every served model must take jobs at the time of registration or update. A model that retires later is no longer
//!    asked for.
//! 6. To serve a model means both to execute jobs and to audit the answers of others. Nobody can have one without the
//!    other: an operator whose workers don't audit is drawn for audits all the same, and misses their deadlines.
//! 7. **Active** operators are [drawn](serving) for every model they serve, from the block on in which the lists follow.
//!    **Draining** ones have asked to be left alone, and **suspended** ones have missed [`Config::MaxMissesInRow`]
//!    deadlines in a row. Both come back by [`resume`](Pallet::resume), signed by operator or hot key, a suspended one
//!    [when its time is over](duties); what they were
//!    drawn for is still to be done. **Jailed** ones are barred, though their hot keys may still answer for what is
//!    under way. Only [`Config::GovernanceOrigin`] can let them off, and they are draining then.
//! 8. Each drawing, for a job or an audit, adds an **obligation**, and the job or audit discharges it when nothing can
//!    follow from it any longer: no deadline, no miss, no verdict. An operator can be removed when it has no obligation
//!    and is on no list, but not out of jail.
//! 9. What an operator is drawn for fits into its [budget](duties).
//! 10. An operator that joined by a ticket, or that another one vouched for, is on [probation], which the audits know of, until enough of its
//!     answers were checked and stood. All others are **established**, and only they are drawn for audits.
//!
//! # Limits
//!
//! A draw in block `b` uses a beacon value that the author of block `b - 1` knew, and lists as they were asked for in block
//! `b - `[`ListDelay`](Config::ListDelay) or before. So that author can change the outcome only for operators of its own that the draw
//! hits, by draining them or by filling their budgets: the draw then looks for another one.
//!
//! Who sees a `join` under way can bind the accounts in it before, up to [`Config::MaxHotKeysEver`] times ever. Its sender has to name
//! another hot key then; his ticket is still good.
//!
//! # Time, and what can't be read
//!
//! All times are those of [`Config::BlockNumberProvider`], which stands still while nobody can do anything. An operator that doesn't decode is
//! neither changed nor drawn, and a change to a list that doesn't is passed over, with a report; both stay as they are for an upgrade to
//! repair.
//!
//! The pallet implements [`Workers`](ergon_primitives::traits::Workers) for the others.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod duties;
mod joining;
pub mod probation;
mod registry;
pub mod serving;
pub mod tree;
mod types;
pub mod weights;

#[cfg(any(feature = "std", feature = "try-runtime"))]
mod invariants;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use ergon_primitives::{
    quota::Admission,
    ticket::Ticket,
    traits::{Contributions, Models},
    ModelId,
};
pub use pallet::*;
pub use types::{Conduct, Endpoint, Operator, ServedModels, Status, MAX_ENDPOINT_BYTES, MAX_HOT_KEYS, MAX_MODELS};
pub use weights::WeightInfo;

// The macro writes down the type of `join`'s authorization, with all of its parameters.
#[expect(clippy::type_complexity)]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::vec::Vec;
    use frame_support::{pallet_prelude::*, traits::EnsureOrigin};
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::{BlockNumberProvider, IdentifyAccount, Verify};

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The time, in blocks. It stands still while nobody can do anything.
        type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumberFor<Self>>;
        /// Who may let an operator out of jail.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Which models take jobs.
        type Models: Models;
        /// What operators are drawn in proportion to.
        type Capacity: Contributions<Self::AccountId>;
        /// Who checks tickets.
        type Admission: Admission<Self::AccountId>;
        /// How an account signs that it joins.
        type Signature: Parameter + Verify<Signer: IdentifyAccount<AccountId = Self::AccountId>>;
        /// Blocks for which changes to lists wait: the delay between an answer and the draw of its auditors, and at least 2.
        type ListDelay: Get<BlockNumberFor<Self>>;
        /// Work that an operator may be obliged to at once, in blocks at the rate that a model is registered with.
        #[pallet::constant]
        type BudgetBlocks: Get<u32>;
        /// Blocks in an epoch, the time in which an operator's vote weight is done.
        #[pallet::constant]
        type EpochBlocks: Get<u32>;
        /// Blocks that the first suspension takes at least.
        #[pallet::constant]
        type SuspensionBlocks: Get<BlockNumberFor<Self>>;
        /// Missed deadlines in a row after which an operator is no longer drawn.
        #[pallet::constant]
        type MaxMissesInRow: Get<u32>;
        /// Most accounts that one operator ever brings onto the chain as its hot keys, at least [`MAX_HOT_KEYS`].
        #[pallet::constant]
        type MaxHotKeysEver: Get<u32>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
        /// Makes what benchmarks need.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper<Self::AccountId, Self::Signature>;
    }

    /// Every operator. Accounts are hashed in keys since anyone may choose their bytes.
    #[pallet::storage]
    pub type Operators<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Operator<T::AccountId, BlockNumberFor<T>>>;

    /// The operator of every hot key.
    #[pallet::storage]
    pub type HotKeys<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, T::AccountId>;

    /// What is held against operators that left: coming back wipes no slate clean.
    #[pallet::storage]
    pub type Conducts<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Conduct>;

    /// Accounts that may become operators.
    #[pallet::storage]
    pub type Sponsored<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, ()>;

    /// Who is on probation, with the number of answers that were checked and stood since it began, or began again.
    #[pallet::storage]
    pub type Probation<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32>;

    /// How many accounts an operator has brought onto the chain as hot keys. It outlives the registration.
    #[pallet::storage]
    pub type HotKeysEver<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// The operator that brought an account onto the chain as its hot key.
    #[pallet::storage]
    pub type BroughtBy<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, T::AccountId>;

    /// The operators on the list of a model, at indices without a gap. Models need no hashing: their names are hashes.
    #[pallet::storage]
    pub type Serving<T: Config> =
        StorageDoubleMap<_, Identity, ModelId, Twox64Concat, u32, serving::Listing<T::AccountId, BlockNumberFor<T>>>;

    /// Length of every model's list.
    #[pallet::storage]
    pub type ServingCount<T: Config> = StorageMap<_, Identity, ModelId, u32, ValueQuery>;

    /// Index of an operator in a model's list.
    #[pallet::storage]
    pub type Positions<T: Config> = StorageDoubleMap<_, Identity, ModelId, Blake2_128Concat, T::AccountId, u32>;

    /// The tree of sums over every model's list, by level and place on it.
    #[pallet::storage]
    pub type Sums<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Identity, ModelId>,
            NMapKey<Twox64Concat, u8>,
            NMapKey<Twox64Concat, u32>,
        ),
        tree::Node,
        ValueQuery,
    >;

    /// Tenths of an execution that the operators without weight are owed, by model.
    #[pallet::storage]
    pub type WeightlessTurns<T: Config> = StorageMap<_, Identity, ModelId, u8, ValueQuery>;

    /// Number of active operators that serve a model, on its list or not yet.
    #[pallet::storage]
    pub type Active<T: Config> = StorageMap<_, Identity, ModelId, u32, ValueQuery>;

    /// Changes to lists that wait for their block, by model and operator.
    #[pallet::storage]
    pub type Changes<T: Config> =
        StorageDoubleMap<_, Identity, ModelId, Blake2_128Concat, T::AccountId, serving::Change<BlockNumberFor<T>>>;

    /// The same, in the order in which they were asked for first.
    #[pallet::storage]
    pub type QueuedChanges<T: Config> =
        StorageMap<_, Twox64Concat, u64, serving::Queued<T::AccountId, BlockNumberFor<T>>>;

    /// The ends of that queue.
    #[pallet::storage]
    pub type ChangeQueue<T: Config> = StorageValue<_, serving::QueueEnds, ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An operator joined, with its first hot key.
        Registered {
            /// Who.
            operator: T::AccountId,
            /// What its worker signs with.
            hot: T::AccountId,
        },
        /// An operator has a new endpoint or serves other models.
        Updated {
            /// Who.
            operator: T::AccountId,
        },
        /// An operator has another hot key.
        HotKeyAdded {
            /// Who.
            operator: T::AccountId,
            /// The key.
            hot: T::AccountId,
        },
        /// A hot key no longer works for its operator.
        HotKeyRemoved {
            /// Who.
            operator: T::AccountId,
            /// The key.
            hot: T::AccountId,
        },
        /// An operator is no longer drawn, by its own wish.
        Drained {
            /// Who.
            operator: T::AccountId,
        },
        /// An operator is no longer drawn, since it missed too many deadlines in a row.
        Suspended {
            /// Who.
            operator: T::AccountId,
        },
        /// An operator is drawn again.
        Resumed {
            /// Who.
            operator: T::AccountId,
        },
        /// An operator left.
        Removed {
            /// Who.
            operator: T::AccountId,
        },
        /// An operator is barred.
        Jailed {
            /// Who.
            operator: T::AccountId,
        },
        /// An operator is no longer barred, and drawn again when it resumes.
        Unjailed {
            /// Who.
            operator: T::AccountId,
        },
        /// What is kept of an operator can't be read. It stays as it is, and the operator isn't drawn until an upgrade repairs it.
        Unreadable {
            /// The operator.
            operator: T::AccountId,
        },
        /// A change to a list can't be read. It stays as it is, and isn't made.
        UnreadableChange {
            /// Its number.
            number: u64,
        },
        /// An operator's probation is over: its answers are audited as often as others'.
        ProbationEnded {
            /// Who.
            operator: T::AccountId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account is not among those that may become operators.
        NotSponsored,
        /// The account may become an operator without a ticket.
        AlreadySponsored,
        /// The ticket is bound to a block that is too old.
        TicketExpired,
        /// The ticket is bound to a block that doesn't exist yet.
        TicketFromTheFuture,
        /// The ticket took too little work.
        TooLittleWork,
        /// As many have joined in this block as may, or newcomers have used up their share of it; the ticket may do in the next one.
        TooManyJoined,
        /// The account is an operator already.
        AlreadyRegistered,
        /// The account is neither an operator nor, where a hot key would do, a hot key.
        NotRegistered,
        /// The account is an operator of its own, or a hot key already.
        KeyTaken,
        /// The account was on the chain before the operator knew of it, so it may be somebody else's: take one that is new.
        KeyNotYours,
        /// The operator has as many hot keys as it can have.
        TooManyHotKeys,
        /// The operator has brought as many accounts onto the chain as it ever can. Those that the chain knows already may
        /// still be its hot keys.
        TooManyHotKeysEver,
        /// The account is no hot key, or not of the one who wants to remove it.
        UnknownHotKey,
        /// The operator has no hot key that could do what it would be drawn for.
        NoHotKey,
        /// The endpoint has a byte that is not printable ASCII.
        InvalidEndpoint,
        /// The operator would serve no model.
        NoModels,
        /// A model is named twice.
        DuplicateModel,
        /// A model is unknown or retired.
        ModelNotActive,
        /// The operator is draining already.
        AlreadyDraining,
        /// The operator is active already.
        AlreadyActive,
        /// The operator still owes an answer or an attestation, or one of its answers or attestations is not judged yet.
        ObligationsLeft,
        /// The operator is on lists, so that it can be drawn for audits: drain, and wait for as many blocks as changes to lists take.
        StillListed,
        /// The operator was suspended for having missed deadlines, and its time is not over.
        SuspendedForLonger,
        /// The operator is barred.
        OperatorJailed,
        /// The operator is not barred.
        NotJailed,
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Accounts that may sign, and become operators, from the first block on.
        pub sponsored: Vec<T::AccountId>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            for account in &self.sponsored {
                T::Admission::welcome(account);
                Sponsored::<T>::insert(account, ());
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Makes the changes to lists that are due. Complexity: O([`MAX_CHANGES`](serving::MAX_CHANGES) * log n).
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            T::WeightInfo::on_initialize(Self::make_changes(T::BlockNumberProvider::current_block_number()))
        }

        fn integrity_test() {
            assert!(
                T::BudgetBlocks::get() > 0 && T::EpochBlocks::get() > 0,
                "BudgetBlocks, EpochBlocks: operators must be able to take a job"
            );
            assert!(
                T::MaxMissesInRow::get() > 0,
                "MaxMissesInRow: a resumed operator must be able to be active"
            );
            assert!(
                T::MaxHotKeysEver::get() >= MAX_HOT_KEYS,
                "MaxHotKeysEver: an operator must be able to have its hot keys"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = T::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Makes the signer an active operator. Complexity: O(number of models), at most [`MAX_MODELS`].
        #[pallet::call_index(0)]
        pub fn register(
            origin: OriginFor<T>,
            hot: T::AccountId,
            endpoint: Endpoint,
            models: ServedModels,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_register(operator, hot, endpoint, models)
        }

        /// Replaces the signer's endpoint and models. Complexity: O(number of models), at most [`MAX_MODELS`].
        #[pallet::call_index(1)]
        pub fn update(origin: OriginFor<T>, endpoint: Endpoint, models: ServedModels) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_update(operator, endpoint, models)
        }

        /// Gives the signing operator another hot key. Complexity: O(number of hot keys), at most [`MAX_HOT_KEYS`].
        #[pallet::call_index(2)]
        pub fn add_hot_key(origin: OriginFor<T>, hot: T::AccountId) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_add_hot_key(operator, hot)
        }

        /// Takes away a hot key; signed by its operator or the key itself. The operator drains if it was its last one.
        /// Complexity: O(number of hot keys and models), at most [`MAX_HOT_KEYS`] and [`MAX_MODELS`].
        #[pallet::call_index(3)]
        pub fn remove_hot_key(origin: OriginFor<T>, hot: T::AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_remove_hot_key(who, hot)
        }

        /// The signing operator, active or suspended, wants no new work. Complexity: O(number of models), at most [`MAX_MODELS`].
        #[pallet::call_index(4)]
        pub fn drain(origin: OriginFor<T>) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_drain(operator)
        }

        /// The signer's operator is back; signed by it or a hot key. Complexity: O(number of models), at most
        /// [`MAX_MODELS`].
        #[pallet::call_index(5)]
        pub fn resume(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_resume(who)
        }

        /// The signing operator leaves, with its hot keys. Complexity: O(number of hot keys and models), at most
        /// [`MAX_HOT_KEYS`] and [`MAX_MODELS`].
        #[pallet::call_index(6)]
        pub fn remove(origin: OriginFor<T>) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::do_remove(operator)
        }

        /// Lets a jailed operator off: it is draining from now on. By [`Config::GovernanceOrigin`]. Complexity: O(1).
        #[pallet::call_index(7)]
        pub fn unjail(origin: OriginFor<T>, operator: T::AccountId) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_unjail(operator)
        }

        /// Makes `operator`, which need not be known to the chain, an active operator by a ticket. It authorizes itself, as a transaction
        /// without signer, by `signature` of [`join_message`](ergon_primitives::ticket::join_message) with the operator's key; so nobody
        /// can change it. An operator that has bound the account as a hot key loses it. Complexity: O(number of models), at most [`MAX_MODELS`].
        #[pallet::call_index(8)]
        #[pallet::authorize(|_, operator, hot, endpoint, models, ticket, signature| {
            Pallet::<T>::authorize_join(operator, hot, endpoint, models, ticket, signature)
        })]
        pub fn join(
            origin: OriginFor<T>,
            operator: T::AccountId,
            hot: T::AccountId,
            endpoint: Endpoint,
            models: ServedModels,
            ticket: Ticket,
            _signature: T::Signature,
        ) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::do_join(operator, hot, endpoint, models, ticket)
        }
    }
}

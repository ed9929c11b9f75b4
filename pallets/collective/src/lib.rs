// SPDX-License-Identifier: Apache-2.0
//! The collective of operators, who vote on referenda with verified compute.
//!
//! It is to `pallet-referenda` what `pallet-ranked-collective` is: [`Tally`] for its tallies, [`EnsureComputeWeight`]
//! for its `SubmitOrigin`, and the calls to vote. Storage, events and `vote` have the shapes that clients of
//! `pallet-ranked-collective` read.
//!
//! # Terms
//!
//! * An operator's **weight** at an epoch is what [`Config::Weights`] says for the epoch's start; it costs work and cannot
//!   be handed on.
//! * The **snapshot** of a poll is the epoch in which it was submitted, and the sum of all weights at its start, or
//!   [`Config::TotalFloor`] if that is more. It is kept in the tally.
//! * A **delegator** lets another member, its **delegate**, vote with its weight.
//!
//! # Rules
//!
//! 1. **Members** are the operators that were ever credited units. They leave when their weight is forfeited. Who is no
//!    operator any more counts as none at once, and anyone may [tidy up](Pallet::refresh_member) after it.
//! 2. A **vote** weighs what its voter and those who had delegated to it weighed at the snapshot. What is computed or
//!    delegated later doesn't count. Who had delegated at the snapshot cannot vote itself on that poll.
//! 3. A vote may be changed as long as the poll is ongoing. When weight was forfeited, **anyone** may
//!    [refresh](Pallet::refresh_vote) the votes that it was cast with.
//! 4. **Delegation** begins and ends with the next epoch, whichever side ends it; until then it can be changed, and the last
//!    change is the one that counts. It has one level: in no epoch has a delegator delegators. A delegate can
//!    [dismiss](Pallet::dismiss) delegators, so nobody can keep another from delegating.
//! 5. Polls can be voted on for [`Config::MaxPollEpochs`] epochs after that of their submission. Weights and delegations
//!    are kept for as long.
//! 6. To **submit** a proposal takes [`Config::MinSubmitWeight`], own and in the current epoch. A member has one open poll
//!    at a time.
//! 7. The chain is **closed** at first: no proposal may ask for an origin among [`Config::LockedOrigins`]. An epoch counts towards
//!    the opening once [`Config::OpeningMembers`] members that have the weight for a proposal, the *founders* of that epoch, have been credited
//!    in it; whichever members they are, and whatever the epochs before were like. When [`Config::OpeningEpochs`] epochs have counted, the chain
//!    is open for good.
//! 8. What was **adopted** is enacted later, and only if its tally, as it has been corrected until then, still has the approval and the support that it took to
//!    be adopted. Until then votes can be refreshed, but not cast.
//! 9. A **guardian** named at genesis may cancel polls, and veto what was adopted, before a block also named there, and do
//!    nothing else.
//!
//! In every poll, each operator's weight is counted at most once: the votes sum to at most the sum of all weights at the
//! snapshot.
//!
//! # Limits
//!
//! A poll that waits in the queue of its track longer than [`Config::MaxPollEpochs`] keeps its votes, but takes no others. Of older polls, also of adopted
//! ones that asked to be enacted later than the track demands, only the votes of those who are no members any more can be refreshed.
//! Splitting an operator into several changes no sum of weights; each part then needs [`Config::MinSubmitWeight`].
//!
//! A delegate has [`Config::MaxDelegators`] places. Who takes one and is dismissed before the next epoch frees it at once;
//! later, only when polls of the time can no longer be voted on.
//!
//! A founder is looked at when it is credited, and again when the last one of its epoch is; that it loses its weight afterwards takes
//! nothing back.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod delegation;
mod enactment;
mod members;
mod origins;
mod tally;
mod types;
mod voting;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use enactment::{Adoption, Enactment, Referenda, Thresholds};
use ergon_primitives::{traits::CurrentEpoch, Epoch, VoteWeight};
pub use origins::{EnsureComputeWeight, EnsureGuardian, EnsureModels, EnsureParameters};
pub use pallet::*;
pub use tally::Tally;
pub use types::{
    Change, HistoryLength, HistoryOf, MemberRecord, Opening, OpeningOf, PalletsOriginOf, PollIndexOf, Refusal,
    RuntimeCallOf, VoteRecord, Weights,
};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::boxed::Box;
    use frame_support::{
        pallet_prelude::*,
        storage::KeyLenOf,
        traits::{
            schedule::v3::{Anon, Named, TaskName},
            Contains,
        },
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::BlockNumberProvider;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The time, in blocks, that the scheduler and the referenda have.
        type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumberFor<Self>>;
        /// The epoch that snapshots are taken in.
        type CurrentEpoch: CurrentEpoch;
        /// What operators weigh.
        type Weights: Weights<Self::AccountId>;
        /// Who is an operator in good standing.
        type Operators: Contains<Self::AccountId>;
        /// The referenda.
        type Polls: Referenda<Tally<Self>, Votes = VoteWeight>;
        /// The scheduler behind [`Enactment`], which the referenda schedule with.
        type Scheduler: Anon<BlockNumberFor<Self>, RuntimeCallOf<Self>, PalletsOriginOf<Self>, Hasher = Self::Hashing>
            + Named<BlockNumberFor<Self>, RuntimeCallOf<Self>, PalletsOriginOf<Self>, Hasher = Self::Hashing>;
        /// Origins that no proposal may ask for before the chain is open.
        type LockedOrigins: Contains<PalletsOriginOf<Self>>;
        /// Least total that support is measured against, so that the first operators don't decide alone.
        type TotalFloor: Get<VoteWeight>;
        /// Own weight that it takes to submit a proposal, and to be a founder.
        type MinSubmitWeight: Get<VoteWeight>;
        /// Epochs after that of its submission in which a poll can be voted on. [`Config::Weights`] must be exact for as
        /// many.
        #[pallet::constant]
        type MaxPollEpochs: Get<u32>;
        /// Most delegators that a member has in polls that can be voted on.
        #[pallet::constant]
        type MaxDelegators: Get<u32>;
        /// Members that must be credited in an epoch, and have weight, for it to count towards the opening.
        #[pallet::constant]
        type OpeningMembers: Get<u32>;
        /// Epochs that must count for the chain to open.
        #[pallet::constant]
        type OpeningEpochs: Get<u32>;
        /// Weights of the calls.
        type WeightInfo: WeightInfo;
        /// Makes what benchmarks need.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: BenchmarkHelper<Self::AccountId>;
    }

    /// The members. Accounts are hashed in keys since anyone may choose their bytes.
    #[pallet::storage]
    pub type Members<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, MemberRecord>;

    /// The votes on each poll.
    #[pallet::storage]
    pub type Voting<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, PollIndexOf<T>, Blake2_128Concat, T::AccountId, VoteRecord>;

    /// Where to go on clearing away the votes of a poll.
    #[pallet::storage]
    pub type VotingCleanup<T: Config> =
        StorageMap<_, Blake2_128Concat, PollIndexOf<T>, BoundedVec<u8, KeyLenOf<Voting<T>>>>;

    /// Whom each account has delegated to, will from the next epoch on, or had in polls that can be voted on.
    #[pallet::storage]
    pub type Delegations<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, HistoryOf<T>, ValueQuery>;

    /// The accounts in whose [`Delegations`] a delegate is; maybe others that were.
    #[pallet::storage]
    pub type Delegators<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BoundedVec<T::AccountId, T::MaxDelegators>, ValueQuery>;

    /// The poll that each member submitted last.
    #[pallet::storage]
    pub type OpenPoll<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, PollIndexOf<T>>;

    /// The polls that were submitted and not adopted yet, by the name that the task gets which enacts them; maybe others that are over.
    #[pallet::storage]
    pub type TaskNames<T: Config> = StorageMap<_, Identity, TaskName, PollIndexOf<T>>;

    /// The polls that were adopted, until their votes are cleared away.
    #[pallet::storage]
    pub type Adopted<T: Config> = StorageMap<_, Blake2_128Concat, PollIndexOf<T>, Adoption<T>>;

    /// How far the chain has come on its way to opening; nothing once it is open.
    #[pallet::storage]
    #[pallet::storage_prefix = "Opening"]
    pub type Progress<T: Config> = StorageValue<_, OpeningOf<T>, ValueQuery>;

    /// Whether the chain is open.
    #[pallet::storage]
    pub type Opened<T: Config> = StorageValue<_, bool, ValueQuery>;

    /// Who may cancel polls, and before which block.
    #[pallet::storage]
    pub type Guardian<T: Config> = StorageValue<_, (T::AccountId, BlockNumberFor<T>)>;

    /// What adopted proposals are dispatched with, apart from `Root`.
    #[pallet::origin]
    #[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
    pub enum Origin {
        /// May register, retire and price models.
        Models,
        /// May set parameters.
        Parameters,
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An operator may vote from now on.
        MemberAdded {
            /// Who.
            who: T::AccountId,
        },
        /// A member left.
        MemberRemoved {
            /// Who.
            who: T::AccountId,
            /// Always 0.
            rank: u16,
        },
        /// A member voted.
        Voted {
            /// Who.
            who: T::AccountId,
            /// On what.
            poll: PollIndexOf<T>,
            /// How, and with what weight.
            vote: VoteRecord,
            /// The tally after it.
            tally: Tally<T>,
        },
        /// A vote weighs something else than when it was cast.
        VoteRefreshed {
            /// Whose.
            who: T::AccountId,
            /// On what.
            poll: PollIndexOf<T>,
            /// The vote, if anything is left of it.
            vote: Option<VoteRecord>,
            /// The tally after it.
            tally: Tally<T>,
        },
        /// A member lets another vote with its weight.
        Delegated {
            /// Whose weight.
            who: T::AccountId,
            /// Who votes.
            delegate: T::AccountId,
            /// The first epoch of it.
            from: Epoch,
        },
        /// A delegator will vote itself again.
        Undelegated {
            /// Whose weight.
            who: T::AccountId,
            /// Who would have voted.
            delegate: T::AccountId,
            /// The first epoch without.
            from: Epoch,
        },
        /// From now on, proposals may ask for any origin.
        ChainOpened,
        /// The votes that are left for an adopted proposal no longer suffice: it won't be enacted, unless more votes against it are corrected.
        EnactmentStopped {
            /// The poll.
            poll: PollIndexOf<T>,
        },
        /// The votes for an adopted proposal suffice again: it will be enacted when its time comes.
        EnactmentResumed {
            /// The poll.
            poll: PollIndexOf<T>,
        },
        /// The guardian stopped an adopted proposal for good.
        Vetoed {
            /// The poll.
            poll: PollIndexOf<T>,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account is no member, or no operator any more.
        NotMember,
        /// The poll is unknown or over.
        NotPolling,
        /// The poll was submitted too many epochs ago.
        PollTooOld,
        /// The account's weight, and that delegated to it, was 0 at the snapshot.
        NoWeight,
        /// The account had delegated its weight at the snapshot.
        Delegated,
        /// The account has no vote on the poll.
        NoVote,
        /// Nothing has changed.
        NothingToRefresh,
        /// The poll is still ongoing, or adopted and not enacted yet.
        Ongoing,
        /// The poll has no votes left.
        NoneRemaining,
        /// The delegate is the account itself.
        SelfDelegation,
        /// The delegate is no member, or no operator any more.
        DelegateNotMember,
        /// The delegate has delegated its own weight.
        DelegateDelegates,
        /// The account has delegators of its own; it can dismiss them.
        HasDelegators,
        /// The account has delegated to that delegate already.
        AlreadyDelegated,
        /// The account hasn't delegated.
        NotDelegating,
        /// The account hasn't delegated to the signer.
        NotDelegator,
        /// The delegate has as many delegators as it can have.
        TooManyDelegators,
        /// The poll was not adopted, or what it proposed was enacted, vetoed or cancelled.
        NotAdopted,
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Who may cancel polls, and before which block.
        pub guardian: Option<(T::AccountId, BlockNumberFor<T>)>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            Guardian::<T>::set(self.guardian.clone());
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(
                T::MinSubmitWeight::get() > 0,
                "MinSubmitWeight: who weighs nothing must not submit or be a founder"
            );
            assert!(
                T::MaxPollEpochs::get() > 0 && T::MaxPollEpochs::get() < pallet_contributions::KEPT_EPOCHS,
                "MaxPollEpochs: weights must be kept for as long as polls can be voted on"
            );
            assert!(T::MaxDelegators::get() > 0, "MaxDelegators: nobody could delegate");
            assert!(
                T::OpeningMembers::get() > 0 && T::OpeningEpochs::get() > 0,
                "OpeningMembers, OpeningEpochs: the chain would never be open, or never closed"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::view_functions]
    impl<T: Config> Pallet<T> {
        /// Why the account may not submit a proposal that asks for this origin; `None` if it may.
        pub fn refusal(who: T::AccountId, proposal_origin: Box<PalletsOriginOf<T>>) -> Option<Refusal> {
            Self::may_submit(&who, &proposal_origin).err()
        }

        /// What the account could vote with on a poll of that epoch; 0 also if it could not vote at all.
        pub fn voting_weight(who: T::AccountId, epoch: Epoch) -> VoteWeight {
            Self::effective_weight(&who, epoch).unwrap_or(0)
        }
    }

    #[pallet::call(weight = T::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Casts or changes the signing member's vote. Complexity: O([`Config::MaxDelegators`]).
        #[pallet::call_index(0)]
        pub fn vote(origin: OriginFor<T>, poll: PollIndexOf<T>, aye: bool) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_vote(who, poll, aye)
        }

        /// Lets another member vote with the signing member's weight, on polls that are submitted after this epoch.
        /// Complexity: O([`Config::MaxDelegators`]).
        #[pallet::call_index(1)]
        pub fn delegate(origin: OriginFor<T>, to: T::AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_delegate(who, to)
        }

        /// The signer votes itself on polls that are submitted after this epoch. Complexity: O(1).
        #[pallet::call_index(2)]
        pub fn undelegate(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_undelegate(who)
        }

        /// The signing delegate refuses to vote for `delegator` on polls that are submitted after this epoch. Complexity:
        /// O(1).
        #[pallet::call_index(3)]
        pub fn dismiss(origin: OriginFor<T>, delegator: T::AccountId) -> DispatchResult {
            let delegate = ensure_signed(origin)?;
            Self::do_dismiss(delegate, delegator)
        }

        /// Makes the vote of `who` weigh what it would weigh if it were cast now, and takes it away if that is nothing. The poll is ongoing, or
        /// adopted and not enacted yet; in the latter case, the proposal stays on the scheduler's agenda exactly if the votes that are left
        /// suffice. Anybody may sign.
        ///
        /// Emits [`Event::VoteRefreshed`], and [`Event::EnactmentStopped`] or [`Event::EnactmentResumed`]. Fails with
        /// [`Error::NotPolling`], [`Error::NoVote`], [`Error::PollTooOld`], [`Error::NothingToRefresh`], or, if the adopted proposal was taken off the
        /// agenda by root, [`Error::NotAdopted`]. Complexity: O([`Config::MaxDelegators`]).
        #[pallet::call_index(4)]
        pub fn refresh_vote(origin: OriginFor<T>, poll: PollIndexOf<T>, who: T::AccountId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_refresh_vote(poll, who)
        }

        /// Makes `who` a member if it is an operator that weighs something, or ends its membership if it is none or has
        /// nothing left. Complexity: O([`Config::OpeningMembers`]).
        #[pallet::call_index(5)]
        pub fn refresh_member(origin: OriginFor<T>, who: T::AccountId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_refresh_member(who)
        }

        /// Clears away up to `max` votes of a poll that is over. Asks for no fee if it cleared any away; quota is another matter.
        /// Complexity: O(`max`).
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::cleanup_poll(*max))]
        pub fn cleanup_poll(origin: OriginFor<T>, poll: PollIndexOf<T>, max: u32) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            Self::do_cleanup_poll(poll, max)
        }

        /// Stops an adopted proposal for good before it is enacted. Only by the [guardian](Guardian), while its office lasts.
        ///
        /// Emits [`Event::Vetoed`]. Fails with `BadOrigin`, or [`Error::NotAdopted`]. Complexity: O(1).
        #[pallet::call_index(7)]
        pub fn veto(origin: OriginFor<T>, poll: PollIndexOf<T>) -> DispatchResult {
            Self::do_veto(origin, poll)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! # Quota instead of fees
//!
//! There is no token to pay with, so each account has a *bucket* that each transaction takes something out of, and that fills
//! by itself. How much it holds follows from vote weight.
//!
//! # Terms
//!
//! * A **point** is 1 microsecond of `ref_time`. A transaction costs its weight (call, extensions and what an empty one takes),
//!   plus [`Config::PointsPerByte`] for each byte.
//! * A **unit** is compute, 10^6 multiply-accumulates. Units are a currency of their own, because a network that doubles its
//!   GPUs has twice the compute and no more block space. Both have the same owners, though, and so one *capacity*: a bucket for
//!   `c` points comes with one for `c * `[`units_per_point`](QuotaParameters::units_per_point) units.
//! * A bucket is empty at worst, and full again [`Config::RefillBlocks`] after that; it fills linearly ([`Usage`]).
//! * Units of a job are **held** until it is over: missing, and not coming back. Then what it used begins to come back, and the rest is there
//!   at once. So buckets can't be banked by queueing and cancelling: what runs or waits, what is left and what is yet to come back are
//!   together at most one capacity.
//! * A job pays at its submission, in points, for all that it will take of blocks ([`Quota::charge_life`](ergon_primitives::quota::Quota)).
//!
//! # Capacity
//!
//! ```text
//! own      = weight_points * weight / total weight   (registered operators)
//!          + genesis line, halved every GenesisHalfLife
//! earned   = own - given to others + line from a sponsor
//! capacity = max(earned, newcomer_points)
//! ```
//!
//! The numbers in it are a parameter, [`QuotaParameters`], that governance may change as a whole.
//!
//! 1. Hot keys draw on the bucket of their operator, unless they had a line of their own before they became hot keys. They can't be
//!    given one later.
//! 2. `own` is linear in weight and lines only move it, so splitting an account into many makes no more of it.
//! 3. Whoever has earned less than [`newcomer_points`](QuotaParameters::newcomer_points) may use that much all the same, but is a
//!    **newcomer**. All newcomers together get at most [`newcomer_share`](QuotaParameters::newcomer_share) of a block, and the units that
//!    go with it. So accounts without number gain nothing but places in a queue, whose length harms nobody else.
//! 4. A sponsor gives what is full, and what is missing from a line that ends is missing from the sponsor's bucket. If he has less
//!    than he has given, all his lines are cut in proportion. What he is given himself can't be given on.
//! 5. Capacities follow weight and parameters at once. For what is missing at that moment the new one counts: a bucket that shrinks is
//!    at most empty, and one that grows has as much missing as before. Lines keep their points; one that has become worth less than
//!    being a newcomer makes its account one.
//!
//! # Lanes
//!
//! [`Config::Lanes`] says which calls of an operator are protocol **duties** and **votes**. They draw on buckets of their own, of
//! [`duty_points`](QuotaParameters::duty_points) and [`vote_points`](QuotaParameters::vote_points) for each operator, so an operator
//! that has spent everything else still keeps its deadlines and its voice; only if these hold too little, they are ordinary calls. Votes of
//! an operator without weight of its own, or by its hot keys, are ordinary ones, and so are those within other calls.
//!
//! Which calls these are depends on the state, see [`Classify::lane`]: in a poll, the votes of an account whose own weight
//! counts there; of a job or an audit, what is awaited of the signer's operator at that moment. Doing what is done, too early
//! or wrong is an ordinary call.
//!
//! | call | draws on | goes |
//! |---|---|---|
//! | duty, first vote in a poll | its own bucket | before everything else |
//! | changed vote | the one of votes, in at most a quarter of the newcomers' share of the block; else the ordinary bucket | like any call of the operator |
//! | the same, if the ordinary bucket holds too little or is a newcomer's | the one of votes, in at most half of that share | before newcomers |
//! | everything else, and what those buckets hold too little for | the ordinary bucket | before newcomers, or among them |
//!
//! # What the extension does
//!
//! [`ChargeQuota`] charges signers. Others pass: inherents, and calls that authorize themselves.
//!
//! | when | code |
//! |---|---|
//! | the call costs more than the whole bucket | `Custom(3)`, [`NEVER_AFFORDABLE`](extension::NEVER_AFFORDABLE) |
//! | the bucket holds too little now | `Custom(1)`, [`EXHAUSTED`](extension::EXHAUSTED) |
//! | the chain doesn't know the account | `Custom(2)`, [`UNKNOWN_ACCOUNT`] |
//! | newcomers, or changed votes, have taken their share of the block | `ExhaustsResources`, in `prepare` only: the pool keeps the transaction, and the author tries it again in the next block |
//!
//! Nodes ban the hash of an invalid transaction for some minutes, so the same one can't be sent again at once; one with another
//! era or nonce can. A failing call pays. What a call doesn't use is given back; what it uses is charged, also if its pallet says
//! `Pays::No`, which is about fees.
//!
//! Priority, from the highest bit: duties and first votes; everybody but newcomers; changed votes that the ordinary bucket would not
//! pay, and after them calls with a [ticket](#first-contact); newcomers. Then the share of the bucket that is left after the call, in
//! 1024 steps (of the ordinary one for a changed vote that it would pay), and the block in which the transaction's era began, which
//! [`CheckMortality`] adds. So a flood starves itself, and a transaction replaces one with the same nonce that was signed some blocks
//! before, unless it leaves clearly less in the bucket.
//!
//! # First contact
//!
//! A [`ticket`](ergon_primitives::ticket) lets an account in that nobody vouches for ([`Admission`](ergon_primitives::quota::Admission)). Its
//! target follows, once per [`Config::RetargetBlocks`], how many come: toward [`Config::TicketsPerPeriod`], at most by a factor
//! of 4, within [`Config::HardestTarget`] and [`Config::EasiestTarget`]. A ticket lives [`Config::TicketLifetime`] blocks and meets the
//! target of the period that its block is in. At most [`Config::MaxTicketsPerBlock`] are taken, and each takes
//! [`Config::TicketPoints`] of the newcomers' share of the block. With a core of `r` tries per second
//! a ticket takes 2^64 / (target + 1) / r seconds on average; a test of [`ticket`](ergon_primitives::ticket) prints `r`.
//!
//! A provider reference is never taken back: an account that is reaped begins again at nonce 0, and its old transactions could be
//! replayed.
//!
//! # Limits
//!
//! * The guaranteed buckets are per operator, so whoever splits its weight has more of them. But each part can send only one vote for
//!   each poll, and the results that it was drawn for, ahead of others. Among those the fuller bucket goes first, so that whoever has
//!   voted less waits less. Votes that are repeated take at most half of the newcomers' part of a block, all parts together.
//! * Who changes its votes so often that the bucket for them is empty has no guarantee until it fills again: its votes are ordinary
//!   calls.
//! * The pool classifies each transaction by the state after the last block. Of several votes on one poll that an account sends at once,
//!   all wait in front; all but the first pay as changed votes when their turn comes.
//! * Units of a job are given back to whoever's bucket the requester draws on when it ends, which may be another one than paid if
//!   the requester has become a hot key or has left its operator in between.
//!
//! Everything is O(1), and nothing happens in blocks in which nobody does anything.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod capacity;
mod curve;
pub mod extension;
#[cfg(test)]
mod mock;
mod mortality;
mod newcomers;
mod nonce;
mod sponsoring;
#[cfg(test)]
mod tests;
mod tickets;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
mod types;
mod usage;
mod view;
pub mod weights;

pub use capacity::{Bucket, Standing};
pub use curve::{Limits, QuotaParameters, FIRST_STEPS, MAX_NEWCOMER_SHARE, MAX_UNITS_PER_POINT};
pub use extension::ChargeQuota;
pub use mortality::CheckMortality;
pub use nonce::{CheckNonce, UNKNOWN_ACCOUNT};
pub use pallet::*;
pub use types::{Accounts, Class, Classify, Difficulty, Given, Lane, Line, Meter, NewcomerUse, Points, QuotaInfo};
pub use usage::{Shape, Usage};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::vec::Vec;
    use ergon_primitives::{ticket::TicketTerms, traits::Parameters, Units};
    use frame_support::{pallet_prelude::*, weights::Weight};
    use frame_system::pallet_prelude::*;

    /// What is missing from a bucket.
    pub type UsageOf<T> = Usage<BlockNumberFor<T>>;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Operators, their hot keys and their weight.
        type Accounts: Accounts<Self::AccountId>;
        /// Which calls are duties and votes.
        type Lanes: Classify<Self::AccountId, Self::RuntimeCall>;
        /// The quota curve.
        type Parameters: Parameters<QuotaParameters>;
        /// Points for each byte of a transaction.
        #[pallet::constant]
        type PointsPerByte: Get<u64>;
        /// Blocks that fill an empty bucket.
        #[pallet::constant]
        type RefillBlocks: Get<BlockNumberFor<Self>>;
        /// What a newcomer must be able to send with a full bucket: the weight, extensions included, of registering, voting once and
        /// proposing, as [`FIRST_STEPS`] transactions.
        type FirstSteps: Get<Weight>;
        /// Units of a job that every account must be able to ask for, whatever governance makes of the curve.
        type LeastUnits: Get<Units>;
        /// Blocks after which half of a genesis line is left.
        #[pallet::constant]
        type GenesisHalfLife: Get<BlockNumberFor<Self>>;
        /// Most accounts that one sponsor gives to.
        #[pallet::constant]
        type MaxLines: Get<u32>;
        /// Blocks between two changes of the tickets' difficulty.
        #[pallet::constant]
        type RetargetBlocks: Get<BlockNumberFor<Self>>;
        /// How many accounts should come in so many blocks.
        #[pallet::constant]
        type TicketsPerPeriod: Get<u32>;
        /// Blocks for which a ticket is good.
        #[pallet::constant]
        type TicketLifetime: Get<BlockNumberFor<Self>>;
        /// Most accounts that tickets let in in one block.
        #[pallet::constant]
        type MaxTicketsPerBlock: Get<u32>;
        /// What the longest transaction that brings a ticket costs. Newcomers pay for it with their share of the block.
        type TicketPoints: Get<Points>;
        /// The target in the beginning and when few come.
        #[pallet::constant]
        type EasiestTarget: Get<u64>;
        /// The target that is never undercut.
        #[pallet::constant]
        type HardestTarget: Get<u64>;
        /// Weights.
        type WeightInfo: WeightInfo;
        /// Makes what benchmarks need.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: benchmarking::BenchmarkHelper<Self::AccountId, Self::RuntimeCall>;
    }

    /// What is missing from each bucket that isn't full. Accounts are hashed in keys since anyone may choose their bytes.
    #[pallet::storage]
    pub type Usages<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, Meter, UsageOf<T>, ValueQuery>;

    /// Lines by account that gets one.
    #[pallet::storage]
    pub type Lines<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Line<T::AccountId>>;

    /// What each sponsor gives.
    #[pallet::storage]
    pub type Sponsors<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Given, ValueQuery>;

    /// What accounts had at genesis.
    #[pallet::storage]
    pub type GenesisLines<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Points>;

    /// What newcomers took of the last block in which they took something.
    #[pallet::storage]
    pub type NewcomersInBlock<T: Config> = StorageValue<_, NewcomerUse<BlockNumberFor<T>>, ValueQuery>;

    /// Of tickets, as of the last one that was taken.
    #[pallet::storage]
    pub type TicketDifficulty<T: Config> =
        StorageValue<_, Difficulty<BlockNumberFor<T>>, ValueQuery, InitialDifficulty<T>>;

    /// Tickets are as easy as can be in the beginning.
    #[pallet::type_value]
    pub fn InitialDifficulty<T: Config>() -> Difficulty<BlockNumberFor<T>> {
        Difficulty {
            target: T::EasiestTarget::get(),
            previous: T::EasiestTarget::get(),
            since: Default::default(),
            admitted: 0,
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account may use a part of another's capacity.
        Sponsored {
            /// Who gives.
            sponsor: T::AccountId,
            /// Who gets it.
            account: T::AccountId,
            /// How much.
            points: Points,
        },
        /// The part is the sponsor's again.
        Withdrawn {
            /// Who gave.
            sponsor: T::AccountId,
            /// Who had it.
            account: T::AccountId,
            /// How much.
            points: Points,
        },
        /// A ticket let an account in.
        Admitted {
            /// Whom.
            account: T::AccountId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// Nobody can sponsor himself.
        SelfSponsored,
        /// The line is worth less than being a newcomer.
        LineTooSmall,
        /// The account has a sponsor already.
        AlreadySponsored,
        /// The sponsor gives to as many accounts as it can.
        TooManyLines,
        /// The sponsor has no such capacity left to give; what it was given itself doesn't count.
        NotEnoughCapacity,
        /// The sponsor has the capacity but has used it: only what is full can be given. Wait, or give less.
        NotRefilled,
        /// The account has no sponsor.
        NotSponsored,
        /// Only the sponsor and the account itself can end a line.
        NotYourLine,
        /// The account may never ask for so much at once.
        NeverAffordable,
        /// The account has too few points left for what the job will take of blocks; they come back with time.
        PointsExhausted,
        /// The account has used its compute; it comes back with time.
        UnitsExhausted,
        /// Newcomers have asked for as much compute or block space as they may in this block.
        NewcomersExhausted,
        /// The account is a hot key, which draws on its operator's bucket: the operator can be sponsored instead.
        ActsForOperator,
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The quota curve; none for that of the runtime.
        pub parameters: Option<QuotaParameters>,
        /// Accounts that have capacity from the first block on, and how much. They may sign.
        pub lines: Vec<(T::AccountId, Points)>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let parameters = self.parameters.unwrap_or_else(T::Parameters::get);
            assert_eq!(parameters.check(&Pallet::<T>::limits()), Ok(()), "parameters of quotas");
            T::Parameters::set(parameters);
            for (account, points) in &self.lines {
                assert!(
                    !GenesisLines::<T>::contains_key(account),
                    "quota: an account is named twice in the genesis lines"
                );
                GenesisLines::<T>::insert(account, points);
                if !Pallet::<T>::is_known(account) {
                    frame_system::Pallet::<T>::inc_providers(account);
                }
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            let zero = BlockNumberFor::<T>::default();
            assert!(T::RefillBlocks::get() > zero, "RefillBlocks: buckets must fill");
            assert!(T::GenesisHalfLife::get() > zero, "GenesisHalfLife: must be at least 1");
            assert!(T::MaxLines::get() > 0, "MaxLines: sponsoring must be possible");
            assert_eq!(T::Parameters::get().check(&Self::limits()), Ok(()), "Parameters");
            assert!(
                T::TicketLifetime::get() > zero && T::TicketLifetime::get() <= T::RetargetBlocks::get(),
                "TicketLifetime: a ticket must live through at most one change of difficulty"
            );
            assert!(
                T::TicketLifetime::get() < T::BlockHashCount::get(),
                "TicketLifetime: the hash of its block must be kept"
            );
            assert!(
                T::TicketsPerPeriod::get() > 0 && T::MaxTicketsPerBlock::get() > 0,
                "TicketsPerPeriod, MaxTicketsPerBlock: tickets must be possible"
            );
            assert!(
                T::TicketPoints::get() <= Self::limits().first_steps,
                "TicketPoints: a ticket must fit into any share that newcomers may have"
            );
            assert!(
                T::HardestTarget::get() > 0 && T::HardestTarget::get() <= T::EasiestTarget::get(),
                "HardestTarget: must be at most EasiestTarget"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = T::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Gives capacity of `points`, and the units that go with it, from the signer to `account`, until one of them
        /// [withdraws](Self::withdraw) it. The chain knows the account for good from then on. Complexity: O(1).
        #[pallet::call_index(0)]
        pub fn sponsor(
            origin: OriginFor<T>,
            account: T::AccountId,
            #[pallet::compact] points: Points,
        ) -> DispatchResult {
            let sponsor = ensure_signed(origin)?;
            Self::do_sponsor(sponsor, account, points)
        }

        /// Ends the line of `account`; signed by its sponsor or by itself. Complexity: O(1).
        #[pallet::call_index(1)]
        pub fn withdraw(origin: OriginFor<T>, account: T::AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw(who, account)
        }
    }

    #[pallet::view_functions]
    impl<T: Config> Pallet<T> {
        /// What an account may still do. Complexity: O(1).
        pub fn quota(account: T::AccountId) -> QuotaInfo<T::AccountId> {
            Self::quota_of(&account)
        }

        /// What a ticket should be made for; `None` in block 0. Complexity: O(1).
        pub fn ticket() -> Option<TicketTerms> {
            Self::ticket_terms()
        }
    }
}

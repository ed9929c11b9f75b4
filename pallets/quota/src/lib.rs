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
//!   GPUs has twice the compute but the same block space. Both have the same owners, though, and so one *capacity*: a bucket for
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
//! ```
//!
//! The numbers in it are a parameter, [`QuotaParameters`], that governance may change as a whole.
//!
//! 1. `own` is linear in weight and lines only move it, so splitting an account into many gains nothing.
//! 2. An account that has earned [`newcomer_points`](QuotaParameters::newcomer_points) or more draws on what it has earned. One that has
//!    earned less is a **newcomer** if it was let in ([`Admitted`]), and draws on a *free* bucket of that size; else it has nothing. All
//!    newcomers together get at most [`newcomer_share`](QuotaParameters::newcomer_share) of a block, and the units that go with it. So
//!    accounts without number gain nothing but places in a queue, in which each starts at the end whenever it was included.
//! 3. What is earned and what is free are apart: a line neither gives a free bucket nor takes one. A newcomer with a line draws on the free
//!    bucket, among newcomers, while the line holds too little.
//! 4. A line arrives as full as what its sponsor's bucket gave up. When it ends, the account keeps what its own bucket holds, and the rest goes back. If a sponsor has less
//!    than it has given, all its lines are cut in proportion. What it is given itself can't be given on.
//! 5. Capacities follow weight and parameters at once. A bucket remembers how large it was when it was touched: one that shrinks is at most
//!    empty, and what one grows by was empty when the current weights came into force ([`Config::WeightsSince`]) or it was touched, if that was
//!    later. So nobody who leaves and comes back, or changes size in any other way, finds anything full. Lines keep their points.
//! 6. The hot keys of an operator share one bucket of `newcomer_points` in its class, and have no units, so that a stolen one can't use up what
//!    is its operator's. An account that has something of its own keeps that when it becomes a hot key.
//!
//! # Lanes
//!
//! [`Config::Lanes`] says which calls of an operator are protocol **duties**, **votes** and **management**. They draw on buckets of their own, of
//! [`duty_points`](QuotaParameters::duty_points), [`vote_points`](QuotaParameters::vote_points) and
//! [`newcomer_points`](QuotaParameters::newcomer_points) for each operator, so an operator that has spent everything else still keeps its
//! deadlines, its voice and its keys; only if these hold too little, they are ordinary calls. Management is what the operator's own key
//! does about its hot keys and its registration. Votes of an operator without weight of its own, and votes and management by its hot keys, are
//! ordinary calls, and so are those within other calls.
//!
//! Which calls are duties and votes depends on the state, see [`Classify::lane`]: in a poll, the votes of an account whose own weight
//! counts there; of a job or an audit, what is awaited of the signer's operator at that moment. Doing what is done, too early
//! or wrong is an ordinary call.
//!
//! | call | draws on | goes |
//! |---|---|---|
//! | duty, first vote in a poll | its own bucket | before everything else |
//! | management | its own bucket; a newcomer's in half of the newcomers' share of the block | before everything else; a newcomer's before newcomers |
//! | changed vote | the one of votes, in at most a quarter of the newcomers' share of the block; else the ordinary bucket | like any call of the operator |
//! | the same, if the ordinary bucket holds too little or is a newcomer's | the one of votes, in at most half of that share | before newcomers |
//! | everything else, and what those buckets hold too little for | the bucket of the account | before newcomers, or among them |
//!
//! # What the extension does
//!
//! [`ChargeQuota`] charges signers. Others pass: inherents, and calls that authorize themselves.
//!
//! | when | code |
//! |---|---|
//! | the transaction is longer than [`Config::MaxTransactionBytes`] | `Custom(4)`, [`TOO_LONG`](extension::TOO_LONG) |
//! | the call costs more than the whole bucket | `Custom(3)`, [`NEVER_AFFORDABLE`](extension::NEVER_AFFORDABLE) |
//! | the bucket holds too little now | `Custom(1)`, [`EXHAUSTED`](extension::EXHAUSTED) |
//! | the chain doesn't know the account | `Custom(2)`, [`UNKNOWN_ACCOUNT`] |
//! | it is more than [`MAX_AHEAD`] nonces ahead of its account, of a hot key half of that | `Custom(5)`, [`TOO_FAR_AHEAD`], by [`CheckNonce`] |
//! | the bucket doesn't hold its cost once for each nonce that it is ahead, and once more | `Custom(1)`, by [`CheckNonce`] |
//! | newcomers, or changed votes, have taken their share of the block | `ExhaustsResources`, in `prepare` only: the pool keeps the transaction, and the author tries it again in the next block |
//!
//! Nodes ban the hash of an invalid transaction for some minutes, so the same one can't be sent again at once; one with another
//! era or nonce can. A failing call pays. What a call doesn't use is given back; what it uses is charged, also if its pallet says
//! `Pays::No`, which is about fees.
//!
//! Priority, from the highest bit: duties, first votes and management; everybody but newcomers; changed votes that the ordinary bucket would
//! not pay; calls with a [ticket](#first-contact); management by newcomers; newcomers. Then the rank: of newcomers the blocks since they were
//! last included, up to 8,191; of others the share of the bucket that is left after the call, in 1024 steps (of the ordinary one for a
//! changed vote that it would pay). A transaction loses the part of its rank that its length takes of the longest. Then the block in which the
//! transaction's era began, which [`CheckMortality`] adds. So a flood starves itself, and a transaction replaces one with the same nonce that
//! was signed some blocks before, unless it is much longer or leaves clearly less in the bucket.
//!
//! # First contact
//!
//! At most [`Config::MaxJoinsPerBlock`] accounts are let in in one block, half of them by tickets and half by vouching.
//!
//! A [`ticket`](ergon_primitives::ticket) lets an account in that nobody vouches for ([`Admission`](ergon_primitives::quota::Admission)). Its
//! target follows, once per [`Config::RetargetBlocks`], how many come: toward [`Config::TicketsPerPeriod`], at most by a factor
//! of 4, within [`Config::HardestTarget`] and [`Config::EasiestTarget`]. A ticket lives [`Config::TicketLifetime`] blocks and meets the
//! target of the period that its block is in. Those that show the most work beyond it go first. Each takes [`Config::TicketPoints`] of the
//! newcomers' share of the block. With a core of `r` tries per second
//! a ticket takes 2^64 / (target + 1) / r seconds on average; a test of [`ticket`](ergon_primitives::ticket) prints `r`.
//!
//! An established operator [vouches](Pallet::vouch) for at most [`Config::MaxVouchesPerEpoch`] newcomers an epoch. The registry puts them on
//! probation; each time that begins again, the voucher can't vouch for [`Config::VoucherBan`] epochs.
//!
//! A provider reference is never taken back: an account that is reaped begins again at nonce 0, and its old transactions could be
//! replayed.
//!
//! # Limits
//!
//! * The guaranteed buckets are per operator, so an operator that splits its weight has more of them. But each part can send only one vote for
//!   each poll, and the results that it was drawn for, ahead of others. Among those the fuller bucket goes first, so that one that has
//!   voted less waits less. Votes that are repeated take at most half of the newcomers' part of a block, all parts together.
//! * An operator that changes its votes so often that the bucket for them is empty has no guarantee until it fills again: its votes are
//!   ordinary calls.
//! * The pool classifies each transaction by the state after the last block. Of several votes on one poll that an account sends at once,
//!   all wait in front; all but the first pay as changed votes when their turn comes.
//! * An account that earns for the first time, or never sent anything, has nothing when an epoch begins, and fills from then on.
//! * An account whose class changes between a job's submission and its end may get units back in its other bucket. Both together hold what is
//!   reserved.
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
mod vouching;
pub mod weights;

pub use capacity::{Bucket, Standing};
pub use curve::{Limits, QuotaParameters, FIRST_STEPS, MAX_NEWCOMER_SHARE, MAX_UNITS_PER_POINT};
pub use extension::ChargeQuota;
pub use mortality::CheckMortality;
pub use nonce::{CheckNonce, MAX_AHEAD, TOO_FAR_AHEAD, UNKNOWN_ACCOUNT};
pub use pallet::*;
pub use types::{
    Accounts, Class, Classify, Difficulty, Given, Lane, Line, Meter, NewcomerUse, Points, QuotaInfo, Vouching,
};
pub use usage::{Shape, Usage};
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::vec::Vec;
    use ergon_primitives::{
        quota::{Admission, Newcomers},
        ticket::TicketTerms,
        traits::{CurrentEpoch, Parameters},
        Epoch, Units,
    };
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
        /// The registry of operators.
        type Newcomers: Newcomers<Self::AccountId>;
        /// The current epoch.
        type CurrentEpoch: CurrentEpoch;
        /// The block in which the current weights came into force: what capacities grew by was empty then.
        type WeightsSince: Get<BlockNumberFor<Self>>;
        /// Longest signed transaction that fits into a block beside what every block carries, in bytes.
        #[pallet::constant]
        type MaxTransactionBytes: Get<u32>;
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
        /// Most accounts that are let in in one block: one half by tickets, the other by vouching.
        #[pallet::constant]
        type MaxJoinsPerBlock: Get<u32>;
        /// Most newcomers that one operator vouches for in an epoch.
        #[pallet::constant]
        type MaxVouchesPerEpoch: Get<u32>;
        /// Epochs for which an operator vouches for nobody, after that in which one of its newcomers failed its probation.
        #[pallet::constant]
        type VoucherBan: Get<Epoch>;
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

    /// What is missing from each bucket that was ever used. Accounts are hashed in keys since anyone may choose their bytes.
    #[pallet::storage]
    pub type Usages<T: Config> = StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, Meter, UsageOf<T>>;

    /// Accounts that were let in, with the block in which each was last included among newcomers; or let in, if it never was.
    #[pallet::storage]
    pub type Admitted<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, BlockNumberFor<T>>;

    /// The operator that vouched for an account, until that has passed its probation.
    #[pallet::storage]
    pub type VouchedBy<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, T::AccountId>;

    /// What each operator has vouched for lately.
    #[pallet::storage]
    pub type Vouchers<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Vouching, ValueQuery>;

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
        /// An operator let an account in: it may register, on probation.
        Vouched {
            /// The operator.
            voucher: T::AccountId,
            /// The newcomer.
            account: T::AccountId,
        },
        /// A newcomer's probation began again, so the operator that vouched for it can't vouch for a while.
        VoucherBarred {
            /// The operator.
            voucher: T::AccountId,
            /// The newcomer.
            account: T::AccountId,
            /// First epoch in which it may vouch again.
            until: Epoch,
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
        /// The account works for an operator, as a hot key or by itself: the operator can be sponsored instead, and needs nobody to vouch
        /// for it.
        ActsForOperator,
        /// The signer is no operator, or one that is jailed or on probation, and so can't vouch.
        NotEstablished,
        /// The account was let in before, by a ticket, by vouching or at genesis.
        AlreadyAdmitted,
        /// The operator has vouched for as many newcomers as it may in this epoch.
        TooManyVouches,
        /// A newcomer that the operator vouched for has failed its probation lately.
        VoucherBarred,
        /// As many were let in by vouching in this block as may be: try again in the next one.
        NoPlaceLeft,
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
                Pallet::<T>::welcome(account);
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
                T::TicketsPerPeriod::get() > 0 && T::MaxJoinsPerBlock::get() >= 2,
                "TicketsPerPeriod, MaxJoinsPerBlock: tickets and vouching must be possible"
            );
            assert!(
                T::MaxVouchesPerEpoch::get() > 0,
                "MaxVouchesPerEpoch: vouching must be possible"
            );
            assert!(
                T::MaxTransactionBytes::get() >= curve::STEP_BYTES,
                "MaxTransactionBytes: the first steps must fit"
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
        /// [withdraws](Self::withdraw) it. As much of it is filled as the signer's bucket has to give. The chain knows the account for good
        /// from then on.
        ///
        /// Origin: signed by an account with weight or a genesis line. Event: [`Event::Sponsored`]. Errors: [`Error::SelfSponsored`],
        /// [`Error::ActsForOperator`], [`Error::LineTooSmall`], [`Error::AlreadySponsored`], [`Error::TooManyLines`],
        /// [`Error::NotEnoughCapacity`]. Complexity: O(1).
        #[pallet::call_index(0)]
        pub fn sponsor(
            origin: OriginFor<T>,
            account: T::AccountId,
            #[pallet::compact] points: Points,
        ) -> DispatchResult {
            let sponsor = ensure_signed(origin)?;
            Self::do_sponsor(sponsor, account, points)
        }

        /// Ends the line of `account`: what is left in it is the sponsor's again.
        ///
        /// Origin: signed by the sponsor or by `account`. Event: [`Event::Withdrawn`]. Errors: [`Error::NotSponsored`],
        /// [`Error::NotYourLine`]. Complexity: O(1).
        #[pallet::call_index(1)]
        pub fn withdraw(origin: OriginFor<T>, account: T::AccountId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_withdraw(who, account)
        }

        /// Lets `account` in, as a ticket would: it may sign, and register as an operator on probation. If it fails that, the signer can't
        /// vouch for [`Config::VoucherBan`] epochs.
        ///
        /// Origin: signed by an operator that is neither on probation nor jailed. Event: [`Event::Vouched`]. Errors:
        /// [`Error::NotEstablished`], [`Error::AlreadyAdmitted`], [`Error::ActsForOperator`], [`Error::VoucherBarred`],
        /// [`Error::TooManyVouches`], [`Error::NoPlaceLeft`]. Complexity: O(1).
        #[pallet::call_index(2)]
        pub fn vouch(origin: OriginFor<T>, account: T::AccountId) -> DispatchResult {
            let voucher = ensure_signed(origin)?;
            Self::do_vouch(voucher, account)
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

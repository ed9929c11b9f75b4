// SPDX-License-Identifier: Apache-2.0
//! # Jobs: from a prompt to a checked answer
//!
//! ```text
//! submit --> Queued --> Assigned --> Answered --> Auditing --> Settled
//!            |  ^  |    |      |       ^    |      |  |  |
//!            |  |  |    |      |       +----+      |  |  +----> Rejected, Unaudited
//!            |  |  |    |      |   auditors busy   |  |
//!            |  |  |    |      +- Cancelled        |  +-------> Disputed (an auditor computed another root, or the executor hides its own)
//!            |  +--|----+ deadline missed          +----------> Voided   (not revealed in time, and nobody attested)
//!            |     +- Expired
//!            +- (taken back and forgotten at once)
//! ```
//!
//! 1. **Submit.** A requester names a model, a prompt and how to decode. The model's terms become the job's: prices, context and rate stay
//!    what they were, whatever is decided meanwhile. The most units that the job can take under them, its **bound**, are reserved from
//!    the requester's quota, and the block space that the whole life of a job takes is charged to it.
//! 2. **Assign.** [`JobParameters::assignment_delay`] blocks later the job enters its model's [queue], in which requesters take turns. When
//!    its turn has come, an operator is drawn from the beacon and the job's number. The first assignment fixes the sampling key, so
//!    that every executor and auditor computes the same answer. An executor that misses the deadline counts a miss, and the job goes back
//!    to its queue, [`JobParameters::max_reassignments`] times; operators that missed it are left out while anybody else can be
//!    found.
//! 3. **Answer.** The executor publishes the output and the
//!    [`sealed`](ergon_primitives::commitment::sealed) root of its commitment, or says why there can be no answer. What it claims fits the
//!    prompt and the model's context, so that its units are at most the bound.
//! 4. **Audit.** [`JobParameters::audit_delay`] blocks later auditors are drawn, who post sealed attestations. While all that may audit are
//!    busy, the answer waits for them, up to [`JobParameters::audit_timeout`] blocks.
//! 5. **Reveal.** When nobody is left to wait for, the executor opens its seal. Nobody could copy, since the root was hidden until now.
//! 6. **Settle.** If every attestation fits the root, the answer stands: `Settled`, or `Rejected` if there can be none. If nobody has
//!    attested it is `Unaudited`. If an attestation doesn't fit, or the executor does not reveal although somebody attested, the job
//!    is `Disputed`: nothing is credited, and everything is kept.
//! 7. **Prune.** Jobs that are over are forgotten after [`JobParameters::retention`] blocks, and disputed ones after
//!    [`JobParameters::dispute_retention`]. A job that is cancelled while it waits for an executor leaves nothing to be forgotten later.
//!
//! # Deadlines
//!
//! Executors, auditors and executors that are to reveal all have [`JobParameters::deadline`] blocks: twice the time that the bound takes at
//! the model's rate, and a margin. It follows from what was fixed at submission and never from what a party claims, so no executor can
//! shorten its auditors' time by claiming that it did little. And an executor that is dead holds a job up for no longer than that.
//!
//! # What is credited, and what a requester pays
//!
//! An answer that an established operator computed as well is credited, a prompt [once](known_prompts), and few of its tokens for each of the
//! output. The requester [pays](lifecycle) for all of what was answered, and nothing for what others failed to do.
//!
//! # Room and obligations
//!
//! Each [`draw_executor`](ergon_primitives::traits::Workers::draw_executor) that finds somebody is followed by one
//! [`release`](ergon_primitives::traits::Workers::release), when the deadline is missed, or the job is over or disputed, and by one
//! [`discharge`](ergon_primitives::traits::Workers::discharge), at the same time, but for a disputed job only when it is forgotten.
//!
//! # Work in a block
//!
//! The start of a block lets jobs enter their queues, does what falls due, forgets jobs, and with the [weight](budget) that is left of
//! [`Config::ServiceWeight`] assigns jobs, at most [`Config::MaxAssignmentsPerBlock`]; what is left over is done in the next block. Nobody's
//! deadline can be put off by submitting and cancelling: what is taken back leaves nothing to do, and no executor is drawn in a block that
//! leaves deadlines over. The beacon's `on_initialize` must run before this one.
//!
//! All times are those of [`Config::BlockNumberProvider`], which stands still while nobody can do anything. A job that can't be read when
//! something is to happen to it is set aside, with a report, and stays as it is until an upgrade repairs it and calls
//! [`reinstate`](Pallet::reinstate).
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

mod agenda;
mod assignment;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod budget;
mod calls;
mod events;
pub mod known_prompts;
pub mod lifecycle;
#[cfg(test)]
mod mock;
pub mod queue;
mod set_aside;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
mod types;
pub mod weights;

use frame_support::pallet_macros::import_section;

#[import_section(events::events)]
#[frame_support::pallet]
pub mod pallet {
    use super::{
        known_prompts::Generation, types, Job, Lane, Link, Queue, Round, Standing, UncheckedInput, UncheckedOutput,
        WeightInfo, Work, MAX_AUDITORS,
    };
    use alloc::vec::Vec;
    use ergon_primitives::{
        commitment::{Header, Outcome, RejectReason},
        quota::Quota,
        request::{DecodeSettings, Input, Output},
        traits::{Audits, Beacon, Contributions, Models, Parameters, Workers},
        JobId, ModelId, Units, H256,
    };
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::BlockNumberProvider;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The time, in blocks. It stands still while nobody can do anything.
        type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumberFor<Self>>;
        /// Times and limits.
        type Parameters: Parameters<types::JobParameters>;
        /// Source of the draws.
        type Beacon: Beacon;
        /// Registry of models.
        type Models: Models;
        /// Registry of operators.
        type Workers: Workers<Self::AccountId, BlockNumberFor<Self>>;
        /// Ledger of verified work.
        type Contributions: Contributions<Self::AccountId>;
        /// Audits of the answers; must tell this pallet when everybody has attested, and when an auditor that is waited for has room.
        type Audits: Audits<Self::AccountId, BlockNumberFor<Self>>;
        /// Compute that requesters may ask for, and block space.
        type Quota: Quota<Self::AccountId, Error = DispatchError>;
        /// What a job takes of blocks after its submission: all that the start of blocks does for it, its answer, its attestations and its
        /// reveal.
        type LifeWeight: Get<Weight>;
        /// Blocks for which it is known at least what was credited for a prompt: several half-lives of weight, and as long as jobs are kept.
        type CreditMemory: Get<BlockNumberFor<Self>>;
        /// Most jobs that may wait for an executor of one model when another is submitted, at least 10; newcomers have a tenth of the
        /// places.
        #[pallet::constant]
        type MaxQueued: Get<u32>;
        /// Most models with waiting jobs: as many as there can be models that take jobs.
        #[pallet::constant]
        type MaxWaitingModels: Get<u32>;
        /// What the start of a block may take, at most half of one.
        type ServiceWeight: Get<Weight>;
        /// Most jobs that leave their queues in a block, if that has room; those of newcomers are at most a tenth of that.
        #[pallet::constant]
        type MaxAssignmentsPerBlock: Get<u32>;
        /// Most steps in a block of what falls due: a job is one, or as many as it has auditors.
        #[pallet::constant]
        type MaxDuePerBlock: Get<u32>;
        /// Most steps in a block of forgetting jobs: one is a step, or, if it is disputed, as many as it has auditors. And most prompts that
        /// are forgotten in a block, more than can be credited.
        #[pallet::constant]
        type MaxPrunedPerBlock: Get<u32>;
        /// Weights.
        type WeightInfo: WeightInfo;
        /// Makes what benchmarks need.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper<Self::AccountId>;
    }

    /// Number of the next job.
    #[pallet::storage]
    pub type NextJob<T> = StorageValue<_, JobId, ValueQuery>;

    // TWOX-NOTE (here and below): job numbers, block numbers and indices are counted by the chain.
    /// Jobs, until they are pruned.
    #[pallet::storage]
    pub type Jobs<T: Config> = StorageMap<_, Twox64Concat, JobId, Job<T::AccountId, BlockNumberFor<T>>, OptionQuery>;

    /// Prompts, as long as their jobs.
    #[pallet::storage]
    pub type Inputs<T> = StorageMap<_, Twox64Concat, JobId, Input, OptionQuery>;

    /// Outputs of the answered jobs, as long as these.
    #[pallet::storage]
    pub type Outputs<T> = StorageMap<_, Twox64Concat, JobId, Output, OptionQuery>;

    /// Headers of the revealed commitments, as long as their jobs.
    #[pallet::storage]
    pub type Headers<T> = StorageMap<_, Twox64Concat, JobId, Header, OptionQuery>;

    /// Jobs for which an operator, as their executor, has something left to do: answer or reveal.
    #[pallet::storage]
    pub type Executing<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, JobId, (), OptionQuery>;

    /// Units that can't be credited again for a prompt that was answered, by generation and
    /// [`prompt_hash`](ergon_primitives::request::prompt_hash).
    #[pallet::storage]
    pub type Credited<T> = StorageDoubleMap<_, Twox64Concat, u32, Identity, H256, Units, OptionQuery>;

    /// Which generations of prompts are known.
    #[pallet::storage]
    pub type Generations<T: Config> = StorageValue<_, Generation<BlockNumberFor<T>>, ValueQuery>;

    /// Models with jobs whose turn can come, in the order of their turns.
    #[pallet::storage]
    pub type Waiting<T: Config> = StorageValue<_, BoundedVec<ModelId, T::MaxWaitingModels>, ValueQuery>;

    /// Jobs that wait for executors, by model, whose names are hashes.
    #[pallet::storage]
    pub type Queues<T> = StorageMap<_, Identity, ModelId, Queue, OptionQuery>;

    /// The rounds of a model, of newcomers or of others.
    #[pallet::storage]
    pub type Rounds<T> = StorageNMap<
        _,
        (
            NMapKey<Identity, ModelId>,
            NMapKey<Twox64Concat, bool>,
            NMapKey<Twox64Concat, u32>,
        ),
        Round,
        OptionQuery,
    >;

    /// What a requester has in the queue of a model, of newcomers or of others.
    #[pallet::storage]
    pub type Standings<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Identity, ModelId>,
            NMapKey<Twox64Concat, bool>,
            NMapKey<Blake2_128Concat, T::AccountId>,
        ),
        Standing,
        OptionQuery,
    >;

    /// Places of jobs in their rounds.
    #[pallet::storage]
    pub type Links<T> = StorageMap<_, Twox64Concat, JobId, Link, OptionQuery>;

    /// Jobs by the block that they wait for, in the lane of their state.
    #[pallet::storage]
    pub type Agenda<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Twox64Concat, Lane>,
            NMapKey<Twox64Concat, BlockNumberFor<T>>,
            NMapKey<Twox64Concat, JobId>,
        ),
        (),
        OptionQuery,
    >;

    /// The first block of a lane of the agenda that may have entries.
    #[pallet::storage]
    pub type AgendaCursor<T: Config> = StorageMap<_, Twox64Concat, Lane, BlockNumberFor<T>, ValueQuery>;

    /// Jobs that fell due, or whose turn came, and that can't be read.
    #[pallet::storage]
    pub type SetAside<T> = StorageMap<_, Twox64Concat, JobId, (), OptionQuery>;

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Times and limits; none for what the runtime says.
        pub parameters: Option<types::JobParameters>,
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let parameters = self.parameters.unwrap_or_else(T::Parameters::get);
            assert_eq!(parameters.check(), Ok(()), "parameters of the jobs");
            T::Parameters::set(parameters);
        }
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The model is not registered or takes no new jobs.
        UnknownModel,
        /// The prompt is longer than 16 KiB of text or 4096 token ids.
        PromptTooLong,
        /// The prompt is empty.
        EmptyPrompt,
        /// `max_tokens` is outside of its range.
        MaxTokensOutOfRange,
        /// `top_k` is outside of its range.
        TopKOutOfRange,
        /// `top_p_milli` is outside of its range.
        TopPOutOfRange,
        /// A stop string is empty.
        EmptyStopString,
        /// No active operator serves the model.
        NobodyServes,
        /// All places in the model's queue are taken, of those that the account may have, by jobs whose turn comes before; try again later.
        QueueFull,
        /// There is no such job, or it was forgotten.
        UnknownJob,
        /// The caller is not the hot key of a registered operator.
        NotAWorker,
        /// The job is not assigned to the caller's operator, or no longer.
        NotAssignedToYou,
        /// The job was answered.
        AlreadyAnswered,
        /// The call doesn't fit the state of the job.
        WrongState,
        /// `prompt_tokens` is 0 or above the length of the prompt, or not the number of the ids that were given.
        PromptTokensOutOfRange,
        /// `output_tokens` is 0 or above the job's limit.
        OutputTokensOutOfRange,
        /// Prompt and output have more tokens than the model's context.
        ContextExceeded,
        /// The output is longer than 16 KiB.
        OutputTooLong,
        /// A rejection has no output and counts no tokens.
        RejectionNotEmpty,
        /// Not all auditors have attested.
        TooEarly,
        /// Seal and root of the header don't give the published hash.
        RevealDoesNotFitSeal,
        /// The header says something else than what was published.
        HeaderMismatch,
        /// The caller did not submit the job.
        NotRequester,
        /// The job was answered or is over.
        TooLateToCancel,
        /// What is kept of the job's audit can't be read.
        UnreadableAudit,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            let now = T::BlockNumberProvider::current_block_number();
            let mut work = Work::default();
            Self::process_delays(now, &mut work);
            let are_deadlines_kept = Self::process_due(now, &mut work);
            Self::process_retention(now, &mut work);
            Self::process_known(now, &mut work);
            if are_deadlines_kept {
                Self::assign_waiting(&mut work);
            }
            T::WeightInfo::on_initialize(&work)
        }

        fn integrity_test() {
            assert_eq!(T::Parameters::get().check(), Ok(()));
            assert!(
                T::MaxQueued::get() >= 10 && T::MaxWaitingModels::get() > 0 && T::MaxAssignmentsPerBlock::get() > 0
            );
            Self::check_budgets();
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = <T as Config>::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Asks `model` to go on after `input`. A `seed` makes a sampled answer reproducible anywhere; without one the chain's beacon seeds it.
        ///
        /// Origin: signed. Errors: [`Error::UnknownModel`], [`Error::PromptTooLong`], [`Error::EmptyPrompt`], one for each setting that is out
        /// of range, [`Error::NobodyServes`], [`Error::QueueFull`], and those of the quota. Event: [`Event::Submitted`].
        /// Complexity: O(length of the input).
        #[pallet::call_index(0)]
        pub fn submit(
            origin: OriginFor<T>,
            model: ModelId,
            input: UncheckedInput,
            settings: DecodeSettings,
            seed: Option<u64>,
        ) -> DispatchResult {
            Self::do_submit(ensure_signed(origin)?, model, input, settings, seed)
        }

        /// Answers a job. `sealed` hides the root of the commitment until auditors have attested. A rejection has no output and no tokens.
        ///
        /// Origin: signed, by a hot key of the executor. Errors: [`Error::NotAWorker`], [`Error::UnknownJob`], [`Error::NotAssignedToYou`],
        /// [`Error::AlreadyAnswered`], [`Error::WrongState`], [`Error::OutputTooLong`], [`Error::PromptTokensOutOfRange`],
        /// [`Error::OutputTokensOutOfRange`], [`Error::ContextExceeded`], [`Error::RejectionNotEmpty`]. Event: [`Event::Answered`].
        /// Complexity: O(length of the output).
        #[pallet::call_index(1)]
        pub fn submit_result(
            origin: OriginFor<T>,
            job: JobId,
            output: UncheckedOutput,
            prompt_tokens: u32,
            output_tokens: u32,
            outcome: Outcome,
            sealed: H256,
        ) -> DispatchResult {
            let hot = ensure_signed(origin)?;
            Self::do_submit_result(hot, job, output, prompt_tokens, output_tokens, outcome, sealed)
        }

        /// Opens the seal of an answer once every auditor has attested. It ends the job, or leads to a dispute if an auditor computed another
        /// root.
        ///
        /// Origin: signed, by a hot key of the executor. Errors: [`Error::NotAWorker`], [`Error::UnknownJob`], [`Error::NotAssignedToYou`],
        /// [`Error::WrongState`], [`Error::TooEarly`], [`Error::RevealDoesNotFitSeal`], [`Error::HeaderMismatch`],
        /// [`Error::UnreadableAudit`]. Events:
        /// [`Event::Revealed`], then [`Event::Settled`], [`Event::Rejected`], [`Event::Unaudited`] or [`Event::Disputed`]. Complexity:
        /// O(auditors).
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::reveal(MAX_AUDITORS))]
        pub fn reveal(origin: OriginFor<T>, job: JobId, seal: H256, header: Header) -> DispatchResultWithPostInfo {
            Self::do_reveal(ensure_signed(origin)?, job, seal, header)
        }

        /// Takes a job back before it is answered. One that still waits for an executor is forgotten at once.
        ///
        /// Origin: signed, by the requester. Errors: [`Error::UnknownJob`], [`Error::NotRequester`], [`Error::TooLateToCancel`]. Event:
        /// [`Event::Cancelled`]. Complexity: O(1), and O(waiting models) for the last one of its model.
        #[pallet::call_index(3)]
        pub fn cancel(origin: OriginFor<T>, job: JobId) -> DispatchResult {
            Self::do_cancel(ensure_signed(origin)?, job)
        }
    }

    #[pallet::view_functions]
    impl<T: Config> Pallet<T> {
        /// A job, until it is pruned.
        pub fn job(job: JobId) -> Option<Job<T::AccountId, BlockNumberFor<T>>> {
            Jobs::<T>::get(job)
        }

        /// Its prompt.
        pub fn input(job: JobId) -> Option<Input> {
            Inputs::<T>::get(job)
        }

        /// Its output, once it is answered.
        pub fn output(job: JobId) -> Option<Output> {
            Outputs::<T>::get(job)
        }

        /// The header of its commitment, once it is revealed.
        pub fn header(job: JobId) -> Option<Header> {
            Headers::<T>::get(job)
        }

        /// Jobs that `operator` has to answer or to reveal, in no order.
        pub fn jobs_of(operator: T::AccountId) -> Vec<JobId> {
            Executing::<T>::iter_key_prefix(operator).collect()
        }

        /// Number of jobs that wait for an executor of `model`.
        pub fn waiting(model: ModelId) -> u32 {
            Self::waiting_for(&model)
        }
    }
}

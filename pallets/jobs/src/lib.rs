// SPDX-License-Identifier: Apache-2.0
//! # Jobs: from a prompt to a checked answer
//!
//! ```text
//! submit --> Queued --> Assigned --> Answered --> Auditing --> Settled
//!            |  ^  |    |      |                  |  |  |
//!            |  |  |    |      +- Cancelled       |  |  +----> Rejected
//!            |  +--|----+ deadline missed         |  +-------> Disputed (an auditor computed another root, or the executor hides his)
//!            |     +- Expired                     +----------> Voided   (not revealed in time, and nobody attested)
//!            +- (taken back and forgotten at once)
//! ```
//!
//! 1. **Submit.** A requester names a model, a prompt and how to decode. The most units that the job can take are reserved from its quota,
//!    and the job goes to the end of its model's queue.
//! 2. **Assign.** [`JobParameters::assignment_delay`] blocks later an operator is drawn from the beacon and the job's number. The first
//!    assignment fixes the sampling key, so that every executor and auditor computes the same answer. The deadline is a fixed time plus
//!    the time for the most units that the job can have. Who misses it counts a miss and the job goes back to the end of its queue,
//!    [`JobParameters::max_reassignments`] times; operators that missed it are left out while anybody else can be found.
//! 3. **Answer.** The executor publishes the output and the
//!    [`sealed`](ergon_primitives::commitment::sealed) root of its commitment, or says why there can be no answer.
//! 4. **Audit.** [`JobParameters::audit_delay`] blocks later auditors are drawn, who post sealed attestations.
//! 5. **Reveal.** When nobody is left to wait for, the executor opens its seal. Nobody could copy, since the root was hidden until now.
//! 6. **Settle.** If every attestation fits the root, the job's units go to the executor, and to each of its auditors. They are 0 if
//!    nobody attested, if fewer than [`JobParameters::min_serving`] operators serve the model, or if the same prompt was credited before.
//!    If one doesn't fit, or the executor does not reveal although somebody attested, the job is `Disputed`: nothing is credited, and
//!    everything is kept.
//! 7. **Prune.** Jobs that are over are forgotten after [`JobParameters::retention`] blocks, and disputed ones after
//!    [`JobParameters::dispute_retention`]. A job that is cancelled while it waits for an executor leaves nothing to be forgotten later.
//!
//! # What is credited once
//!
//! A prompt to a model, by its [`prompt_hash`](ergon_primitives::request::prompt_hash): whoever computed it once may answer it again from
//! memory, whatever `max_tokens`, `temperature`, `top_k`, `top_p`, stop strings or seed are. This is remembered as long as the credited
//! job, so a prompt counts again after [`JobParameters::retention`] blocks. And only equal prompts are known again: one that differs in a
//! byte is another, and so is the same one as token ids.
//!
//! # What a requester pays
//!
//! What was reserved at the beginning is settled once, when the job is over or disputed:
//!
//! | the job | costs |
//! |---|---|
//! | is `Settled` | the units of its answer, credited or not |
//! | is `Rejected` | the units of an answer without tokens, which are 0: nothing was computed |
//! | is `Cancelled` after it was assigned | all that was reserved: somebody may have computed it already |
//! | is taken back while it waits, or is `Expired`, `Voided` or `Disputed` | nothing: others failed |
//!
//! # Obligations
//!
//! Each [`draw_executor`](ergon_primitives::traits::Workers::draw_executor) that finds somebody is followed by one
//! [`discharge`](ergon_primitives::traits::Workers::discharge): when the deadline is missed, the job is cancelled or over, and for a
//! disputed job only when it is forgotten.
//!
//! # Work in a block
//!
//! At most [`Config::MaxAssignmentsPerBlock`] executors are drawn, [`Config::MaxDuePerBlock`] steps done of what falls due and
//! [`Config::MaxPrunedPerBlock`] of forgetting jobs, see [`Work`]; what is left over is done in the next block. Nobody's deadline can be put
//! off by submitting and cancelling: a job takes room in a block only if an executor was drawn for it, and none is drawn in a block that
//! leaves deadlines over. Models take turns. The beacon's
//! `on_initialize` must run before this one.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub use assignment::most_units;
pub use pallet::*;
pub use types::{
    Answer, Job, JobParameters, Lane, Link, Queue, State, UncheckedInput, UncheckedOutput, Work, MAX_REASSIGNMENTS,
    MIN_DRAW_DELAY, MOST_AUDITORS, MOST_STEPS,
};
pub use weights::WeightInfo;

mod agenda;
mod assignment;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod calls;
mod lifecycle;
#[cfg(test)]
mod mock;
mod queue;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
mod types;
pub mod weights;

#[frame_support::pallet]
pub mod pallet {
    use super::{types, Job, Lane, Link, Queue, UncheckedInput, UncheckedOutput, WeightInfo, Work, MOST_STEPS};
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

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Times and limits.
        type Parameters: Parameters<types::JobParameters>;
        /// Source of the draws.
        type Beacon: Beacon;
        /// Registry of models.
        type Models: Models;
        /// Registry of operators.
        type Workers: Workers<Self::AccountId>;
        /// Ledger of verified work.
        type Contributions: Contributions<Self::AccountId>;
        /// Audits of the answers; must tell this pallet when everybody has attested.
        type Audits: Audits<Self::AccountId>;
        /// Compute that requesters may ask for.
        type Quota: Quota<Self::AccountId, Error = DispatchError>;
        /// Most jobs that may wait for an executor of one model when another is submitted.
        #[pallet::constant]
        type MaxQueued: Get<u32>;
        /// Most models with waiting jobs.
        #[pallet::constant]
        type MaxWaitingModels: Get<u32>;
        /// Most draws of executors in a block.
        #[pallet::constant]
        type MaxAssignmentsPerBlock: Get<u32>;
        /// Most steps in a block of what falls due: a job is one, or as many as it has auditors.
        #[pallet::constant]
        type MaxDuePerBlock: Get<u32>;
        /// Most steps in a block of forgetting jobs: one is a step, or, if it is disputed, as many as it has auditors.
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

    /// [`prompt_hash`](ergon_primitives::request::prompt_hash)es that were credited, with the job, until it is pruned.
    #[pallet::storage]
    pub type Credited<T> = StorageMap<_, Blake2_128Concat, H256, JobId, OptionQuery>;

    /// Models with waiting jobs, in the order of their turns.
    #[pallet::storage]
    pub type Waiting<T: Config> = StorageValue<_, BoundedVec<ModelId, T::MaxWaitingModels>, ValueQuery>;

    /// Waiting jobs of a model.
    #[pallet::storage]
    pub type Queues<T> = StorageMap<_, Blake2_128Concat, ModelId, Queue, OptionQuery>;

    /// Neighbours of a waiting job.
    #[pallet::storage]
    pub type Links<T> = StorageMap<_, Twox64Concat, JobId, Link, ValueQuery>;

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

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Times and limits.
        pub parameters: types::JobParameters,
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            assert_eq!(self.parameters.check(), Ok(()), "parameters of the jobs");
            T::Parameters::set(self.parameters);
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A job waits for an executor.
        Submitted {
            job: JobId,
            model: ModelId,
            requester: T::AccountId,
        },
        /// `operator` is to answer before block `deadline`.
        Assigned {
            job: JobId,
            operator: T::AccountId,
            deadline: BlockNumberFor<T>,
        },
        /// `operator` did not answer in time; the job waits for another executor.
        Reassigned { job: JobId, operator: T::AccountId },
        /// The executor has answered.
        Answered {
            job: JobId,
            operator: T::AccountId,
            prompt_tokens: u32,
            output_tokens: u32,
            outcome: Outcome,
            sealed: H256,
        },
        /// This many auditors were drawn.
        AuditorsDrawn { job: JobId, auditors: u32 },
        /// No attestation is awaited any more; `operator` is to reveal before block `deadline`.
        RevealDue {
            job: JobId,
            operator: T::AccountId,
            deadline: BlockNumberFor<T>,
        },
        /// The executor has opened its seal: `root` is its commitment.
        Revealed {
            job: JobId,
            operator: T::AccountId,
            root: H256,
        },
        /// The answer stands; this many auditors agree. The executor and each auditor were credited `units`.
        Settled {
            job: JobId,
            operator: T::AccountId,
            auditors: u32,
            units: Units,
        },
        /// There can be no answer; this many auditors agree.
        Rejected {
            job: JobId,
            operator: T::AccountId,
            auditors: u32,
            reason: RejectReason,
        },
        /// `auditor` computed another root than `operator`, or `operator` did not reveal his.
        Disputed {
            job: JobId,
            operator: T::AccountId,
            auditor: T::AccountId,
        },
        /// `operator` did not reveal in time, and nobody had attested.
        Voided { job: JobId, operator: T::AccountId },
        /// Nobody answered in time.
        Expired { job: JobId },
        /// The requester took the job back; one that had no executor yet is forgotten.
        Cancelled { job: JobId },
        /// The job was forgotten.
        Pruned { job: JobId },
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
        /// Too many jobs wait for an executor of the model; try again later.
        QueueFull,
        /// Jobs wait for executors of too many models; try again later.
        TooManyWaitingModels,
        /// There is no such job, or no more.
        UnknownJob,
        /// The caller is not the hot key of a registered operator.
        NotAWorker,
        /// The job is not assigned to the caller's operator, or no more.
        NotAssignedToYou,
        /// The job was answered.
        AlreadyAnswered,
        /// The call doesn't fit the state of the job.
        WrongState,
        /// There can't be so many, or no, prompt tokens.
        PromptTokensOutOfRange,
        /// There may not be so many, or no, output tokens.
        OutputTokensOutOfRange,
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
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            let mut work = Work::default();
            if Self::process_due(now, &mut work) {
                Self::assign_waiting(now, &mut work);
            }
            Self::process_retention(now, &mut work);
            T::WeightInfo::on_initialize(&work)
        }

        fn integrity_test() {
            assert_eq!(types::JobParameters::default().check(), Ok(()));
            assert!(T::MaxQueued::get() > 0 && T::MaxWaitingModels::get() > 0 && T::MaxAssignmentsPerBlock::get() > 0);
            // Each assigned job with one auditor falls due once and is forgotten once. In either lane a step goes to finding that a block
            // is done, and a job is begun only if the most steps that it may take are left.
            let least = T::MaxAssignmentsPerBlock::get().saturating_add(MOST_STEPS);
            assert!(
                T::MaxDuePerBlock::get() >= least,
                "deadlines could not keep up with assignments"
            );
            assert!(
                T::MaxPrunedPerBlock::get() >= least,
                "pruning could not keep up with assignments"
            );
            let most = T::WeightInfo::on_initialize(&Self::most_work());
            let half = T::BlockWeights::get().max_block.div(2);
            assert!(
                most.all_lte(half),
                "the work at the start of a block could fill half of it: {most} of {half}"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = <T as Config>::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Asks `model` to go on after `input`. O(length of the input).
        ///
        /// A `seed` makes a sampled answer reproducible anywhere; without one the chain's beacon seeds it.
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

        /// Answers a job, by a hot key of its executor. O(length of the output).
        ///
        /// `sealed` hides the root of the commitment until auditors have attested. A rejection has no output and no tokens.
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

        /// Opens the seal of an answer once every auditor has attested, by a hot key of the executor. O(length of the output +
        /// auditors).
        ///
        /// It settles the job, or leads to a dispute if an auditor computed another root.
        #[pallet::call_index(2)]
        pub fn reveal(origin: OriginFor<T>, job: JobId, seal: H256, header: Header) -> DispatchResult {
            Self::do_reveal(ensure_signed(origin)?, job, seal, header)
        }

        /// Takes a job back before it is answered, by its requester. O(1), and O(waiting models) for the last one of its model.
        ///
        /// A job that still waits for an executor is forgotten at once.
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
            Queues::<T>::get(model).map_or(0, |queue| queue.length)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! # Audits: who checks an answer, and what they found
//!
//! Every answer is bit-exactly reproducible, so checking it means computing it again and comparing one hash. This pallet draws the
//! auditors, takes their attestations and compares them; when that happens is decided by the jobs pallet through
//! [`traits::Audits`](ergon_primitives::traits::Audits).
//!
//! 1. **Open.** With the beacon's current value it is drawn whether the answer is audited ([`AuditParameters::rate`]; always if the executor
//!    is on probation) and by whom: [`AuditParameters::auditors_per_job`] established operators that were listed for the model when the answer
//!    came, never the executor, nobody twice. Whether is drawn once. An answer whose auditor has no room waits in its
//!    line, and is told when its turn has come.
//! 2. **Attest.** A drawn auditor runs the job and posts [`attestation`](ergon_primitives::commitment::attestation)`(operator, root)`.
//!    It binds the *operator's* account, so it can't be copied, and hides the root until the executor reveals it. When the last one
//!    has attested, [`OnAudit`](ergon_primitives::traits::OnAudit) is told.
//! 3. **Overdue.** Auditors that are silent at the deadline count a miss and are replaced, [`AuditParameters::max_redraws`] times; then the
//!    answer goes on with the attestations that there are, perhaps none.
//! 4. **Judge.** All attestations are compared with the revealed root: all equal, or a mismatch that names the first auditor that
//!    disagrees. Nothing in between.
//! 5. **Close.** If the answer stands, the auditors have kept their duty and are credited, and the audit is forgotten. After a mismatch it
//!    is kept, since it is evidence, until the job is forgotten.
//!
//! # Probation
//!
//! Operators that joined by a ticket are on probation: every answer of theirs is audited, and they audit nobody's. So no attestation of one
//! newcomer vouches for another, and whatever is credited was checked by an established operator. Probation ends with the
//! [`AuditParameters::probation_jobs`]th answer in a row that stands, of those whose prompt is new. So repeated prompts and rejections, which
//! cost nothing to answer, get nobody past it.
//!
//! # Obligations
//!
//! A drawn auditor has an obligation in the registry ([`Workers`](ergon_primitives::traits::Workers)), so that it can't leave before
//! what it attests is judged. It is discharged once: when it is replaced as silent, or when the audit is closed. Its room is given back as
//! soon as it has attested.
//!
//! All work is O([`MAX_AUDITORS`]).
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub use impls::{AUDITOR_DOMAIN, SAMPLE_DOMAIN};
pub use line::Line;
pub use pallet::*;
pub use types::{Audit, AuditParameters, Auditor, Awaited, MAX_AUDITORS, MAX_PROBATION_JOBS, MAX_SILENT, MIN_RATE};
pub use weights::WeightInfo;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod impls;
mod line;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
mod types;
pub mod weights;

/// The audit of an answer on this chain.
pub(crate) type AuditOf<T> =
    Audit<<T as frame_system::Config>::AccountId, frame_system::pallet_prelude::BlockNumberFor<T>>;

#[frame_support::pallet]
pub mod pallet {
    use super::{types, Line, WeightInfo};
    use alloc::vec::Vec;
    use ergon_primitives::{
        traits::{Beacon, Contributions, OnAudit, Parameters, Workers},
        JobId, H256,
    };
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// How answers are audited.
        type Parameters: Parameters<types::AuditParameters>;
        /// Source of the draws; must run its `on_initialize` before the pallet that opens audits.
        type Beacon: Beacon;
        /// Registry of operators.
        type Workers: Workers<Self::AccountId, BlockNumberFor<Self>>;
        /// Ledger of verified work.
        type Contributions: Contributions<Self::AccountId>;
        /// Told when all auditors of an answer have attested, and when one that an answer waits for has room.
        type OnAudit: OnAudit;
        /// Weights.
        type WeightInfo: WeightInfo;
        /// Makes what benchmarks need.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::BenchmarkHelper<Self::AccountId>;
    }

    /// Audits under way, and those whose answer is disputed.
    // TWOX-NOTE: job numbers are counted by the chain.
    #[pallet::storage]
    pub type Audits<T: Config> =
        StorageMap<_, Twox64Concat, JobId, types::Audit<T::AccountId, BlockNumberFor<T>>, OptionQuery>;

    /// What an operator still has to attest.
    #[pallet::storage]
    pub type Pending<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, JobId, (), OptionQuery>;

    /// Answers that wait for an operator with room, by their place in its line.
    // TWOX-NOTE: places are counted by the chain.
    #[pallet::storage]
    pub type Waiting<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, u64, JobId, OptionQuery>;

    /// The lines of operators for which answers wait.
    #[pallet::storage]
    pub type Lines<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Line, OptionQuery>;

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// How answers are audited; none for what the runtime says.
        pub parameters: Option<types::AuditParameters>,
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let parameters = self.parameters.unwrap_or_else(T::Parameters::get);
            assert_eq!(parameters.check(), Ok(()), "parameters of the audits");
            T::Parameters::set(parameters);
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// `operator` is to run `job` again and attest.
        AuditorDrawn {
            /// Job to check.
            job: JobId,
            /// Operator drawn.
            operator: T::AccountId,
        },
        /// An auditor has posted its sealed finding.
        Attested {
            /// Job checked.
            job: JobId,
            /// Operator that checked.
            operator: T::AccountId,
            /// The root that it computed, bound to its account.
            attestation: H256,
        },
        /// An auditor was silent past the deadline and is out.
        AuditorSilent {
            /// Job to check.
            job: JobId,
            /// Operator that was silent.
            operator: T::AccountId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The caller is not the hot key of a registered operator.
        NotAWorker,
        /// No audit of that job is open.
        UnknownAudit,
        /// The operator was not drawn for this audit, or was replaced.
        NotDrawn,
        /// The operator has attested.
        AlreadyAttested,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert_eq!(T::Parameters::get().check(), Ok(()));
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call(weight = <T as Config>::WeightInfo)]
    impl<T: Config> Pallet<T> {
        /// Posts what a drawn auditor found: [`attestation`](ergon_primitives::commitment::attestation) of its operator's account and
        /// the root that it computed.
        ///
        /// Origin: signed, by a hot key of the operator. Errors: [`Error::NotAWorker`], [`Error::UnknownAudit`], [`Error::NotDrawn`],
        /// [`Error::AlreadyAttested`]. Event: [`Event::Attested`], and what follows from the last attestation. Complexity:
        /// O([`MAX_AUDITORS`](super::MAX_AUDITORS)).
        #[pallet::call_index(0)]
        pub fn attest(origin: OriginFor<T>, job: JobId, attestation: H256) -> DispatchResult {
            let hot = ensure_signed(origin)?;
            let operator = T::Workers::operator_of(&hot).ok_or(Error::<T>::NotAWorker)?;
            Self::do_attest(job, operator, attestation)
        }
    }

    #[pallet::view_functions]
    impl<T: Config> Pallet<T> {
        /// The audit of `job`, while it is under way or its answer disputed.
        pub fn audit(job: JobId) -> Option<types::Audit<T::AccountId, BlockNumberFor<T>>> {
            Audits::<T>::get(job)
        }

        /// Jobs that `operator` still has to attest, in no order.
        pub fn audits_of(operator: T::AccountId) -> Vec<JobId> {
            Pending::<T>::iter_key_prefix(operator).collect()
        }
    }
}

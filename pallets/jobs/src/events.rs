// SPDX-License-Identifier: Apache-2.0
//! What the pallet tells. A section of the pallet in the crate's root, which imports what this names.
use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod events {
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A job waits for an executor.
        Submitted {
            /// Its number.
            job: JobId,
            /// Model asked.
            model: ModelId,
            /// Account that asked.
            requester: T::AccountId,
        },
        /// An operator was drawn to answer.
        Assigned {
            /// The job.
            job: JobId,
            /// Operator drawn.
            operator: T::AccountId,
            /// Block before which it is to answer.
            deadline: BlockNumberFor<T>,
        },
        /// The executor did not answer in time; the job waits for another one.
        Reassigned {
            /// The job.
            job: JobId,
            /// Operator that missed the deadline.
            operator: T::AccountId,
        },
        /// The executor has answered.
        Answered {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
            /// Number of prompt tokens.
            prompt_tokens: u32,
            /// Number of output tokens.
            output_tokens: u32,
            /// How it ended.
            outcome: Outcome,
            /// Sealed root of the commitment.
            sealed: H256,
        },
        /// Auditors were drawn for an answer, or it goes on without.
        AuditorsDrawn {
            /// The job.
            job: JobId,
            /// How many.
            auditors: u32,
        },
        /// No attestation is awaited any longer; the executor is to reveal.
        RevealDue {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
            /// Block before which it is to reveal.
            deadline: BlockNumberFor<T>,
        },
        /// The executor has opened its seal.
        Revealed {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
            /// The commitment.
            root: H256,
        },
        /// The answer stands, and at least one auditor computed the same.
        Settled {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
            /// Auditors that computed the same.
            auditors: u32,
            /// Units credited to the executor.
            credited: Units,
        },
        /// There can be no answer, and at least one auditor says the same.
        Rejected {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
            /// Auditors that say the same.
            auditors: u32,
            /// Why there can be none.
            reason: RejectReason,
        },
        /// The job is over, and nobody has checked what its executor says.
        Unaudited {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
        },
        /// An auditor computed another root than the executor, or the executor did not reveal its own.
        Disputed {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
            /// The first auditor that disagrees, or has attested.
            auditor: T::AccountId,
        },
        /// The executor did not reveal in time, and nobody had attested.
        Voided {
            /// The job.
            job: JobId,
            /// Its executor.
            operator: T::AccountId,
        },
        /// Nobody answered in time, or a job of a requester whose turn comes before took its place in a full queue.
        Expired {
            /// The job.
            job: JobId,
        },
        /// The requester took the job back; one that had no executor yet is forgotten.
        Cancelled {
            /// The job.
            job: JobId,
        },
        /// The job was forgotten.
        Pruned {
            /// The job.
            job: JobId,
        },
        /// What is kept of a job, of its audit or of the queue that it is to enter can't be read. It stays as it is, and nothing happens to the job until an upgrade repairs it.
        Unreadable {
            /// The job.
            job: JobId,
        },
    }
}

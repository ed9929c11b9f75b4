// SPDX-License-Identifier: Apache-2.0
//! Benchmark of the call in its worst case: the last of as many auditors as can be.
use crate::{Audit, Auditor, Audits, Call, Config, Pallet, Pending, MAX_AUDITORS, MAX_SILENT};
use alloc::{vec, vec::Vec};
use ergon_primitives::{traits::Demand, JobId, ModelId, H256};
use frame_benchmarking::v2::*;
use frame_support::BoundedVec;
use frame_system::RawOrigin;

/// Makes what benchmarks need, with the runtime's own registry and jobs.
pub trait BenchmarkHelper<AccountId> {
    /// An operator and its hot key, others for each index.
    fn operator(index: u32) -> (AccountId, AccountId);
    /// `job`, which `executor` has answered, waits for its auditors.
    fn auditing(job: JobId, executor: &AccountId);
}

/// An audit that takes as much room as any with these auditors, and what they have attested. Nobody is replaced any more.
pub fn longest_audit<AccountId: Clone, BlockNumber: Default>(
    model: ModelId,
    executor: &AccountId,
    auditors: &[AccountId],
    attestation: impl Fn(&AccountId) -> Option<H256>,
) -> Audit<AccountId, BlockNumber> {
    let auditor = |operator: &AccountId| {
        let attestation = attestation(operator);
        Auditor {
            operator: operator.clone(),
            room: attestation.is_none().into(),
            attestation,
        }
    };
    // Room for those who may still be silent.
    let silent = MAX_SILENT as usize - auditors.len();
    Audit {
        model,
        executor: executor.clone(),
        answered: Default::default(),
        demand: Demand { bound: 1, rate: 100 },
        sampled_in_a_million: 1_000_000,
        awaited: None,
        auditors: BoundedVec::truncate_from(auditors.iter().map(auditor).collect()),
        silent: BoundedVec::truncate_from(vec![executor.clone(); silent]),
        redraws: u32::MAX,
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn attest() {
        let (job, attestation) = (1, H256::repeat_byte(1));
        let auditors: Vec<_> = (0..MAX_AUDITORS).map(T::BenchmarkHelper::operator).collect();
        let (executor, _) = T::BenchmarkHelper::operator(MAX_AUDITORS);
        let operators: Vec<_> = auditors.iter().map(|(operator, _)| operator.clone()).collect();
        let mut audit = longest_audit(H256::repeat_byte(2), &executor, &operators, |_| Some(attestation));
        let (last, hot) = auditors[MAX_AUDITORS as usize - 1].clone();
        if let Some(auditor) = audit.auditors.last_mut() {
            (auditor.attestation, auditor.room) = (None, 1);
        }
        Audits::<T>::insert(job, audit);
        Pending::<T>::insert(last, job, ());
        T::BenchmarkHelper::auditing(job, &executor);

        #[extrinsic_call]
        _(RawOrigin::Signed(hot), job, attestation);

        assert!(Audits::<T>::get(job).is_some_and(|audit| audit.is_complete()));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

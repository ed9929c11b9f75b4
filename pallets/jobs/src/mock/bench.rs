// SPDX-License-Identifier: Apache-2.0
//! What benchmarks need, as tests.
use super::*;
use pallet_audits::benchmarking::longest_audit;

pub struct Bench;

impl pallet_jobs::benchmarking::BenchmarkHelper<AccountId> for Bench {
    fn model(index: u32) -> ModelId {
        let mut model = MODEL;
        model.0[31] ^= index as u8;
        model
    }

    fn requester(index: u32) -> AccountId {
        REQUESTER + u64::from(index)
    }

    fn operator(index: u32) -> (AccountId, AccountId) {
        let operator = u64::from(index) + 1;
        if !Operators::get().contains(&operator) {
            Operators::set(&[Operators::get(), vec![operator]].concat());
        }
        // A job that it is to answer, an audit, and a job that waits for a verdict.
        Owed::set(&[Owed::get(), vec![operator; 3]].concat());
        InFlight::set(&[InFlight::get(), vec![operator]].concat());
        InAudit::set(&[InAudit::get(), vec![operator]].concat());
        (operator, hot(operator))
    }

    fn warn(_: &AccountId) {}

    fn audit(job: JobId, executor: &AccountId, auditors: &[AccountId], root: Option<H256>) {
        let attested = |operator: &AccountId| root.map(|root| attestation(operator, &root));
        pallet_audits::Audits::<Test>::insert(job, longest_audit(MODEL, executor, auditors, attested));
    }

    fn lengthen_replacement(job: JobId) {
        pallet_audits::Audits::<Test>::mutate_extant(job, |audit| audit.redraws = 0);
    }

    fn crowd(busy: u32) {
        if busy > 0 {
            Places::set(&0);
            Looked::set(&busy);
        }
    }
}

impl pallet_audits::benchmarking::BenchmarkHelper<AccountId> for Bench {
    fn operator(index: u32) -> (AccountId, AccountId) {
        <Self as pallet_jobs::benchmarking::BenchmarkHelper<AccountId>>::operator(index)
    }

    fn auditing(job: JobId, executor: &AccountId) {
        pallet_jobs::benchmarking::insert_auditing::<Test>(job, executor);
    }
}

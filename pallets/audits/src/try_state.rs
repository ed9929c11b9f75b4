// SPDX-License-Identifier: Apache-2.0
//! Invariants of the storage.
use crate::{Audits, Config, Pallet, Pending};
use alloc::collections::BTreeSet;
use ergon_primitives::traits::Parameters;
use frame_support::ensure;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. the parameters are in range;
    /// 2. nobody is in an audit twice, the executor least of all;
    /// 3. an auditor is pending exactly while it has not attested.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        T::Parameters::get().check()?;
        let mut pending = 0;
        for (job, audit) in Audits::<T>::iter() {
            let mut seen = BTreeSet::from([audit.executor.clone()]);
            let drawn = audit
                .auditors
                .iter()
                .map(|auditor| &auditor.operator)
                .chain(&audit.silent);
            for operator in drawn {
                ensure!(seen.insert(operator.clone()), "an operator is in an audit twice");
            }
            for auditor in &audit.auditors {
                let waiting = auditor.attestation.is_none();
                ensure!(
                    Pending::<T>::contains_key(&auditor.operator, job) == waiting,
                    "pending and audit disagree"
                );
                pending += usize::from(waiting);
            }
        }
        ensure!(
            Pending::<T>::iter_keys().count() == pending,
            "something is pending without an audit"
        );
        Ok(())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Invariants of the storage.
use crate::{Audits, Awaited, Config, Lines, Pallet, Pending, Waiting};
use alloc::collections::BTreeSet;
use ergon_primitives::traits::Parameters;
use frame_support::ensure;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. the parameters are in range;
    /// 2. nobody is in an audit twice, the executor least of all;
    /// 3. an auditor is pending exactly while it has not attested;
    /// 4. lines have a place for each audit that waits for their operator, and nothing else but holes.
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
                ensure!(
                    (auditor.room > 0) == waiting,
                    "an auditor's room and its attestation disagree"
                );
                pending += usize::from(waiting);
            }
        }
        ensure!(
            Pending::<T>::iter_keys().count() == pending,
            "something is pending without an audit"
        );
        Self::try_state_lines()
    }

    fn try_state_lines() -> Result<(), TryRuntimeError> {
        for (operator, place, job) in Waiting::<T>::iter() {
            let line = Lines::<T>::get(&operator).ok_or("an answer waits in no line")?;
            ensure!(
                (line.first..line.end).contains(&place),
                "a line doesn't reach to an answer"
            );
            let awaited = Some(Awaited { operator, place });
            let waits = Audits::<T>::get(job).is_some_and(|audit| audit.awaited == awaited);
            ensure!(waits, "an answer has a place in a line and doesn't wait");
        }
        for (operator, line) in Lines::<T>::iter() {
            let waiting = Waiting::<T>::iter_key_prefix(&operator).count();
            ensure!(waiting > 0 && waiting == line.waiting as usize, "a line counts wrong");
        }
        let waiting = Audits::<T>::iter_values()
            .filter(|audit| audit.awaited.is_some())
            .count();
        ensure!(
            Waiting::<T>::iter_keys().count() == waiting,
            "an answer waits without a place"
        );
        Ok(())
    }
}

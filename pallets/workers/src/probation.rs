// SPDX-License-Identifier: Apache-2.0
//! The probation of operators that joined by a ticket, which have shown nothing but some seconds of one core, or that somebody vouched for.
//!
//! While it lasts, every answer of theirs is audited, whatever the audit rate is. The pallet of audits sees to that and says which of them
//! [count](ergon_primitives::traits::Workers::note_stood), and how many it takes; here they are counted. A missed deadline, for a job or
//! an audit, a disputed answer and jail begin it again. The operator's voucher [hears of](Admission::note_failed) misses and jail only: a dispute
//! shows that two operators disagree, not which of them is wrong. It outlives the registration: leaving and coming back gain nothing.
use crate::{Config, Event, Operators, Pallet, Probation};
use ergon_primitives::quota::Admission;
use ergon_storage::Kept;

impl<T: Config> Pallet<T> {
    /// An operator that nobody knows has joined.
    pub(crate) fn begin_probation(operator: &T::AccountId) {
        Probation::<T>::insert(operator, 0);
    }

    /// What was counted so far is lost.
    pub(crate) fn restart_probation(operator: &T::AccountId) {
        Probation::<T>::change_readable(&Probation::<T>::hashed_key_for(operator), |stood| *stood = 0);
    }

    /// The same, and its voucher answers for it.
    pub(crate) fn fail_probation(operator: &T::AccountId) {
        if Probation::<T>::contains_key(operator) {
            Self::restart_probation(operator);
            T::Admission::note_failed(operator);
        }
    }

    /// Counts an answer that stands, and ends the probation if it is the `required`th.
    pub(crate) fn advance_probation(operator: &T::AccountId, required: u32) {
        let Some(stood) = Probation::<T>::get(operator) else {
            return;
        };
        let stood = stood.saturating_add(1);
        if stood < required {
            return Probation::<T>::insert(operator, stood);
        }
        Probation::<T>::remove(operator);
        T::Admission::note_passed(operator);
        for model in Operators::<T>::get(operator)
            .map(|entry| entry.models)
            .unwrap_or_default()
        {
            Self::follow_weight(&model, operator);
        }
        Self::deposit_event(Event::ProbationEnded {
            operator: operator.clone(),
        });
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Answers that wait for an auditor with room, in a line for each operator.
//!
//! An operator is drawn whether it has room or not, so that nobody can choose its auditor by keeping the others busy. If it has none, the
//! answer joins the end of its line, and so does every later one until the line is empty: small audits can't go on taking the room that
//! a large one in front waits for. The job of the first in line is [told](OnAudit::auditor_ready) when room is given back, and when it comes
//! to stand first.
//!
//! An answer leaves the line when its auditor is obliged, when the auditor can't audit any longer, or when the job has waited for too long. So
//! lines have holes, which are passed over, at most [`MAX_SKIPPED`] at once.
use crate::{AuditOf, Awaited, Config, Lines, Pallet, Waiting};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{
    traits::{Demand, OnAudit, Room, Workers},
    JobId,
};
use ergon_storage::Kept;
use scale_info::TypeInfo;

/// Most holes that are passed over at once.
const MAX_SKIPPED: u32 = 16;

/// The line of an operator.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Line {
    /// No place before this one is taken.
    pub first: u64,
    /// The place that the next answer gets.
    pub end: u64,
    /// Places that are taken.
    pub waiting: u32,
}

/// What became of an operator that was drawn for an audit.
pub(crate) enum Turn {
    /// It is obliged, which takes this room.
    Obliged(Room),
    /// It has no room, or others come first.
    Waits,
    /// It can't audit any longer.
    Gone,
}

impl<T: Config> Pallet<T> {
    /// Obliges an operator that was just drawn, unless it has no room or others wait for it.
    pub(crate) fn oblige(operator: &T::AccountId, demand: &Demand) -> Option<Room> {
        match Lines::<T>::contains_key(operator) {
            true => None,
            false => T::Workers::oblige_auditor(operator, demand),
        }
    }

    /// The answer of `job` waits for `operator` from now on; for nobody if the line can't be read.
    pub(crate) fn join_line(job: JobId, operator: T::AccountId) -> Option<Awaited<T::AccountId>> {
        let place = Lines::<T>::change(&Lines::<T>::hashed_key_for(&operator), |line| {
            let line = line.get_or_insert_default();
            let place = line.end;
            line.end = line.end.saturating_add(1);
            line.waiting = line.waiting.saturating_add(1);
            place
        });
        let place = place.ok()?;
        Waiting::<T>::insert(&operator, place, job);
        Some(Awaited { operator, place })
    }

    /// Obliges the operator that an audit waits for if it is the audit's turn; then, or if the operator is gone, the audit leaves the line.
    pub(crate) fn take_turn(audit: &mut AuditOf<T>) -> Option<(T::AccountId, Turn)> {
        let Awaited { operator, place } = audit.awaited.clone()?;
        let turn = if !T::Workers::may_audit(&operator) {
            Turn::Gone
        } else if Self::first_in_line(&operator) != Some(place) {
            return Some((operator, Turn::Waits));
        } else if let Some(room) = T::Workers::oblige_auditor(&operator, &audit.demand) {
            Turn::Obliged(room)
        } else {
            return Some((operator, Turn::Waits));
        };
        Self::leave_line(audit);
        Some((operator, turn))
    }

    /// The audit waits for nobody from now on.
    pub(crate) fn leave_line(audit: &mut AuditOf<T>) {
        let Some(Awaited { operator, place }) = audit.awaited.take() else {
            return;
        };
        Waiting::<T>::remove(&operator, place);
        let _ = Lines::<T>::change(&Lines::<T>::hashed_key_for(&operator), |line| {
            *line = line
                .map(|line| Line {
                    waiting: line.waiting.saturating_sub(1),
                    ..line
                })
                .filter(|line| line.waiting > 0);
        });
        Self::call_first(&operator);
    }

    /// The operator may have room: tells the job of the first answer in its line.
    pub(crate) fn call_first(operator: &T::AccountId) {
        let first = Self::first_in_line(operator).and_then(|place| Waiting::<T>::get(operator, place));
        if let Some(job) = first {
            T::OnAudit::auditor_ready(job);
        }
    }

    /// The first place in the line of `operator` that is taken. Passes over holes; `None` if it meets nothing else.
    fn first_in_line(operator: &T::AccountId) -> Option<u64> {
        let mut line = Lines::<T>::get(operator)?;
        let start = line.first;
        let end = line.end.min(start.saturating_add(MAX_SKIPPED.into()));
        let first = (start..end).find(|place| Waiting::<T>::contains_key(operator, place));
        line.first = first.unwrap_or(end);
        if line.first != start {
            Lines::<T>::insert(operator, line);
        }
        first
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Which of an operator's duties are this worker's.
//!
//! Several workers of one operator, each with a hot key, see the same duties; the chain only wants each done once. So they share them
//! without talking to each other:
//!
//! 1. A duty belongs to the hot key at `job mod n` in the chain's list of the operator's `n` hot keys.
//! 2. A duty that still stands when half of the time from when it was first seen to its deadline is over is *late*, and everybody's: a dead
//!    worker loses no job.
//! 3. What was begun is finished, though the list of hot keys changes meanwhile.
//!
//! A worker whose key is not on the list has no duties, since the chain takes nothing from it.
use ergon_primitives::JobId;
use ergon_worker_chain::{AccountId, BlockNumber, Due, Duty, View};
use std::{
    collections::BTreeMap,
    mem::{discriminant, Discriminant},
};

/// What one worker knows of the operator's duties.
#[derive(Debug, Default)]
pub struct Share(BTreeMap<JobId, Seen>);

/// A duty as this worker has seen it.
#[derive(Debug)]
struct Seen {
    kind: Discriminant<Duty>,
    deadline: BlockNumber,
    first: BlockNumber,
    begun: bool,
}

impl Share {
    /// Takes note of the duties of `view`, and drops those that don't stand any more.
    pub fn observe(&mut self, view: &View) {
        let seen = |due: &Due| Seen {
            kind: discriminant(&due.duty),
            deadline: due.deadline,
            first: view.number,
            begun: false,
        };
        let stands = |job: &JobId, seen: &mut Seen| {
            let due = view.due.get(job);
            due.is_some_and(|due| (discriminant(&due.duty), due.deadline) == (seen.kind, seen.deadline))
        };
        self.0.retain(stands);
        for (job, due) in &view.due {
            self.0.entry(*job).or_insert_with(|| seen(due));
        }
    }

    /// This worker computes for `job`.
    pub fn begin(&mut self, job: JobId) {
        if let Some(seen) = self.0.get_mut(&job) {
            seen.begun = true;
        }
    }

    /// Whether the duty about `job` is this worker's, whose key is `hot`, as of `view`.
    pub fn includes(&self, hot: &AccountId, view: &View, job: JobId) -> bool {
        let begun = self.0.get(&job).is_some_and(|seen| seen.begun);
        let listed = view.hot_keys.contains(hot);
        begun || owner(&view.hot_keys, job) == Some(hot) || listed && self.is_late(job, view.number)
    }

    /// Whether half of the time for the duty about `job` is over.
    pub fn is_late(&self, job: JobId, number: BlockNumber) -> bool {
        let half = |seen: &Seen| seen.first + seen.deadline.saturating_sub(seen.first) / 2;
        self.0.get(&job).is_some_and(|seen| number >= half(seen))
    }
}

/// The hot key that the duties about `job` belong to.
pub fn owner(hot_keys: &[AccountId], job: JobId) -> Option<&AccountId> {
    let index = job.checked_rem(hot_keys.len() as u64)?;
    hot_keys.get(index as usize)
}

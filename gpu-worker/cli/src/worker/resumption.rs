// SPDX-License-Identifier: Apache-2.0
//! When a worker brings its operator back.
//!
//! The chain suspends an operator that misses too many deadlines in a row, for longer each time. Where a worker is there to see it, the misses
//! are over, so it resumes as soon as it may, but at most once in [`PAUSE`] blocks: a worker that is too slow for its jobs would only
//! delay them. An operator that drains does so by its owner's wish, and only the owner resumes it.
use ergon_worker_chain::{BlockNumber, Status};

/// Fewest blocks from one resumption to the next.
pub const PAUSE: BlockNumber = 50;

/// The resumptions of one operator by this worker.
#[derive(Debug, Default)]
pub struct Resumption {
    last: Option<BlockNumber>,
}

impl Resumption {
    /// Whether to resume now, in block `number`, where the operator has this `status`. If so, it is taken as done.
    pub fn is_due(&mut self, status: Option<Status>, number: BlockNumber) -> bool {
        // A transaction sent now gets into the next block at the earliest.
        let suspended = match status {
            Some(Status::Suspended { until }) => number.saturating_add(1) >= until,
            Some(Status::Active | Status::Draining | Status::Jailed) | None => false,
        };
        let rested = self.last.is_none_or(|last| number >= last.saturating_add(PAUSE));
        if suspended && rested {
            self.last = Some(number);
        }
        suspended && rested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUSPENDED: Option<Status> = Some(Status::Suspended { until: 20 });

    #[test]
    fn a_suspended_operator_comes_back_when_it_may_and_then_after_a_pause() {
        let mut resumption = Resumption::default();
        let due: Vec<BlockNumber> = (10..19 + 2 * PAUSE)
            .filter(|number| resumption.is_due(SUSPENDED, *number))
            .collect();
        assert_eq!(due, [19, 19 + PAUSE]);
    }

    #[test]
    fn an_operator_that_is_active_again_meanwhile_still_waits_out_the_pause() {
        let mut resumption = Resumption::default();
        assert!(resumption.is_due(SUSPENDED, 30));
        assert!(!resumption.is_due(Some(Status::Active), 31));
        assert!(!resumption.is_due(SUSPENDED, 29 + PAUSE));
        assert!(resumption.is_due(SUSPENDED, 30 + PAUSE));
    }

    #[test]
    fn nobody_else_is_brought_back() {
        let mut resumption = Resumption::default();
        for status in [Some(Status::Active), Some(Status::Draining), Some(Status::Jailed), None] {
            assert!(
                (0..3 * PAUSE).all(|number| !resumption.is_due(status, number)),
                "{status:?}"
            );
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Making the [ticket](ergon_primitives::ticket) that admits an unknown operator: a search on one core.
//!
//! Tries are independent, so a search that is given up has lost nothing: one for a younger block takes as long. That happens when half
//! of a ticket's life is over, so whatever is found has time to get into a block, however long the search takes. If more tickets wait than a
//! block takes, those go first that show the most work beyond the target; the others wait for the next one.
use crate::{interface, registration::RegistrationError, AccountId, BlockNumber, Client};
use ergon_primitives::{
    ticket::{challenge, expected_tries, Search, Ticket, TicketTerms},
    H256,
};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// How often progress is logged, and the chain asked for its newest block.
const REPORT: Duration = Duration::from_secs(2);
/// Tries between two looks at whether to stop.
const STEPS: u64 = 1 << 12;

/// A search on a thread of its own, which ends when this is dropped.
struct Running {
    tried: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    nonce: JoinHandle<Option<u64>>,
}

impl Running {
    fn start(challenge: H256, target: u64) -> Self {
        let (tried, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (tried.clone(), stop.clone());
        let nonce = tokio::task::spawn_blocking(move || {
            let mut search = Search::new(challenge, target, 0);
            while !stopped.load(Ordering::Relaxed) {
                let found = search.run(STEPS);
                count.store(search.tried(), Ordering::Relaxed);
                if found.is_some() {
                    return found;
                }
            }
            None
        });
        Self { tried, stop, nonce }
    }

    fn tried(&self) -> u64 {
        self.tried.load(Ordering::Relaxed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// How the searches for a ticket go.
#[derive(Clone, Copy, Debug)]
struct Progress {
    tried: u64,
    elapsed: Duration,
    /// [`expected_tries`] for a ticket.
    expected: u64,
}

impl Progress {
    fn tries_per_second(&self) -> f64 {
        self.tried as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// How long a search takes on average at this rate, and takes from now on, however long it has taken; `None` before the first try.
    fn expected_seconds(&self) -> Option<u64> {
        (self.tried > 0).then(|| (self.expected as f64 / self.tries_per_second()) as u64)
    }

    fn check(&self, patience: Duration) -> Result<(), RegistrationError> {
        let (expected, allowed) = (self.expected_seconds().unwrap_or(0), patience.as_secs());
        if expected > allowed || self.elapsed > patience {
            return Err(RegistrationError::TicketTooHard { expected, allowed });
        }
        Ok(())
    }
}

/// Makes a ticket for `operator`; an error if that takes longer than `patience` or can't be expected to be done by then.
pub(crate) async fn make(
    client: &Client,
    operator: &AccountId,
    patience: Duration,
) -> Result<Ticket, RegistrationError> {
    let (began, mut tried_before) = (Instant::now(), 0);
    loop {
        let terms = interface::ticket_terms(&client.finalized().await?).await?;
        let terms = terms.ok_or(RegistrationError::NoBlocks)?;
        let expected = expected_tries(terms.target);
        tracing::info!(
            block = terms.block,
            expected_tries = expected,
            "searching for a ticket on one core"
        );
        let challenge = challenge(&terms.genesis, &operator.0, terms.block, &terms.block_hash);
        let mut running = Running::start(challenge, terms.target);
        let nonce = loop {
            let found = tokio::time::timeout(REPORT, &mut running.nonce).await;
            let progress = Progress {
                tried: tried_before + running.tried(),
                elapsed: began.elapsed(),
                expected,
            };
            if let Ok(nonce) = found {
                log(&progress, "the search for a ticket is over");
                break nonce.ok().flatten();
            }
            log(&progress, "searching for a ticket");
            progress.check(patience)?;
            if client.best_number().await? >= half_life(&terms) {
                break None;
            }
        };
        if let Some(nonce) = nonce {
            let block = terms.block;
            return Ok(Ticket { block, nonce });
        }
        tried_before += running.tried();
    }
}

/// The block in which half of a ticket's life is over.
fn half_life(terms: &TicketTerms) -> BlockNumber {
    terms.block + terms.expires.saturating_sub(terms.block) / 2
}

fn log(progress: &Progress, message: &str) {
    tracing::info!(
        tried = progress.tried,
        seconds = progress.elapsed.as_secs(),
        tries_per_second = progress.tries_per_second() as u64,
        expected_seconds = progress.expected_seconds(),
        "{message}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_primitives::ticket::verify;

    fn progress(tried: u64, seconds: u64, expected: u64) -> Progress {
        Progress {
            tried,
            elapsed: Duration::from_secs(seconds),
            expected,
        }
    }

    #[test]
    fn what_a_search_takes_follows_from_its_rate() {
        let progress = progress(3_000, 3, 60_000);
        assert_eq!(
            (progress.tries_per_second(), progress.expected_seconds()),
            (1_000.0, Some(60))
        );
    }

    #[test]
    fn a_search_that_takes_too_long_is_refused_with_both_times() {
        let minute = Duration::from_secs(60);
        assert!(progress(2_000, 2, 60_000).check(minute).is_ok());
        let error = progress(2_000, 2, 61_000).check(minute).unwrap_err();
        assert!(matches!(
            error,
            RegistrationError::TicketTooHard {
                expected: 61,
                allowed: 60
            }
        ));
        let text = error.to_string();
        assert!(
            text.contains("61 s") && text.contains("60 s") && text.contains("ticket-seconds"),
            "{text}"
        );
        // The default patience bears what one core takes a whole period of an hour for, and bad luck with it.
        let patience = Duration::from_secs(14_400);
        assert!(progress(10_000_000, 10_000, 3_600_000).check(patience).is_ok());
        // Bad luck.
        assert!(progress(61_000, 61, 10_000).check(minute).is_err());
        // Nothing tried yet: nobody knows.
        assert!(progress(0, 1, u64::MAX).check(minute).is_ok());
    }

    #[tokio::test]
    async fn a_search_finds_a_nonce_that_solves_its_challenge() {
        let target = u64::MAX >> 14;
        let mut running = Running::start(H256::repeat_byte(3), target);
        let nonce = (&mut running.nonce).await.unwrap().unwrap();
        assert!(verify(&H256::repeat_byte(3), nonce, target));
        assert_eq!(running.tried(), nonce + 1);
    }

    #[tokio::test]
    async fn a_search_that_is_dropped_ends() {
        let running = Running::start(H256::repeat_byte(3), 0);
        let (tried, stop) = (running.tried.clone(), running.stop.clone());
        while running.tried() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(running);
        assert!(stop.load(Ordering::Relaxed));
        // The thread is the last one to hold the count.
        let deadline = Instant::now() + Duration::from_secs(60);
        while Arc::strong_count(&tried) > 1 {
            assert!(Instant::now() < deadline, "the search goes on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn a_search_goes_over_to_a_younger_block_when_half_of_a_tickets_life_is_over() {
        let terms = TicketTerms {
            genesis: H256::zero(),
            block: 100,
            block_hash: H256::zero(),
            target: 1,
            expires: 151,
        };
        assert_eq!(half_life(&terms), 125);
    }
}

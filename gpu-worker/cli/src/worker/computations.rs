// SPDX-License-Identifier: Apache-2.0
//! The computations under way, each on a thread that waits for its answer.
use super::{compute::ComputeError, journal::Entry};
use ergon_primitives::{JobId, H256};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
};
use tokio::task::{Id, JoinSet};

/// Computations under way. Dropping them stops all.
#[derive(Default)]
pub struct Computations {
    /// By answer.
    running: BTreeMap<H256, Running>,
    tasks: JoinSet<Result<Entry, ComputeError>>,
}

struct Running {
    job: JobId,
    stop: Arc<AtomicBool>,
    task: Id,
}

/// A computation that has ended.
pub struct Computed {
    /// The job.
    pub job: JobId,
    /// Name of the answer.
    pub answer: H256,
    /// What came out.
    pub result: Result<Entry, ComputeError>,
}

impl Computations {
    /// Number of computations under way.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether this answer is being computed.
    pub fn contains(&self, answer: &H256) -> bool {
        self.running.contains_key(answer)
    }

    /// Begins to compute an answer; `compute` ends early once its flag is set.
    pub fn begin(
        &mut self,
        job: JobId,
        answer: H256,
        compute: impl FnOnce(&AtomicBool) -> Result<Entry, ComputeError> + Send + 'static,
    ) {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = self.tasks.spawn_blocking(move || compute(&stopped)).id();
        self.running.insert(answer, Running { job, stop, task });
    }

    /// Stops all but those with a wanted answer, and gives the jobs that were stopped just now.
    pub fn stop_unless(&self, wanted: impl Fn(&H256) -> bool) -> Vec<JobId> {
        let unwanted = self.running.iter().filter(|(answer, _)| !wanted(answer));
        let stopped = unwanted.filter(|(_, running)| !running.stop.swap(true, Ordering::Relaxed));
        stopped.map(|(_, running)| running.job).collect()
    }

    /// The next computation that ends; never ready if there is none.
    pub async fn finished(&mut self) -> Computed {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                std::future::pending().await
            };
            let (task, result) = match ended {
                Ok((task, result)) => (task, result),
                Err(error) => (error.id(), Err(ComputeError::Panicked(error.to_string()))),
            };
            let answer = self.running.iter().find(|(_, running)| running.task == task);
            let answer = answer.map(|(answer, _)| *answer);
            if let Some((answer, Running { job, .. })) = answer.and_then(|answer| self.running.remove_entry(&answer)) {
                return Computed { job, answer, result };
            }
        }
    }
}

impl Drop for Computations {
    fn drop(&mut self) {
        self.stop_unless(|_| false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wait(stop: &AtomicBool) -> Result<Entry, ComputeError> {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(ComputeError::Stopped)
    }

    fn answer(job: JobId) -> H256 {
        H256::from_low_u64_be(job)
    }

    #[tokio::test]
    async fn each_is_stopped_by_itself() {
        let mut computations = Computations::default();
        for job in [1, 2] {
            computations.begin(job, answer(job), wait);
        }
        assert_eq!(computations.stop_unless(|wanted| *wanted != answer(1)), [1]);
        assert_eq!(computations.stop_unless(|wanted| *wanted != answer(1)), [0; 0]);
        let ended = computations.finished().await;
        assert_eq!((ended.job, ended.answer), (1, answer(1)));
        assert!(matches!(ended.result, Err(ComputeError::Stopped)));
        assert_eq!((computations.len(), computations.contains(&answer(2))), (1, true));
        drop(computations);
    }

    #[tokio::test]
    async fn one_that_panics_ends_with_an_error_and_disturbs_no_other() {
        let mut computations = Computations::default();
        computations.begin(1, answer(1), wait);
        computations.begin(2, answer(2), |_| panic!("broken"));
        let ended = computations.finished().await;
        assert_eq!(ended.job, 2);
        assert!(matches!(ended.result, Err(ComputeError::Panicked(_))));
        assert!(computations.contains(&answer(1)));
    }
}

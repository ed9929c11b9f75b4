// SPDX-License-Identifier: Apache-2.0
//! What the state of a finalized block says about one operator.
//!
//! The jobs and audits pallets index their entries by operator, so a view costs two short key scans, the operator's own entry and one
//! small read for each job that the operator has a part in. Prompts and outputs are read only when they are needed.
use crate::{client::AtBlock, interface, AccountId, BlockNumber, Client, Due, Duty, Task, View};
use ergon_primitives::{
    commitment::answer_id,
    request::{request_hash, DecodeSettings, Input},
    JobId, ModelId, H256,
};
use std::collections::BTreeSet;

/// Where a job stands, as far as it matters to an operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Waits for its executor's answer.
    Assigned,
    /// Auditors are to attest.
    Auditing,
    /// The executor is to reveal.
    Revealing,
    /// Somebody or something else is awaited.
    Waiting,
    /// Nothing will happen any more.
    Over,
}

/// A job as it stands on chain, without prompt and output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Job {
    pub stage: Stage,
    pub executor: Option<AccountId>,
    pub model: ModelId,
    pub request_hash: H256,
    pub settings: DecodeSettings,
    /// Fixed by the first assignment.
    pub sampling_key: Option<H256>,
    /// What the executor published instead of its root.
    pub sealed: Option<H256>,
    /// Block at whose start something happens unless the operator acts before.
    pub due: Option<BlockNumber>,
}

/// What a computation needs beyond its [`Task`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The prompt.
    pub input: Input,
    /// What the executor has published, if there is an answer.
    pub output: Option<Vec<u8>>,
}

/// What a job demands of `operator`; `drawn` says whether it is an auditor who has not attested.
fn due(operator: &AccountId, id: JobId, job: &Job, drawn: bool) -> Option<Due> {
    let executes = job.executor.as_ref() == Some(operator);
    let (sampling_key, deadline) = (job.sampling_key?, job.due?.saturating_sub(1));
    let task = || Task {
        job: id,
        model: job.model,
        request_hash: job.request_hash,
        settings: job.settings.clone(),
        sampling_key,
    };
    let duty = match job.stage {
        Stage::Assigned if executes => Duty::Execute(task()),
        Stage::Auditing if drawn => Duty::Audit(task()),
        Stage::Revealing if executes => Duty::Reveal {
            answer: answer_id(id, &job.request_hash, &sampling_key),
            sealed: job.sealed?,
        },
        _ => return None,
    };
    Some(Due { duty, deadline })
}

impl Client {
    /// The chain as of its latest finalized block, as far as `operator` is concerned. `known` are jobs that the operator keeps
    /// something about. Audits are left out unless `audit` is set.
    pub async fn view(&self, operator: &AccountId, audit: bool, known: BTreeSet<JobId>) -> Result<View, subxt::Error> {
        let at = self.finalized().await?;
        let drawn = if audit {
            interface::audits_of(&at, operator).await?
        } else {
            BTreeSet::new()
        };
        let mut jobs = interface::executions_of(&at, operator).await?;
        jobs.extend(known);
        jobs.extend(&drawn);
        let mut view = View {
            number: at.block_number() as BlockNumber,
            next_job: interface::next_job(&at).await?,
            ..View::default()
        };
        if let Some(entry) = interface::operator(&at, operator).await? {
            (view.status, view.hot_keys) = (Some(entry.status), entry.hot_keys);
        }
        let closed = interface::closed_blocks(&at).await?;
        for id in jobs {
            let Some(mut job) = interface::job(&at, id).await?.filter(|job| job.stage != Stage::Over) else {
                continue;
            };
            job.due = job.due.map(|due| due.saturating_add(closed));
            view.open.insert(id);
            if let Some(due) = due(operator, id, &job, drawn.contains(&id)) {
                view.due.insert(id, due);
            }
        }
        Ok(view)
    }

    /// Prompt and output of a task; `None` if the chain has forgotten them, or names another prompt than the task's request.
    pub async fn question(&self, task: &Task) -> Result<Option<Question>, subxt::Error> {
        let at: AtBlock = self.finalized().await?;
        let Some(input) = interface::input(&at, task.job).await? else {
            return Ok(None);
        };
        if request_hash(&task.model, &input, &task.settings) != task.request_hash {
            return Ok(None);
        }
        Ok(Some(Question {
            input,
            output: interface::output(&at, task.job).await?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 5] = [
        Stage::Assigned,
        Stage::Auditing,
        Stage::Revealing,
        Stage::Waiting,
        Stage::Over,
    ];

    fn account(byte: u8) -> AccountId {
        AccountId::from([byte; 32])
    }

    fn job(stage: Stage) -> Job {
        Job {
            stage,
            executor: Some(account(1)),
            model: H256::repeat_byte(1),
            request_hash: H256::repeat_byte(2),
            settings: DecodeSettings::greedy(4),
            sampling_key: Some(H256::repeat_byte(3)),
            sealed: Some(H256::repeat_byte(4)),
            due: Some(50),
        }
    }

    fn demanded(operator: u8, drawn: bool) -> Vec<Option<Duty>> {
        STAGES
            .iter()
            .map(|stage| due(&account(operator), 7, &job(*stage), drawn).map(|due| due.duty))
            .collect()
    }

    #[test]
    fn the_executor_answers_when_assigned_and_reveals_when_attested() {
        let duties = demanded(1, false);
        assert!(matches!(&duties[0], Some(Duty::Execute(task)) if task.job == 7));
        assert!(matches!(&duties[2], Some(Duty::Reveal { sealed, .. }) if *sealed == H256::repeat_byte(4)));
        assert_eq!([&duties[1], &duties[3], &duties[4]], [&None; 3]);
    }

    #[test]
    fn a_drawn_auditor_attests_while_the_audit_is_open() {
        let duties = demanded(2, true);
        assert!(matches!(&duties[1], Some(Duty::Audit(task)) if task.model == H256::repeat_byte(1)));
        assert_eq!([&duties[0], &duties[2], &duties[3], &duties[4]], [&None; 4]);
    }

    #[test]
    fn nobody_else_has_a_duty() {
        assert_eq!(demanded(2, false), [const { None }; 5]);
    }

    #[test]
    fn execution_and_reveal_name_the_same_answer() {
        let task = match due(&account(1), 7, &job(Stage::Assigned), false).unwrap().duty {
            Duty::Execute(task) => task,
            other => panic!("{other:?}"),
        };
        let Duty::Reveal { answer, .. } = due(&account(1), 7, &job(Stage::Revealing), false).unwrap().duty else {
            panic!()
        };
        assert_eq!(task.answer(), answer);
        for other in [
            Task { job: 8, ..task.clone() },
            Task {
                sampling_key: H256::zero(),
                ..task.clone()
            },
        ] {
            assert_ne!(other.answer(), answer);
        }
    }

    #[test]
    fn the_block_in_which_something_happens_is_too_late() {
        assert_eq!(due(&account(1), 7, &job(Stage::Assigned), false).unwrap().deadline, 49);
    }
}

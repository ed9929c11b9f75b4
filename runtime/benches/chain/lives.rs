// SPDX-License-Identifier: Apache-2.0
//! What requesters, executors and auditors send.
use crate::{
    chain::signed,
    market::{header, OUTPUT, SEAL},
    network::{self, account, hot, operator, requester, REQUESTERS},
    OPERATORS,
};
use ergon_primitives::{
    commitment::{attestation, sealed, Header},
    request::DecodeSettings,
    JobId, ModelId,
};
use ergon_runtime::{AccountId, Runtime, RuntimeCall, RuntimeEvent, System, UncheckedExtrinsic};
use frame_support::traits::Get;
use pallet_jobs::UncheckedInput;
use sp_core::sr25519::Pair;
use std::collections::{BTreeMap, VecDeque};

/// Most output tokens of a job.
pub const MAX_TOKENS: u32 = 4;

/// The prompt of the job with this number: another one each time, since nothing is credited for the same one.
pub fn prompt(number: u32) -> String {
    format!("Question {number:09}: which city is the capital of France, and since when has it been so?")
}

/// What somebody sends.
pub struct Step {
    signer: Pair,
    call: RuntimeCall,
}

impl Step {
    /// The transaction after those that the signer has sent.
    pub fn sign(&self) -> UncheckedExtrinsic {
        let nonce = System::account_nonce(account(&self.signer));
        signed(&self.signer, nonce, self.call.clone())
    }
}

/// What became of jobs in a block.
#[derive(Default)]
pub struct Counts {
    pub submitted: u32,
    pub assigned: u32,
    pub settled: u32,
    /// Jobs that the chain knows at its end.
    pub kept: u32,
}

/// The jobs under way, and what is owed.
pub struct Lives {
    model: ModelId,
    hot_keys: BTreeMap<AccountId, Pair>,
    headers: BTreeMap<JobId, Header>,
    owed: VecDeque<Step>,
    submitted: u32,
}

impl Lives {
    /// None is under way.
    pub fn new() -> Self {
        let key = |index| (account(&operator(index)), hot(index));
        Self {
            model: network::model(),
            hot_keys: (0..OPERATORS).map(key).collect(),
            headers: BTreeMap::new(),
            owed: VecDeque::new(),
            submitted: 0,
        }
    }

    /// What is owed now, and after it as many submissions as jobs can be assigned in a block.
    pub fn next_steps(&mut self) -> VecDeque<Step> {
        let mut steps = core::mem::take(&mut self.owed);
        let most: u32 = <Runtime as pallet_jobs::Config>::MaxAssignmentsPerBlock::get();
        for _ in 0..most {
            steps.push_back(self.submission());
        }
        steps
    }

    /// What found no room in the block is owed in the next one, but for submissions.
    pub fn put_back(&mut self, steps: impl IntoIterator<Item = Step>) {
        let submission = |step: &Step| matches!(step.call, RuntimeCall::Jobs(pallet_jobs::Call::submit { .. }));
        self.owed.extend(steps.into_iter().filter(|step| !submission(step)));
    }

    /// Hears of what happened in the last block.
    pub fn follow_events(&mut self) -> Counts {
        let mut counts = Counts {
            kept: pallet_jobs::Jobs::<Runtime>::iter_keys().count() as u32,
            ..Default::default()
        };
        let mut reveals = Vec::new();
        for record in System::read_events_no_consensus() {
            match record.event {
                RuntimeEvent::Jobs(pallet_jobs::Event::Submitted { .. }) => counts.submitted += 1,
                RuntimeEvent::Jobs(pallet_jobs::Event::Assigned { job, operator, .. }) => {
                    counts.assigned += 1;
                    let step = self.result(job, &operator);
                    self.owed.push_back(step);
                }
                RuntimeEvent::Jobs(pallet_jobs::Event::AuditorsDrawn { job, .. }) => self.attest(job),
                RuntimeEvent::Jobs(pallet_jobs::Event::RevealDue { job, operator, .. }) => {
                    reveals.push(self.reveal(job, &operator));
                }
                RuntimeEvent::Jobs(pallet_jobs::Event::Settled { .. }) => counts.settled += 1,
                RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
                    panic!("a transaction failed: {dispatch_error:?}")
                }
                _ => {}
            }
        }
        reveals.into_iter().rev().for_each(|step| self.owed.push_front(step));
        counts
    }

    fn submission(&mut self) -> Step {
        let number = self.submitted;
        self.submitted += 1;
        let call = pallet_jobs::Call::submit {
            model: self.model,
            input: UncheckedInput::Text(prompt(number).into_bytes().try_into().expect("it is short")),
            settings: DecodeSettings::greedy(MAX_TOKENS),
            seed: None,
        };
        Step {
            signer: requester(number % REQUESTERS),
            call: call.into(),
        }
    }

    fn by(&self, operator: &AccountId, call: impl Into<RuntimeCall>) -> Step {
        Step {
            signer: self.hot_keys[operator].clone(),
            call: call.into(),
        }
    }

    fn result(&mut self, job: JobId, operator: &AccountId) -> Step {
        let header = header(job);
        let call = pallet_jobs::Call::submit_result {
            job,
            output: OUTPUT.to_vec().try_into().expect("it is short"),
            prompt_tokens: header.prompt_tokens,
            output_tokens: header.output_tokens,
            outcome: header.outcome,
            sealed: sealed(&SEAL, &header.root()),
        };
        self.headers.insert(job, header);
        self.by(operator, call)
    }

    fn attest(&mut self, job: JobId) {
        let audit = pallet_audits::Audits::<Runtime>::get(job).expect("auditors were drawn");
        let root = self.headers[&job].root();
        for auditor in audit.auditors {
            let attestation = attestation(&auditor.operator, &root);
            let step = self.by(&auditor.operator, pallet_audits::Call::attest { job, attestation });
            self.owed.push_back(step);
        }
    }

    fn reveal(&mut self, job: JobId, operator: &AccountId) -> Step {
        let header = self.headers.remove(&job).expect("it was answered");
        let reveal = pallet_jobs::Call::reveal {
            job,
            seal: SEAL,
            header,
        };
        self.by(operator, reveal)
    }
}

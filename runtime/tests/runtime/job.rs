// SPDX-License-Identifier: Apache-2.0
//! One job through the composed runtime, by signed transactions only.
use crate::chain::{dev, key, run_block, run_blocks, signed};
use codec::Encode;
use ergon_primitives::{
    commitment::{answer_id, attestation, sealed, Header, Leaf, Outcome, StopReason},
    manifest::{Architecture, Dimensions, Manifest, ARITHMETIC_VERSION},
    request::DecodeSettings,
    JobId, ModelId, H256,
};
use ergon_runtime::{compute, timing, AccountId, RuntimeCall, System};
use ergon_runtime_api::{Finish, JobInfo, JobState, WorkerStatus};
use pallet_jobs::UncheckedInput;
use sp_core::Pair as _;

const OUTPUT: &[u8] = b"Paris";
const SEAL: H256 = H256::repeat_byte(0x5E);
/// Operators and the hot keys of their workers.
const OPERATORS: [(&str, &str); 2] = [("//Alice", "//Alice//worker"), ("//Bob", "//Bob//worker")];

fn account(path: &str) -> AccountId {
    key(path).public().into()
}

/// Signs `call` with the account's next nonce and runs it in a block of its own; it must succeed.
fn send(signer: &str, call: impl Into<RuntimeCall>) {
    let nonce = System::account_nonce(account(signer));
    run_block(vec![signed(&key(signer), nonce, call.into())]);
    let failed = System::read_events_no_consensus()
        .map(|record| record.event)
        .find(|event| {
            matches!(
                event,
                ergon_runtime::RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { .. })
            )
        });
    assert!(failed.is_none(), "{failed:?}");
}

fn manifest() -> Manifest {
    Manifest {
        name: b"tiny".to_vec().try_into().unwrap(),
        architecture: Architecture::Llama,
        dimensions: Dimensions {
            layers: 2,
            hidden: 2048,
            feed_forward: 4096,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            vocabulary: 256,
            context: 64,
        },
        arithmetic_version: ARITHMETIC_VERSION,
        weights_root: H256::repeat_byte(1),
        tokens_root: H256::repeat_byte(2),
        tokenizer: H256::repeat_byte(3),
        chat_template: H256::zero(),
        end_of_sequence: vec![0].try_into().unwrap(),
    }
}

/// A model that two operators serve.
fn open_market() -> ModelId {
    let register = pallet_models::Call::register {
        manifest: manifest(),
        prices: None,
    };
    send(
        "//Alice",
        pallet_sudo::Call::sudo {
            call: Box::new(register.into()),
        },
    );
    for (operator, hot) in OPERATORS {
        let models = vec![manifest().id()].try_into().unwrap();
        let endpoint = b"http://127.0.0.1:8080".to_vec().try_into().unwrap();
        send(
            operator,
            pallet_workers::Call::register {
                hot: account(hot),
                endpoint,
                models,
            },
        );
    }
    manifest().id()
}

fn submit(model: ModelId) -> JobId {
    let input = UncheckedInput::Text(b"What is the capital of France?".to_vec().try_into().unwrap());
    send(
        "//Charlie",
        pallet_jobs::Call::submit {
            model,
            input,
            settings: DecodeSettings::greedy(4),
            seed: Some(1),
        },
    );
    0
}

fn job(id: JobId) -> JobInfo {
    compute::job(id).unwrap()
}

/// Runs blocks until the job is in this state; it must be within a few.
fn wait_for(id: JobId, state: JobState) {
    for _ in 0..8 {
        if job(id).state == state {
            return;
        }
        run_block(vec![]);
    }
    panic!("job {id} is {:?} and does not become {state:?}", job(id).state);
}

/// The hot key of an operator.
fn hot(operator: &AccountId) -> &'static str {
    OPERATORS.iter().find(|(path, _)| account(path) == *operator).unwrap().1
}

/// What an honest operator computes: 7 prompt tokens, 2 output tokens.
fn header(id: JobId) -> Header {
    let stored = pallet_jobs::Jobs::<ergon_runtime::Runtime>::get(id).unwrap();
    let answer = answer_id(id, &stored.request, &stored.sampling_key.unwrap());
    let leaves = [5, 0].map(|token| Leaf {
        position: u32::from(token == 0),
        token,
        hidden: H256::repeat_byte(7),
    });
    Header::new(
        answer,
        7,
        Outcome::Completed(StopReason::EndOfSequence),
        OUTPUT,
        &leaves,
    )
}

#[test]
fn a_job_is_answered_audited_settled_and_becomes_vote_weight() {
    dev().execute_with(|| {
        let model = open_market();
        let id = submit(model);
        wait_for(id, JobState::Assigned);
        let executor = job(id).executor.unwrap();
        let header = header(id);
        let result = pallet_jobs::Call::submit_result {
            job: id,
            output: OUTPUT.to_vec().try_into().unwrap(),
            prompt_tokens: header.prompt_tokens,
            output_tokens: header.output_tokens,
            outcome: header.outcome,
            sealed: sealed(&SEAL, &header.root()),
        };
        send(hot(&executor), result);

        wait_for(id, JobState::Auditing);
        let auditor = job(id).auditors[0].operator.clone();
        assert_ne!(auditor, executor);
        let attestation = attestation(&auditor, &header.root());
        send(hot(&auditor), pallet_audits::Call::attest { job: id, attestation });
        send(
            hot(&executor),
            pallet_jobs::Call::reveal {
                job: id,
                seal: SEAL,
                header: header.clone(),
            },
        );

        let settled = job(id);
        let answer = settled.answer.clone().unwrap();
        assert_eq!(
            (settled.state, answer.output.as_slice(), answer.finish),
            (JobState::Settled, OUTPUT, Finish::EndOfSequence)
        );
        assert_eq!(answer.root, Some(header.root()));
        assert_eq!(settled.units, manifest().default_prices().units(7, 2));
        assert!(settled.units > 0);

        assert_eq!(
            compute::vote_weight(&executor).weight,
            0,
            "units count when their epoch is over"
        );
        run_blocks(timing::EPOCH_SLOTS as u32);
        let weight = compute::vote_weight(&executor);
        assert!(weight.weight > 0 && weight.total >= weight.weight, "{weight:?}");
    });
}

#[test]
fn the_reads_of_the_runtime_api_show_the_market() {
    dev().execute_with(|| {
        let model = open_market();
        let known = compute::models().into_iter().find(|info| info.id == model).unwrap();
        assert_eq!((known.name.as_str(), known.active, known.serving), ("tiny", true, 2));

        let (operator, hot) = OPERATORS[1];
        let worker = compute::worker(account(operator)).unwrap();
        assert_eq!(
            (worker.status, worker.endpoint.as_str()),
            (WorkerStatus::Active, "http://127.0.0.1:8080")
        );
        assert_eq!(worker.hot_keys, [account(hot)]);
        assert_eq!(
            compute::worker(account(hot)).map(|worker| worker.encode()),
            Some(worker.encode())
        );

        assert_eq!(compute::worker(account("//Charlie")), None);
        assert_eq!(compute::job(0), None);
        assert_eq!(compute::vote_weight(&account("//Charlie")).weight, 0);
    });
}

// SPDX-License-Identifier: Apache-2.0
//! A model, two operators that serve it, and jobs for them, by signed transactions only.
use crate::chain::{is_epoch_over, key, run_block, signed};
use ergon_primitives::{
    commitment::{answer_id, attestation, sealed, Header, Leaf, Outcome, StopReason},
    manifest::{Architecture, Dimensions, Manifest, ARITHMETIC_VERSION},
    request::DecodeSettings,
    traits::Parameters as _,
    JobId, ModelId, H256,
};
use ergon_runtime::{compute, parameters::InForce, AccountId, RuntimeCall, RuntimeOrigin, System};
use ergon_runtime_api::{JobInfo, JobState};
use pallet_jobs::{JobParameters, UncheckedInput};
use sp_core::Pair as _;
use sp_runtime::traits::Dispatchable;

pub const OUTPUT: &[u8] = b"Paris";
pub const SEAL: H256 = H256::repeat_byte(0x5E);
/// Operators and the hot keys of their workers.
pub const OPERATORS: [(&str, &str); 2] = [("//Alice", "//Alice//worker"), ("//Bob", "//Bob//worker")];

/// Somebody whom nobody knows, with the hot key of his worker.
pub const STRANGER: (&str, &str) = ("//Stranger", "//Stranger//worker");

pub fn account(path: &str) -> AccountId {
    key(path).public().into()
}

/// Signs `call` with the account's next nonce and runs it in a block of its own; it must succeed.
pub fn send(signer: &str, call: impl Into<RuntimeCall>) {
    // A block that begins an epoch takes no transactions.
    if is_epoch_over() {
        run_block(vec![]);
    }
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

/// Runs a block and dispatches `call` after it as an adopted proposal for root would be; it must succeed.
pub fn by_root(call: impl Into<RuntimeCall>) {
    run_block(vec![]);
    let outcome = call.into().dispatch(RuntimeOrigin::root());
    assert!(outcome.is_ok(), "{outcome:?}");
}

pub fn manifest() -> Manifest {
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

/// A model that two operators serve, which are enough for work to be credited.
pub fn open_market() -> ModelId {
    InForce::set(JobParameters {
        min_serving: OPERATORS.len() as u32,
        ..InForce::get()
    });
    by_root(pallet_models::Call::register {
        manifest: manifest(),
        prices: None,
        tokens_per_block: None,
    });
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

/// Submits a job. Without a seed, its sampling key comes from the beacon.
pub fn submit(model: ModelId, seed: Option<u64>) -> JobId {
    submit_prompt(model, "What is the capital of France?", seed)
}

/// Submits a job with another prompt.
pub fn submit_prompt(model: ModelId, prompt: &str, seed: Option<u64>) -> JobId {
    let id = pallet_jobs::NextJob::<ergon_runtime::Runtime>::get();
    let input = UncheckedInput::Text(prompt.as_bytes().to_vec().try_into().unwrap());
    send(
        "//Charlie",
        pallet_jobs::Call::submit {
            model,
            input,
            settings: DecodeSettings::greedy(4),
            seed,
        },
    );
    id
}

pub fn job(id: JobId) -> JobInfo {
    compute::job(id).unwrap()
}

/// Runs blocks until the job is in this state; it must be within a few.
pub fn wait_for(id: JobId, state: JobState) {
    for _ in 0..40 {
        if job(id).state == state {
            return;
        }
        run_block(vec![]);
    }
    panic!("job {id} is {:?} and does not become {state:?}", job(id).state);
}

/// The hot key of an operator.
pub fn hot(operator: &AccountId) -> &'static str {
    let all = OPERATORS.iter().chain([&STRANGER]);
    all.into_iter().find(|(path, _)| account(path) == *operator).unwrap().1
}

/// What an honest operator computes: 7 prompt tokens, 2 output tokens.
pub fn header(id: JobId) -> Header {
    let stored = pallet_jobs::Jobs::<ergon_runtime::Runtime>::get(id).unwrap();
    let answer = answer_id(id, &stored.request_hash, &stored.sampling_key.unwrap());
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

/// Lets the executor of an assigned job answer as [`header`] says.
pub fn answer(id: JobId) -> Header {
    let header = header(id);
    let result = pallet_jobs::Call::submit_result {
        job: id,
        output: OUTPUT.to_vec().try_into().unwrap(),
        prompt_tokens: header.prompt_tokens,
        output_tokens: header.output_tokens,
        outcome: header.outcome,
        sealed: sealed(&SEAL, &header.root()),
    };
    send(hot(&job(id).executor.unwrap()), result);
    header
}

/// Lets the drawn auditors attest what [`answer`] answered, and its executor reveal it.
pub fn audit_and_reveal(id: JobId, header: Header) {
    let drawn = job(id);
    for auditor in drawn.auditors {
        let attestation = attestation(&auditor.operator, &header.root());
        send(
            hot(&auditor.operator),
            pallet_audits::Call::attest { job: id, attestation },
        );
    }
    let reveal = pallet_jobs::Call::reveal {
        job: id,
        seal: SEAL,
        header,
    };
    send(hot(&drawn.executor.unwrap()), reveal);
}

/// Lets an operator drain, if it doesn't already, until it may leave.
pub fn drain(path: &str) {
    let entry = || pallet_workers::Operators::<ergon_runtime::Runtime>::get(account(path)).unwrap();
    if entry().status == pallet_workers::Status::Active {
        send(path, pallet_workers::Call::drain {});
    }
    while entry().off_lists > System::block_number() {
        run_block(vec![]);
    }
}

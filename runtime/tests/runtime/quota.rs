// SPDX-License-Identifier: Apache-2.0
//! Quota in the composed runtime, and registering by a ticket.
use crate::{
    chain::{dev, key, run_block, run_blocks, signed, validate},
    market::{
        account, answer, drain, header, job, manifest, open_market, send, submit, wait_for, OPERATORS, OUTPUT, SEAL,
        STRANGER,
    },
};
use codec::Encode;
use ergon_primitives::{
    commitment::sealed,
    ticket::{challenge, code, join_message, Ticket},
    traits::Workers as _,
    JobId, ModelId,
};
use ergon_runtime::{
    extensions, genesis::development, quota, AccountId, BlockNumber, Quota, Runtime, RuntimeCall, System,
    UncheckedExtrinsic, Workers,
};
use ergon_runtime_api::{JobState, PromptLength, QuotaClass, Subject};
use frame_support::dispatch::DispatchClass;
use pallet_quota::{
    extension::{EXHAUSTED, NEVER_AFFORDABLE},
    GenesisLines, Meter, NewcomersInBlock, Usage, Usages,
};
use sp_core::Pair as _;
use sp_runtime::{
    generic::Era,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    MultiSignature,
};

pub fn remark(length: usize) -> RuntimeCall {
    frame_system::Call::remark {
        remark: vec![7; length],
    }
    .into()
}

pub fn refused(transaction: UncheckedExtrinsic) -> InvalidTransaction {
    match validate(transaction) {
        Err(TransactionValidityError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Whether the pool would sort a call of the account before all ordinary ones.
pub fn comes_first(path: &str, call: &RuntimeCall) -> bool {
    let transaction = signed(&key(path), System::account_nonce(account(path)), call.clone());
    validate(transaction).unwrap().priority >= 1 << 56
}

/// Nothing is left of the account's quota.
pub fn exhaust(account: &AccountId) {
    Usages::<Runtime>::insert(account, Meter::Ordinary, spent());
}

/// Of a bucket that is empty in the next block.
fn spent() -> Usage<BlockNumber> {
    Usage {
        debt: u128::MAX,
        at: System::block_number() + 1,
        capacity: u64::MAX,
        held: 0,
    }
}

/// A call of `//Stranger`, who makes a ticket and whom nobody knows, with `//Stranger//worker` as hot key.
pub fn join(model: ModelId) -> pallet_workers::Call<Runtime> {
    let (operator, hot) = (account(STRANGER.0), account(STRANGER.1));
    let terms = Quota::ticket_terms().unwrap();
    let challenge = challenge(&terms.genesis, &operator.encode(), terms.block, &terms.block_hash);
    let ticket = Ticket {
        block: terms.block,
        nonce: ergon_primitives::ticket::solve(&challenge, terms.target, u64::MAX).unwrap(),
    };
    let message = join_message(&terms.genesis, &operator, &hot, b"", &[model], &ticket);
    pallet_workers::Call::join {
        signature: MultiSignature::Sr25519(key("//Stranger").sign(message.as_bytes())),
        operator,
        hot,
        endpoint: Default::default(),
        models: vec![model].try_into().unwrap(),
        ticket,
    }
}

pub fn unsigned(call: impl Into<RuntimeCall>) -> UncheckedExtrinsic {
    UncheckedExtrinsic::new_transaction(call.into(), extensions(0, Era::Immortal))
}

#[test]
fn a_stranger_registers_by_a_ticket_and_sends_what_a_newcomer_may() {
    dev().execute_with(|| {
        let model = open_market();
        let call = join(model);
        assert!(validate(unsigned(call.clone())).unwrap().propagate);
        run_block(vec![unsigned(call)]);
        assert_eq!(
            Workers::operator_of(&account("//Stranger//worker")),
            Some(account("//Stranger"))
        );
        let quota = quota::quota(&account("//Stranger"));
        assert_eq!((quota.class, quota.points), (QuotaClass::Newcomer, quota.capacity));
        send("//Stranger", remark(5));
        send("//Stranger", pallet_workers::Call::drain {});
        assert!(quota::quota(&account("//Stranger")).points < quota.capacity);
        // Its worker has a small bucket of its own.
        let worker = quota::quota(&account("//Stranger//worker"));
        assert_eq!((worker.bucket, worker.points), (account("//Stranger"), worker.capacity));
        assert_eq!(worker.units_capacity, 0);
    });
}

#[test]
fn joins_take_at_least_their_weight_of_the_newcomers_share_of_a_block() {
    dev().execute_with(|| {
        let model = open_market();
        run_block(vec![]);
        let normal = || {
            frame_system::BlockWeight::<Runtime>::get()
                .get(DispatchClass::Normal)
                .ref_time()
        };
        let before = normal();
        run_block(vec![unsigned(join(model))]);
        let (taken, used) = (
            NewcomersInBlock::<Runtime>::get(),
            normal().saturating_sub(before) / 1_000_000,
        );
        assert_eq!(taken.block, System::block_number());
        assert!(
            used > 3_000 && used <= taken.points && taken.points < 2 * used,
            "{used} of {}",
            taken.points
        );
    });
}

#[test]
fn nonce_replay_after_leaving_is_refused_to_operators_and_their_hot_keys() {
    dev().execute_with(|| {
        let model = open_market();
        let (operator, hot) = STRANGER;
        run_block(vec![unsigned(join(model))]);
        let first = [operator, hot].map(|path| signed(&key(path), 0, remark(5)));
        run_block(first.to_vec());
        drain(operator);
        send(operator, pallet_workers::Call::remove_hot_key { hot: account(hot) });
        send(operator, pallet_workers::Call::remove {});
        for (path, transaction) in [operator, hot].into_iter().zip(first) {
            assert!(!pallet_workers::Operators::<Runtime>::contains_key(account(path)));
            assert_eq!(Workers::operator_of(&account(path)), None);
            assert_eq!(refused(transaction), InvalidTransaction::Stale);
        }
        assert_eq!(
            quota::quota(&account(operator)).class,
            QuotaClass::Newcomer,
            "it is let in for good"
        );
        assert_eq!(
            quota::quota(&account(hot)).class,
            QuotaClass::Unknown,
            "and its key never was"
        );
    });
}

#[test]
fn a_replayed_or_stale_ticket_is_refused() {
    dev().execute_with(|| {
        let model = open_market();
        let (first, second) = (join(model), join(model));
        run_block(vec![unsigned(first.clone())]);
        for call in [first, second] {
            let refused = refused(unsigned(call));
            assert_eq!(refused, InvalidTransaction::Custom(code::ALREADY_SPONSORED));
        }
    });
    dev().execute_with(|| {
        let call = join(open_market());
        run_blocks(ergon_runtime::timing::REFILL_BLOCKS / 2 + 1);
        let refused = refused(unsigned(call));
        assert_eq!(refused, InvalidTransaction::Custom(code::TICKET_EXPIRED));
    });
}

#[test]
fn a_ticket_is_no_use_to_whoever_sees_it() {
    dev().execute_with(|| {
        let mut call = join(open_market());
        if let pallet_workers::Call::join { hot, .. } = &mut call {
            *hot = account("//Thief");
        }
        assert_eq!(refused(unsigned(call.clone())), InvalidTransaction::BadProof);
        // Nor does a signed transaction make it one.
        run_block(vec![signed(
            &key("//Alice"),
            System::account_nonce(account("//Alice")),
            call.into(),
        )]);
        assert_eq!(Workers::operator_of(&account("//Thief")), None);
    });
}

/// A job that waits for its answer, and the paths of its operator's two keys.
fn assigned() -> (JobId, &'static str, &'static str) {
    let id = submit(open_market(), Some(1));
    wait_for(id, JobState::Assigned);
    let executor = job(id).executor.unwrap();
    let (operator, hot) = OPERATORS
        .into_iter()
        .find(|(path, _)| account(path) == executor)
        .unwrap();
    (id, operator, hot)
}

#[test]
fn who_has_used_up_his_quota_waits_and_still_does_his_duty() {
    dev().execute_with(|| {
        let (id, operator, hot) = assigned();
        exhaust(&account(operator));
        let of_operator = || {
            let nonce = System::account_nonce(account(operator));
            signed(&key(operator), nonce, remark(5))
        };
        assert_eq!(refused(of_operator()), InvalidTransaction::Custom(EXHAUSTED));
        // Its worker has used up what it has, too.
        Usages::<Runtime>::insert(account(operator), Meter::Hot, spent());
        // The same call about a job that it was not drawn for is no duty.
        let of_job = |id| pallet_jobs::Call::submit_result {
            job: id,
            output: OUTPUT.to_vec().try_into().unwrap(),
            prompt_tokens: 7,
            output_tokens: 2,
            outcome: header(0).outcome,
            sealed: sealed(&SEAL, &header(0).root()),
        };
        let by_hot =
            |call: pallet_jobs::Call<Runtime>| signed(&key(hot), System::account_nonce(account(hot)), call.into());
        assert_eq!(refused(by_hot(of_job(id + 1))), InvalidTransaction::Custom(EXHAUSTED));
        assert!(validate(by_hot(of_job(id))).unwrap().priority >= 1 << 56);
        answer(id);
        assert_eq!(job(id).state, JobState::Answered);
        // Its quota comes back by itself.
        run_blocks(2);
        assert!(validate(of_operator()).is_ok());
    });
}

#[test]
fn a_duty_comes_first_only_by_a_hot_key_and_in_its_time() {
    dev().execute_with(|| {
        let (id, operator, hot) = assigned();
        let result: RuntimeCall = pallet_jobs::Call::<Runtime>::submit_result {
            job: id,
            output: OUTPUT.to_vec().try_into().unwrap(),
            prompt_tokens: 7,
            output_tokens: 2,
            outcome: header(0).outcome,
            sealed: sealed(&SEAL, &header(0).root()),
        }
        .into();
        let reveal: RuntimeCall = pallet_jobs::Call::<Runtime>::reveal {
            job: id,
            seal: SEAL,
            header: header(0),
        }
        .into();
        assert!(comes_first(hot, &result));
        assert!(!comes_first(operator, &result), "who is no worker can't answer");
        let attest: RuntimeCall = pallet_audits::Call::<Runtime>::attest {
            job: id,
            attestation: Default::default(),
        }
        .into();
        assert!(!comes_first(hot, &attest), "it is no auditor");
        assert!(!comes_first(hot, &reveal));
        answer(id);
        assert!(!comes_first(hot, &result), "it is answered");
        assert!(!comes_first(hot, &reveal), "nobody has attested");
    });
}

#[test]
fn an_executor_can_not_fill_blocks_with_answers_that_fail() {
    dev().execute_with(|| {
        let (id, _, hot) = assigned();
        let call = |prompt_tokens| -> RuntimeCall {
            pallet_jobs::Call::<Runtime>::submit_result {
                job: id,
                output: OUTPUT.to_vec().try_into().unwrap(),
                prompt_tokens,
                output_tokens: 2,
                outcome: header(0).outcome,
                sealed: sealed(&SEAL, &header(0).root()),
            }
            .into()
        };
        let before = quota::quota(&account(hot));
        assert!(comes_first(hot, &call(7)) && !comes_first(hot, &call(0)));
        run_block(vec![signed(&key(hot), System::account_nonce(account(hot)), call(0))]);
        let after = quota::quota(&account(hot));
        assert_eq!(after.duty_points, before.duty_points);
        assert!(after.points < before.points, "its small bucket pays");
        assert!(comes_first(hot, &call(7)), "what it owes still goes first");
    });
}

#[test]
fn a_call_larger_than_the_whole_quota_is_never_affordable() {
    dev().execute_with(|| {
        GenesisLines::<Runtime>::remove(account("//Eve"));
        run_block(vec![]);
        let transaction = signed(&key("//Eve"), 0, remark(70_000));
        assert_eq!(refused(transaction), InvalidTransaction::Custom(NEVER_AFFORDABLE));
        assert!(validate(signed(&key("//Dave"), 0, remark(70_000))).is_ok());
    });
}

#[test]
fn a_job_reserves_units_that_come_back_when_it_is_over() {
    dev().execute_with(|| {
        let model = open_market();
        let full = quota::quota(&account("//Charlie"));
        assert_eq!((full.class, full.capacity), (QuotaClass::Genesis, genesis_line()));
        let id = submit(model, Some(1));
        let reserved = pallet_jobs::Jobs::<Runtime>::get(id).unwrap().reserved;
        // 30 bytes may be as many tokens.
        assert_eq!(reserved, manifest().default_prices().units(30, 4));
        let missing = || {
            let quota = quota::quota(&account("//Charlie"));
            quota.units_capacity - quota.units
        };
        assert_eq!(missing(), reserved);
        send("//Charlie", pallet_jobs::Call::cancel { job: id });
        assert_eq!(missing(), 0);
    });
}

/// What is left of the preset's line by now.
fn genesis_line() -> u64 {
    let half_life = u64::from(ergon_runtime::timing::GENESIS_LINE_HALF_LIFE);
    let lost = development::QUOTA_POINTS * u64::from(System::block_number()) / half_life / 2;
    development::QUOTA_POINTS - lost
}

#[test]
fn estimates_are_what_is_charged() {
    dev().execute_with(|| {
        let model = open_market();
        let of_job = |prompt, max_tokens| {
            quota::estimate(Subject::Job {
                model,
                prompt,
                max_tokens,
            })
        };
        let estimate = of_job(PromptLength::Bytes(30), 4).unwrap();
        let id = submit(model, Some(1));
        let stored = pallet_jobs::Jobs::<Runtime>::get(id).unwrap();
        assert_eq!(estimate.units, stored.reserved);
        let left = quota::quota(&account("//Charlie"));
        let charged = left.capacity - left.points;
        // Nonce and era may take a few bytes less.
        assert!(
            charged > 1_000 && (charged..charged + 10).contains(&estimate.points),
            "{charged} of {estimate:?}"
        );

        let transaction = signed(&key("//Dave"), 0, remark(300));
        let estimate = quota::estimate(Subject::Extrinsic(transaction.encode())).unwrap();
        let yet_unsigned = [unsigned(remark(300)), UncheckedExtrinsic::new_bare(remark(300))]
            .map(|transaction| quota::estimate(Subject::Extrinsic(transaction.encode())).unwrap());
        run_block(vec![transaction]);
        let left = quota::quota(&account("//Dave"));
        assert_eq!((estimate.points, estimate.units), (left.capacity - left.points, 0));
        for other in yet_unsigned {
            assert!(
                (estimate.points..estimate.points + 10).contains(&other.points),
                "{other:?}"
            );
        }
        let free = quota::estimate(Subject::Extrinsic(unsigned(join(model)).encode())).unwrap();
        assert_eq!((free.points, free.units), (0, 0));
    });
}

#[test]
fn there_is_no_estimate_of_what_would_be_refused() {
    dev().execute_with(|| {
        let model = open_market();
        let of_job = |model, prompt, max_tokens| {
            quota::estimate(Subject::Job {
                model,
                prompt,
                max_tokens,
            })
        };
        assert!(of_job(model, PromptLength::Tokens(4_096), 2_048).is_some());
        assert_eq!(of_job(Default::default(), PromptLength::Bytes(1), 1), None);
        for prompt in [
            PromptLength::Bytes(0),
            PromptLength::Bytes(16_385),
            PromptLength::Bytes(u32::MAX),
            PromptLength::Tokens(4_097),
            PromptLength::Tokens(u32::MAX),
        ] {
            assert_eq!(of_job(model, prompt, 1), None, "{prompt:?}");
        }
        assert_eq!(of_job(model, PromptLength::Bytes(1), 0), None);
        assert_eq!(quota::estimate(Subject::Extrinsic(vec![])), None);
        assert_eq!(quota::estimate(Subject::Extrinsic(vec![0xff; 100])), None);
    });
}

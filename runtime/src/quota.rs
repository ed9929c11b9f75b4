// SPDX-License-Identifier: Apache-2.0
//! What an account may still do, and what a transaction or a job costs.
use crate::{configs::LifeWeight, extensions, AccountId, Models, Quota, RuntimeCall, UncheckedExtrinsic};
use alloc::vec;
use codec::{DecodeLimit, Encode};
use ergon_primitives::{
    request::{DecodeSettings, Input, MAX_PROMPT_BYTES},
    traits::Models as _,
    ModelId, Units,
};
use ergon_runtime_api::{EstimateInfo, PromptLength, QuotaClass, QuotaInfo, Subject};
use frame_support::{
    dispatch::GetDispatchInfo,
    traits::{Authorize, Get},
    MAX_EXTRINSIC_DEPTH,
};
use pallet_jobs::UncheckedInput;
use pallet_quota::{Class, Points};
use sp_core::sr25519;
use sp_runtime::{
    generic::{Era, Preamble},
    transaction_validity::TransactionSource,
    MultiAddress, MultiSignature,
};

/// What `account` may still do.
pub fn quota(account: &AccountId) -> QuotaInfo {
    let info = Quota::quota_of(account);
    QuotaInfo {
        class: match info.class {
            Class::Unknown => QuotaClass::Unknown,
            Class::Newcomer => QuotaClass::Newcomer,
            Class::Genesis => QuotaClass::Genesis,
            Class::Sponsored => QuotaClass::Sponsored,
            Class::Operator => QuotaClass::Operator,
        },
        bucket: info.bucket,
        capacity: info.capacity,
        points: info.points,
        blocks_until_full: info.blocks_until_full,
        units_capacity: info.units_capacity,
        units: info.units,
        duty_points: info.duty_points,
        vote_points: info.vote_points,
        sponsor: info.sponsor,
        given: info.given,
    }
}

/// What it costs; `None` for a job that would be refused, and for bytes that are no transaction.
pub fn estimate(subject: Subject) -> Option<EstimateInfo> {
    let transaction = match subject {
        Subject::Job {
            model,
            prompt,
            max_tokens,
        } => submission(model, prompt, max_tokens)?,
        Subject::Extrinsic(bytes) => {
            let transaction =
                UncheckedExtrinsic::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &bytes[..]).ok()?;
            match transaction.preamble {
                Preamble::Signed(..) => transaction,
                _ if authorizes_itself(&transaction.function) => transaction,
                // Nobody can send it like this: it is yet to be signed.
                _ => as_if_signed(transaction.function),
            }
        }
    };
    let (life, units) = match &transaction.function {
        RuntimeCall::Jobs(pallet_jobs::Call::submit {
            model, input, settings, ..
        }) => (
            Quota::points_in(LifeWeight::get()),
            units(model, input.clone(), settings)?,
        ),
        _ => (0, 0),
    };
    Some(EstimateInfo {
        points: points(&transaction).saturating_add(life),
        units,
    })
}

/// A transaction like one that submits this job.
fn submission(model: ModelId, prompt: PromptLength, max_tokens: u32) -> Option<UncheckedExtrinsic> {
    let input = match prompt {
        PromptLength::Bytes(length) => UncheckedInput::Text(vec![0; in_call(length)?].try_into().ok()?),
        PromptLength::Tokens(length) => UncheckedInput::Tokens(vec![0; in_call(length)?].try_into().ok()?),
    };
    let call = pallet_jobs::Call::submit {
        model,
        input,
        settings: DecodeSettings::greedy(max_tokens),
        seed: Some(0),
    };
    Some(as_if_signed(call.into()))
}

/// A transaction with this call by nobody. Its length is that of the longest: with a nonce and an era that take the most bytes.
fn as_if_signed(call: RuntimeCall) -> UncheckedExtrinsic {
    let nobody = AccountId::new([0; 32]);
    let signature = MultiSignature::Sr25519(sr25519::Signature::default());
    let extensions = extensions(u32::MAX, Era::mortal(64, 0));
    UncheckedExtrinsic::new_signed(call, MultiAddress::Id(nobody), signature, extensions)
}

/// Whether the call needs no signer, be it valid or not.
fn authorizes_itself(call: &RuntimeCall) -> bool {
    call.authorize(TransactionSource::External).is_some()
}

/// The length of a prompt, unless it is longer than any: nobody makes the runtime allocate more.
fn in_call(length: u32) -> Option<usize> {
    (length <= MAX_PROMPT_BYTES).then_some(length as usize)
}

/// What [`ChargeQuota`](pallet_quota::ChargeQuota) charges for it at first; nothing without a signer.
fn points(transaction: &UncheckedExtrinsic) -> Points {
    match transaction.preamble {
        Preamble::Signed(..) => cost(transaction),
        Preamble::Bare(_) | Preamble::General(..) => 0,
    }
}

/// What the transaction takes of a block, no matter which account pays.
pub fn cost(transaction: &UncheckedExtrinsic) -> Points {
    Quota::cost(&transaction.get_dispatch_info(), transaction.encoded_size() as u32)
}

/// What is reserved for a job.
fn units(model: &ModelId, input: UncheckedInput, settings: &DecodeSettings) -> Option<Units> {
    let terms = Models::active(model)?;
    let input = Input::try_from(input).ok().filter(|input| !input.is_empty())?;
    settings.check().ok()?;
    Some(terms.bound(input.max_tokens(), settings.max_tokens))
}

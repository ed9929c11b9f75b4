// SPDX-License-Identifier: Apache-2.0
//! The runtime's interface, generated from its metadata: what is read from its storage, how its calls are encoded.
//!
//! Types that chain and worker share are those of `ergon_primitives`, encoded by themselves; subxt checks their shape by the hashes
//! of the calls and storage entries that they occur in.
use crate::{
    client::AtBlock,
    joining::Join,
    reader::{Job, Stage},
    registration::{Entry, OperatorCall},
    AccountId, BlockNumber, Call, Keypair, Status,
};
use codec::Decode;
use ergon_primitives::{request::Input, ticket::TicketTerms, JobId, ModelId};
use std::{collections::BTreeSet, sync::LazyLock};
use subxt::{
    client::OnlineClientAtBlockImpl,
    config::DefaultExtrinsicParamsBuilder,
    error::ExtrinsicError,
    tx::{Payload, SubmittableTransaction},
    ArcMetadata, Metadata, SubstrateConfig,
};

#[subxt::subxt(
    runtime_metadata_path = "metadata.scale",
    substitute_type(
        path = "ergon_primitives::request::Input",
        with = "::subxt::utils::Static<::ergon_primitives::request::Input>"
    ),
    substitute_type(
        path = "ergon_primitives::request::DecodeSettings",
        with = "::subxt::utils::Static<::ergon_primitives::request::DecodeSettings>"
    ),
    substitute_type(
        path = "ergon_primitives::commitment::Header",
        with = "::subxt::utils::Static<::ergon_primitives::commitment::Header>"
    ),
    substitute_type(
        path = "ergon_primitives::commitment::Outcome",
        with = "::subxt::utils::Static<::ergon_primitives::commitment::Outcome>"
    ),
    substitute_type(
        path = "ergon_primitives::ticket::Ticket",
        with = "::subxt::utils::Static<::ergon_primitives::ticket::Ticket>"
    )
)]
mod runtime {}

use runtime::runtime_types::{
    bounded_collections::bounded_vec::BoundedVec, frame_support::view_functions::ViewFunctionId,
    pallet_jobs::types::State, pallet_models::types::Status as ModelStatus,
    pallet_workers::types::Status as OperatorStatus, sp_runtime::MultiSignature,
};

/// Calls that are sent.
const CALLS: [(&str, &str); 8] = [
    ("Jobs", "submit_result"),
    ("Jobs", "reveal"),
    ("Audits", "attest"),
    ("Workers", "register"),
    ("Workers", "add_hot_key"),
    ("Workers", "update"),
    ("Workers", "resume"),
    ("Workers", "join"),
];

/// Storage entries that are read.
const ENTRIES: [(&str, &str); 11] = [
    ("Jobs", "Jobs"),
    ("Jobs", "NextJob"),
    ("Jobs", "Inputs"),
    ("Jobs", "Outputs"),
    ("Jobs", "Executing"),
    ("Audits", "Pending"),
    ("Workers", "HotKeys"),
    ("Workers", "Operators"),
    ("Workers", "Sponsored"),
    ("Models", "Models"),
    ("System", "Account"),
];

/// View functions that are called.
const VIEWS: [(&str, &str); 1] = [("Quota", "ticket")];

/// The metadata that the code above is generated from.
static METADATA: LazyLock<ArcMetadata> = LazyLock::new(|| {
    let metadata = Metadata::decode_from(include_bytes!("../metadata.scale"));
    metadata
        .expect("the code above could not have been generated otherwise")
        .into()
});

/// The first of the calls, storage entries and view functions in use that a live runtime doesn't have, or has in another shape.
pub(crate) fn difference(live: &Metadata) -> Option<String> {
    let call = |metadata: &Metadata, pallet: &str, name: &str| metadata.pallet_by_name(pallet)?.call_hash(name);
    let entry = |metadata: &Metadata, pallet: &str, name: &str| metadata.pallet_by_name(pallet)?.storage_hash(name);
    let view = |metadata: &Metadata, pallet: &str, name: &str| {
        let view = metadata.pallet_by_name(pallet)?.view_function_by_name(name)?;
        Some(view.hash())
    };
    let name = |(pallet, name): &(&str, &str)| format!("{pallet}.{name}");
    let calls = CALLS
        .iter()
        .find(|(pallet, name)| call(live, pallet, name) != call(&METADATA, pallet, name));
    let entries = || {
        ENTRIES
            .iter()
            .find(|(pallet, name)| entry(live, pallet, name) != entry(&METADATA, pallet, name))
    };
    let views = || {
        VIEWS
            .iter()
            .find(|(pallet, name)| view(live, pallet, name) != view(&METADATA, pallet, name))
    };
    calls.or_else(entries).or_else(views).map(name)
}

/// A transaction that is ready to be submitted.
pub(crate) type Signed = SubmittableTransaction<SubstrateConfig, OnlineClientAtBlockImpl<SubstrateConfig>>;

/// What can be signed and submitted.
pub(crate) trait Extrinsic {
    /// The transaction with this nonce, which can be included for `lifetime` blocks from `at` on.
    fn sign(&self, at: &AtBlock, key: &Keypair, nonce: u64, lifetime: u64) -> Result<Signed, ExtrinsicError>;
}

impl Extrinsic for Call {
    fn sign(&self, at: &AtBlock, key: &Keypair, nonce: u64, lifetime: u64) -> Result<Signed, ExtrinsicError> {
        let jobs = runtime::tx().jobs();
        match self.clone() {
            Self::SubmitResult {
                job,
                output,
                header,
                sealed,
            } => {
                let (prompt, tokens, outcome) = (header.prompt_tokens, header.output_tokens, header.outcome.into());
                let call = jobs.submit_result(job, BoundedVec(output), prompt, tokens, outcome, sealed);
                sign(at, &call, key, nonce, lifetime)
            }
            Self::Reveal { job, seal, header } => {
                sign(at, &jobs.reveal(job, seal, header.into()), key, nonce, lifetime)
            }
            Self::Attest { job, attestation } => sign(
                at,
                &runtime::tx().audits().attest(job, attestation),
                key,
                nonce,
                lifetime,
            ),
            Self::Resume => sign(at, &runtime::tx().workers().resume(), key, nonce, lifetime),
        }
    }
}

impl Extrinsic for OperatorCall {
    fn sign(&self, at: &AtBlock, key: &Keypair, nonce: u64, lifetime: u64) -> Result<Signed, ExtrinsicError> {
        let workers = runtime::tx().workers();
        match self.clone() {
            Self::Register { hot, endpoint, models } => {
                let call = workers.register(hot, BoundedVec(endpoint), BoundedVec(models));
                sign(at, &call, key, nonce, lifetime)
            }
            Self::AddHotKey { hot } => sign(at, &workers.add_hot_key(hot), key, nonce, lifetime),
            Self::Update { endpoint, models } => sign(
                at,
                &workers.update(BoundedVec(endpoint), BoundedVec(models)),
                key,
                nonce,
                lifetime,
            ),
            Self::Resume => sign(at, &workers.resume(), key, nonce, lifetime),
        }
    }
}

fn sign(at: &AtBlock, call: &impl Payload, key: &Keypair, nonce: u64, lifetime: u64) -> Result<Signed, ExtrinsicError> {
    let params = DefaultExtrinsicParamsBuilder::new()
        .nonce(nonce)
        .mortal_from_unchecked(lifetime, at.block_number(), at.block_hash())
        .build();
    at.transactions().create_signable_offline(call, params)?.sign(key)
}

/// The transaction without signer that registers by a ticket; `signature` is the operator's, of the message that the chain expects.
pub(crate) fn join(at: &AtBlock, join: &Join, signature: [u8; 64]) -> Result<Signed, ExtrinsicError> {
    let Join {
        operator,
        hot,
        endpoint,
        models,
        ticket,
    } = join.clone();
    let (endpoint, models) = (BoundedVec(endpoint), BoundedVec(models));
    let signature = MultiSignature::Sr25519(signature);
    let call = runtime::tx()
        .workers()
        .join(operator, hot, endpoint, models, ticket.into(), signature);
    let params = DefaultExtrinsicParamsBuilder::new().nonce(0).immortal().build();
    // A general transaction. Signer and signature would go to an extension that this chain doesn't have.
    let (nobody, none) = (AccountId::from([0; 32]), subxt::utils::MultiSignature::Sr25519([0; 64]));
    at.transactions()
        .create_v5_signable_offline(&call, params)?
        .sign_with_account_and_signature(&nobody, &none)
}

/// What a ticket should be made for; `None` before there is a block.
pub(crate) async fn ticket_terms(at: &AtBlock) -> Result<Option<TicketTerms>, subxt::Error> {
    let [(pallet, name)] = VIEWS;
    let view = at.metadata_ref().pallet_by_name(pallet);
    let id = view
        .and_then(|pallet| pallet.view_function_by_name(name))
        .map(|view| *view.query_id());
    let id =
        id.ok_or_else(|| subxt::Error::Other(format!("the runtime has no view function {pallet}.{name}").into()))?;
    let (prefix, suffix) = id.split_at(16);
    let half = |bytes: &[u8]| <[u8; 16]>::decode(&mut &bytes[..]);
    let id = ViewFunctionId {
        prefix: half(prefix)?,
        suffix: half(suffix)?,
    };
    // By the runtime API under it: subxt 0.51 leaves out the length of a view function's arguments, so the runtime can't decode them.
    let call = runtime::runtime_apis()
        .runtime_view_function()
        .execute_view_function(id, vec![]);
    let result = at.runtime_apis().call(call).await?;
    let bytes = result.map_err(|error| subxt::Error::Other(format!("{pallet}.{name}: {error:?}").into()))?;
    Ok(Option::decode(&mut &bytes[..])?)
}

/// Jobs that `operator` is to answer or to reveal.
pub(crate) async fn executions_of(at: &AtBlock, operator: &AccountId) -> Result<BTreeSet<JobId>, subxt::Error> {
    let mut entries = at
        .storage()
        .iter(runtime::storage().jobs().executing(), (*operator,))
        .await?;
    let mut jobs = BTreeSet::new();
    while let Some(entry) = entries.next().await {
        jobs.insert(entry?.key()?.decode()?.1);
    }
    Ok(jobs)
}

/// Jobs that `operator` is to attest.
pub(crate) async fn audits_of(at: &AtBlock, operator: &AccountId) -> Result<BTreeSet<JobId>, subxt::Error> {
    let mut entries = at
        .storage()
        .iter(runtime::storage().audits().pending(), (*operator,))
        .await?;
    let mut jobs = BTreeSet::new();
    while let Some(entry) = entries.next().await {
        jobs.insert(entry?.key()?.decode()?.1);
    }
    Ok(jobs)
}

/// Number that the next job will get.
pub(crate) async fn next_job(at: &AtBlock) -> Result<JobId, subxt::Error> {
    let next = at.storage().fetch(runtime::storage().jobs().next_job(), ()).await?;
    Ok(next.decode()?)
}

/// A job, until it is pruned.
pub(crate) async fn job(at: &AtBlock, id: JobId) -> Result<Option<Job>, subxt::Error> {
    let Some(job) = at.storage().try_fetch(runtime::storage().jobs().jobs(), (id,)).await? else {
        return Ok(None);
    };
    let job = job.decode()?;
    let attested = job.answer.as_ref().is_some_and(|answer| answer.attested);
    let stage = match job.state {
        State::Assigned => Stage::Assigned,
        State::Auditing if attested => Stage::Revealing,
        State::Auditing => Stage::Auditing,
        State::Queued | State::Answered | State::Disputed => Stage::Waiting,
        State::Settled | State::Rejected | State::Unaudited | State::Expired | State::Voided | State::Cancelled => {
            Stage::Over
        }
    };
    Ok(Some(Job {
        stage,
        executor: job.executor,
        model: job.model,
        request_hash: job.request_hash,
        settings: job.settings.0,
        sampling_key: job.sampling_key,
        sealed: job.answer.map(|answer| answer.sealed),
        due: job.due,
    }))
}

/// A job's prompt.
pub(crate) async fn input(at: &AtBlock, id: JobId) -> Result<Option<Input>, subxt::Error> {
    match at
        .storage()
        .try_fetch(runtime::storage().jobs().inputs(), (id,))
        .await?
    {
        Some(input) => Ok(Some(input.decode()?.0)),
        None => Ok(None),
    }
}

/// The output of an answered job.
pub(crate) async fn output(at: &AtBlock, id: JobId) -> Result<Option<Vec<u8>>, subxt::Error> {
    match at
        .storage()
        .try_fetch(runtime::storage().jobs().outputs(), (id,))
        .await?
    {
        Some(output) => Ok(Some(output.decode()?.0)),
        None => Ok(None),
    }
}

/// The operator that a hot key works for.
pub(crate) async fn operator_of(at: &AtBlock, hot: &AccountId) -> Result<Option<AccountId>, subxt::Error> {
    match at
        .storage()
        .try_fetch(runtime::storage().workers().hot_keys(), (*hot,))
        .await?
    {
        Some(operator) => Ok(Some(operator.decode()?)),
        None => Ok(None),
    }
}

/// Blocks that were closed for migrations so far: by so much the numbers of blocks are ahead of the time that deadlines are measured in.
pub(crate) async fn closed_blocks(at: &AtBlock) -> Result<BlockNumber, subxt::Error> {
    let closed = at.storage().fetch(runtime::storage().clock().closed(), ()).await?;
    Ok(closed.decode()?.count)
}

/// An operator's entry.
pub(crate) async fn operator(at: &AtBlock, operator: &AccountId) -> Result<Option<Entry>, subxt::Error> {
    let entry = at
        .storage()
        .try_fetch(runtime::storage().workers().operators(), (*operator,))
        .await?;
    let Some(entry) = entry else { return Ok(None) };
    let entry = entry.decode()?;
    Ok(Some(Entry {
        hot_keys: entry.hot_keys.0,
        endpoint: entry.endpoint.0,
        models: entry.models.0,
        status: status(&entry.status, entry.resumable.saturating_add(closed_blocks(at).await?)),
    }))
}

fn status(status: &OperatorStatus, resumable: BlockNumber) -> Status {
    match status {
        OperatorStatus::Active => Status::Active,
        OperatorStatus::Draining => Status::Draining,
        OperatorStatus::Suspended => Status::Suspended { until: resumable },
        OperatorStatus::Jailed => Status::Jailed,
    }
}

/// Whether an account may register as an operator.
pub(crate) async fn may_register(at: &AtBlock, account: &AccountId) -> Result<bool, subxt::Error> {
    let sponsored = at
        .storage()
        .try_fetch(runtime::storage().workers().sponsored(), (*account,))
        .await?;
    Ok(sponsored.is_some())
}

/// Whether the chain knows an account, which may sign then.
pub(crate) async fn can_sign(at: &AtBlock, account: &AccountId) -> Result<bool, subxt::Error> {
    let entry = at
        .storage()
        .try_fetch(runtime::storage().system().account(), (*account,))
        .await?;
    match entry {
        Some(entry) => Ok(entry.decode()?.providers > 0),
        None => Ok(false),
    }
}

/// Whether a model takes new jobs.
pub(crate) async fn is_active_model(at: &AtBlock, model: &ModelId) -> Result<bool, subxt::Error> {
    match at
        .storage()
        .try_fetch(runtime::storage().models().models(), (*model,))
        .await?
    {
        Some(model) => Ok(matches!(model.decode()?.status, ModelStatus::Active)),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;
    use ergon_primitives::{
        commitment::{Header, Outcome, StopReason},
        ticket::Ticket,
        H256,
    };
    use subxt::{config::substrate::SpecVersionForRange, OfflineClient};

    /// A call's arguments as they are encoded against the metadata.
    fn arguments(call: &impl Payload) -> Vec<u8> {
        let version = SpecVersionForRange {
            block_range: 0..u64::MAX,
            spec_version: 1,
            transaction_version: 1,
        };
        let config = SubstrateConfig::builder()
            .set_metadata_for_spec_versions([(1, ArcMetadata::clone(&METADATA))])
            .set_spec_version_for_block_ranges([version])
            .build();
        let at = OfflineClient::new_with_config(config).at_block(0u64).unwrap();
        at.transactions().validate(call).unwrap();
        at.transactions().call_data(call).unwrap().split_off(2)
    }

    #[test]
    fn everything_in_use_is_in_the_metadata() {
        for (pallet, name) in CALLS {
            assert!(
                METADATA.pallet_by_name(pallet).unwrap().call_hash(name).is_some(),
                "{pallet}.{name}"
            );
        }
        for (pallet, name) in ENTRIES {
            assert!(
                METADATA.pallet_by_name(pallet).unwrap().storage_hash(name).is_some(),
                "{pallet}.{name}"
            );
        }
        for (pallet, name) in VIEWS {
            let pallet = METADATA.pallet_by_name(pallet).unwrap();
            assert!(pallet.view_function_by_name(name).is_some(), "{name}");
        }
        assert_eq!(difference(&METADATA), None);
    }

    /// The metadata with `from` renamed `to`, of the same length.
    fn renamed(from: &str, to: &str) -> Metadata {
        let text = include_bytes!("../metadata.scale");
        let mut bytes = text.to_vec();
        for (at, _) in text
            .windows(from.len())
            .enumerate()
            .filter(|(_, window)| *window == from.as_bytes())
        {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        Metadata::decode_from(&bytes).unwrap()
    }

    #[test]
    fn a_runtime_that_differs_is_found_by_what_is_in_use() {
        assert_eq!(
            difference(&renamed("submit_result", "submit_resulu")).as_deref(),
            Some("Jobs.submit_result")
        );
        assert_eq!(
            difference(&renamed("Executing", "Executinh")).as_deref(),
            Some("Jobs.Executing")
        );
        assert_eq!(
            difference(&renamed("NextJob", "NextJoc")).as_deref(),
            Some("Jobs.NextJob")
        );
        // A field of a type deep inside.
        assert_eq!(
            difference(&renamed("sampling_key", "sampling_kez")).as_deref(),
            Some("Jobs.Jobs")
        );
    }

    #[test]
    fn shared_types_are_encoded_as_the_chain_decodes_them() {
        let outcome = Outcome::Completed(StopReason::StopString { at: 3 });
        let header = Header::new(H256::repeat_byte(1), 5, outcome, b"out", &[]);
        let jobs = runtime::tx().jobs();
        let result = jobs.submit_result(7, BoundedVec(b"out".to_vec()), 5, 2, outcome.into(), H256::zero());
        assert_eq!(
            arguments(&result),
            (7u64, b"out".to_vec(), 5u32, 2u32, outcome, H256::zero()).encode()
        );
        let reveal = jobs.reveal(7, H256::zero(), header.clone().into());
        assert_eq!(arguments(&reveal), (7u64, H256::zero(), header).encode());
        let (ticket, signature) = (Ticket { block: 4, nonce: 5 }, MultiSignature::Sr25519([9; 64]));
        let (operator, hot, models) = ([1; 32], [2; 32], vec![H256::zero()]);
        let join = runtime::tx().workers().join(
            operator.into(),
            hot.into(),
            BoundedVec(b"x".to_vec()),
            BoundedVec(models.clone()),
            ticket.into(),
            signature,
        );
        let expected = (operator, hot, b"x".to_vec(), models, ticket, 1u8, [9u8; 64]);
        assert_eq!(arguments(&join), expected.encode());
    }
}

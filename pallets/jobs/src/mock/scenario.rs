// SPDX-License-Identifier: Apache-2.0
//! What requesters, executors and auditors do, and what they find.
use super::*;
use frame_support::dispatch::DispatchResultWithPostInfo;

pub fn signed(who: AccountId) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

/// A prompt of 8 bytes that no other call gives.
pub fn prompt(number: u64) -> UncheckedInput {
    UncheckedInput::Text(number.to_le_bytes().to_vec().try_into().unwrap())
}

/// Submits a job of its own kind. All of its deadlines are 4 + 2 * 1 blocks: (8 * 1 + 4 * 10) units at 100 a block.
pub fn submit_to(model: ModelId) -> JobId {
    submit_by(REQUESTER, model)
}

/// The same, for any requester.
pub fn submit_by(requester: AccountId, model: ModelId) -> JobId {
    let job = crate::NextJob::<Test>::get();
    assert_ok!(Jobs::submit(
        signed(requester),
        model,
        prompt(job),
        DecodeSettings::greedy(4),
        None
    ));
    job
}

pub fn submit() -> JobId {
    submit_to(MODEL)
}

pub fn job(id: JobId) -> Job<AccountId, u64> {
    Jobs::job(id).unwrap()
}

pub fn state(id: JobId) -> State {
    job(id).state
}

pub fn executor(id: JobId) -> AccountId {
    job(id).executor.unwrap()
}

pub fn auditors(id: JobId) -> Vec<AccountId> {
    let audit = Audits::audit(id).map(|audit| audit.auditors).unwrap_or_default();
    audit.into_iter().map(|auditor| auditor.operator).collect()
}

pub const SEAL: H256 = H256::repeat_byte(0x5E);
pub const OUTPUT: &[u8] = b"Paris";
pub const COMPLETED: Outcome = Outcome::Completed(StopReason::EndOfSequence);

/// What honest operators compute for a job: 5 prompt tokens, 2 output tokens, so 5 * 1 + 2 * 10 = 25 units.
pub fn honest_header(id: JobId) -> Header {
    let job = job(id);
    let answer = ergon_primitives::commitment::answer_id(id, &job.request_hash, &job.sampling_key.unwrap());
    let leaf = |position| Leaf {
        position,
        token: 7,
        hidden: H256::repeat_byte(position as u8),
    };
    Header::new(answer, 5, COMPLETED, OUTPUT, &[leaf(0), leaf(1)])
}

pub const UNITS: Units = 25;

/// The executor answers honestly.
pub fn answer(id: JobId) -> DispatchResult {
    answer_as(hot(executor(id)), id, &honest_header(id))
}

/// `hot` publishes [`OUTPUT`] and seals this header.
pub fn answer_as(hot: AccountId, id: JobId, header: &Header) -> DispatchResult {
    let output = OUTPUT.to_vec().try_into().unwrap();
    let sealed = sealed(&SEAL, &header.root());
    Jobs::submit_result(
        signed(hot),
        id,
        output,
        header.prompt_tokens,
        header.output_tokens,
        header.outcome,
        sealed,
    )
}

/// All auditors attest this header.
pub fn attest_all(id: JobId, header: &Header) {
    for operator in Audits::audit(id)
        .unwrap()
        .auditors
        .into_iter()
        .filter(|a| a.attestation.is_none())
        .map(|a| a.operator)
    {
        assert_ok!(Audits::attest(
            signed(hot(operator)),
            id,
            attestation(&operator, &header.root())
        ));
    }
}

pub fn reveal(id: JobId) -> DispatchResultWithPostInfo {
    Jobs::reveal(signed(hot(executor(id))), id, SEAL, honest_header(id))
}

/// Submits a job and runs until it is assigned.
pub fn assigned() -> JobId {
    let id = submit();
    run_to(System::block_number() + 2);
    assert_eq!(state(id), State::Assigned);
    id
}

/// The same, until its auditors are drawn.
pub fn auditing() -> JobId {
    let id = assigned();
    assert_ok!(answer(id));
    run_to(System::block_number() + 3);
    assert_eq!(state(id), State::Auditing);
    id
}

/// The same, until its executor is to reveal.
pub fn attested() -> JobId {
    let id = auditing();
    attest_all(id, &honest_header(id));
    id
}

/// Events of the jobs pallet since the last call.
pub fn take_events() -> Vec<pallet_jobs::Event<Test>> {
    let ours = |record: frame_system::EventRecord<RuntimeEvent, _>| match record.event {
        RuntimeEvent::Jobs(event) => Some(event),
        _ => None,
    };
    let events = System::events().into_iter().filter_map(ours).collect();
    System::reset_events();
    events
}

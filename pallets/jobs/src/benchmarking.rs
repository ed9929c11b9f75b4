// SPDX-License-Identifier: Apache-2.0
//! Benchmarks of every call and of each kind of work at the start of a block, in their worst cases: the longest prompts, outputs and lists,
//! as many auditors as can be, all of them credited for the first time.
use crate::{
    known_prompts::Generation, types::UncheckedOutput, Agenda, AgendaCursor, Answer, Call, Config, Credited, Executing,
    Generations, Headers, Inputs, Job, Jobs, Lane, Links, NextJob, Outputs, Pallet, Queues, Standings, State,
    UncheckedInput, Waiting, Work, MAX_AUDITORS,
};
use alloc::{vec, vec::Vec};
use ergon_primitives::{
    commitment::{answer_id, output_hash, sealed, Header, Outcome, StopReason},
    hash,
    quota::Quota,
    request::{
        DecodeSettings, Input, MAX_OUTPUT_BYTES, MAX_OUTPUT_TOKENS, MAX_PROMPT_BYTES, MAX_PROMPT_TOKENS, MAX_TOP_K,
    },
    traits::{ModelTerms, Parameters as _},
    units::Prices,
    JobId, ModelId, H256,
};
use ergon_storage::Unreadable;
use frame_benchmarking::{v2::*, BenchmarkError};
use frame_support::{
    traits::{Get, Hooks},
    BoundedVec,
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_runtime::{traits::BlockNumberProvider, DispatchError};

/// Makes what benchmarks need, with the runtime's own registries, ledger, audits and quotas.
pub trait BenchmarkHelper<AccountId> {
    /// A model that takes jobs, another for each index; the first is what jobs ask for.
    fn model(index: u32) -> ModelId;
    /// An account that may ask for jobs, and whose quota depends on as many others as can be, another for each index.
    fn requester(index: u32) -> AccountId;
    /// An operator and its hot key, others for each index. It serves as many models as can be, the first one among them, and nobody has
    /// been told of its work.
    fn operator(index: u32) -> (AccountId, AccountId);
    /// The next deadline that `operator` misses is one too many.
    fn warn(operator: &AccountId);
    /// `job` of `executor` is audited by `auditors`, who have attested `root` or, if there is none, nothing. Nobody is replaced any more.
    fn audit(job: JobId, executor: &AccountId, auditors: &[AccountId], root: Option<H256>);
    /// One auditor of `job` is going to be replaced by one of many.
    fn lengthen_replacement(job: JobId);
    /// Many operators serve the first model, all of whom have room; or only so many of them weigh anything, and these are busy.
    fn crowd(busy: u32);
}

/// Number of the jobs in benchmarks.
const JOB: JobId = 1_000;
const SEAL: H256 = H256::repeat_byte(0x5E);
/// Most operators that a measured draw looks at.
const TRIES: u32 = 8;
/// Units that are reserved for a job.
const RESERVED: u64 = 10_000;
/// Terms of the jobs.
const TERMS: ModelTerms = ModelTerms {
    prices: Prices {
        prompt_token: 1_000_000,
        output_token: 1_000_000,
        attended_position: 0,
    },
    context: MAX_PROMPT_TOKENS,
    rate: 100,
};
const OUTCOME: Outcome = Outcome::Completed(StopReason::EndOfSequence);

fn now<T: Config>() -> BlockNumberFor<T> {
    T::BlockNumberProvider::current_block_number()
}

fn settings() -> DecodeSettings {
    DecodeSettings {
        max_tokens: MAX_OUTPUT_TOKENS,
        temperature_milli: 1_000,
        top_k: MAX_TOP_K,
        top_p_milli: 1_000,
        stop: BoundedVec::truncate_from(vec![BoundedVec::truncate_from(vec![b's'; 64]); 4]),
    }
}

fn longest_output() -> Vec<u8> {
    vec![b'o'; MAX_OUTPUT_BYTES as usize]
}

/// A job with everything that jobs can have, and its units reserved.
fn job<T: Config>(state: State, executor: Option<&T::AccountId>) -> Job<T::AccountId, BlockNumberFor<T>> {
    let requester = T::BenchmarkHelper::requester(0);
    let reserved = if T::Quota::reserve(&requester, RESERVED).is_ok() {
        RESERVED
    } else {
        0
    };
    let answered = !matches!(state, State::Queued | State::Assigned);
    Job {
        model: T::BenchmarkHelper::model(0),
        newcomer: false,
        terms: TERMS,
        request_hash: H256::repeat_byte(1),
        prompt_hash: H256::repeat_byte(2),
        settings: settings(),
        seed: Some(0),
        max_prompt_tokens: MAX_PROMPT_TOKENS,
        is_tokenized: false,
        bound: TERMS.bound(MAX_PROMPT_TOKENS, MAX_OUTPUT_TOKENS),
        reserved,
        submitted: Default::default(),
        state,
        since: Default::default(),
        due: None,
        sampling_key: Some(H256::repeat_byte(3)),
        executor: executor.cloned(),
        room: executor.is_some().into(),
        missed: BoundedVec::truncate_from(vec![requester.clone(); crate::MAX_REASSIGNMENTS as usize + 1]),
        requester,
        answer: answered.then(|| Answer {
            prompt_tokens: 1,
            output_tokens: 1,
            outcome: OUTCOME,
            output_hash: output_hash(&longest_output()),
            sealed: sealed(&SEAL, &H256::zero()),
            units: 1,
            at: Default::default(),
            unsampled: false,
            creditable: true,
            auditors: 0,
            attested: false,
            matching: 0,
        }),
        credited: 0,
    }
}

/// Stores a job, with the longest prompt and output, due in this block if it waits for one.
fn insert<T: Config>(id: JobId, mut job: Job<T::AccountId, BlockNumberFor<T>>) {
    let lane = job.state.lane();
    if !Links::<T>::contains_key(id) {
        job.due = Some(now::<T>());
        Agenda::<T>::insert((lane, now::<T>(), id), ());
    }
    AgendaCursor::<T>::insert(lane, now::<T>());
    if let Some(executor) = job.executor.as_ref().filter(|_| job.state.is_active()) {
        Executing::<T>::insert(executor, id, ());
    }
    Inputs::<T>::insert(
        id,
        Input::Text(BoundedVec::truncate_from(vec![b'p'; MAX_PROMPT_BYTES as usize])),
    );
    if job.answer.is_some() {
        Outputs::<T>::insert(id, BoundedVec::truncate_from(longest_output()));
    }
    Jobs::<T>::insert(id, job);
}

/// A job whose auditors are to attest, for benchmarks of audits.
pub fn insert_auditing<T: Config>(id: JobId, executor: &T::AccountId) {
    insert::<T>(id, job::<T>(State::Auditing, Some(executor)));
}

/// Stores a job with so many auditors who have attested, and gives the reveal that its executor owes.
pub fn insert_attested<T: Config>(id: JobId, executor: &T::AccountId, auditors: u32) -> Call<T> {
    let mut job = job::<T>(State::Auditing, Some(executor));
    let header = Header {
        answer_id: answer_id(id, &job.request_hash, &job.sampling_key.unwrap_or_default()),
        prompt_tokens: 1,
        outcome: OUTCOME,
        output_hash: output_hash(&longest_output()),
        output_tokens: 1,
        leaves: H256::repeat_byte(4),
    };
    if let Some(answer) = &mut job.answer {
        (answer.auditors, answer.attested) = (auditors, true);
        answer.sealed = sealed(&SEAL, &header.root());
    }
    insert::<T>(id, job);
    Call::reveal {
        job: id,
        seal: SEAL,
        header,
    }
}

/// The operators after the first, which executes.
fn auditors<T: Config>(count: u32) -> Vec<T::AccountId> {
    (1..=count).map(|index| T::BenchmarkHelper::operator(index).0).collect()
}

/// A job that is audited by `count` who are silent, and warned.
fn silently_audited<T: Config>(count: u32) -> Vec<T::AccountId> {
    let ((executor, _), auditors) = (T::BenchmarkHelper::operator(0), auditors::<T>(count));
    let mut job = job::<T>(State::Auditing, Some(&executor));
    if let Some(answer) = &mut job.answer {
        answer.auditors = count;
    }
    insert::<T>(JOB, job);
    T::BenchmarkHelper::audit(JOB, &executor, &auditors, None);
    auditors
}

/// Gives a job a place in its queue and in a round, the same for all of them.
fn enqueue<T: Config>(id: JobId, job: &Job<T::AccountId, BlockNumberFor<T>>) -> Result<(), BenchmarkError> {
    place::<T>(job)?;
    // As if each were another requester's.
    Standings::<T>::remove((job.model, job.newcomer, &job.requester));
    enough(Pallet::<T>::enqueue(id, job))
}

fn place<T: Config>(job: &Job<T::AccountId, BlockNumberFor<T>>) -> Result<(), BenchmarkError> {
    Ok(Pallet::<T>::retake_place(job).map_err(DispatchError::from)?)
}

fn enough(room: Result<bool, Unreadable>) -> Result<(), BenchmarkError> {
    match room {
        Ok(true) => Ok(()),
        _ => Err(BenchmarkError::Stop("there is no room in the queue")),
    }
}

/// Jobs wait for as many other models as can be.
fn others_wait<T: Config>() {
    let models: Vec<_> = (1..T::MaxWaitingModels::get()).map(T::BenchmarkHelper::model).collect();
    Waiting::<T>::put(BoundedVec::truncate_from(models));
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// It takes the place of the last job that waits; token ids take longer to decode than bytes.
    #[benchmark]
    fn submit() -> Result<(), BenchmarkError> {
        let (requester, model) = (T::BenchmarkHelper::requester(1), T::BenchmarkHelper::model(0));
        let input = UncheckedInput::Tokens(BoundedVec::truncate_from(vec![u32::MAX; MAX_PROMPT_TOKENS as usize]));
        T::BenchmarkHelper::operator(0);
        others_wait::<T>();
        let mut displaced = job::<T>(State::Queued, None);
        displaced.newcomer = T::Quota::is_newcomer(&requester);
        for id in [JOB - 2, JOB - 1] {
            place::<T>(&displaced)?;
            enough(Pallet::<T>::enqueue(id, &displaced))?;
            insert::<T>(id, displaced.clone());
        }
        Queues::<T>::mutate_extant(model, |queue| queue.of(displaced.newcomer).places = T::MaxQueued::get());
        NextJob::<T>::put(JOB);

        #[extrinsic_call]
        _(RawOrigin::Signed(requester), model, input, settings(), Some(0));

        assert!(Jobs::<T>::contains_key(JOB));
        assert!(Jobs::<T>::get(JOB - 1).is_some_and(|job| job.state == State::Expired));
        Ok(())
    }

    #[benchmark]
    fn submit_result() {
        let (executor, hot) = T::BenchmarkHelper::operator(0);
        insert::<T>(JOB, job::<T>(State::Assigned, Some(&executor)));
        let output = UncheckedOutput::truncate_from(longest_output());

        #[extrinsic_call]
        _(RawOrigin::Signed(hot), JOB, output, 1, 1, OUTCOME, H256::zero());

        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.state == State::Answered));
    }

    /// It settles the job, and everybody is credited for the first time.
    #[benchmark]
    fn reveal(a: Linear<1, MAX_AUDITORS>) -> Result<(), BenchmarkError> {
        let ((executor, hot), auditors) = (T::BenchmarkHelper::operator(0), auditors::<T>(a));
        let Call::reveal { seal, header, .. } = insert_attested::<T>(JOB, &executor, a) else {
            return Err(BenchmarkError::Stop("it is no reveal"));
        };
        T::BenchmarkHelper::audit(JOB, &executor, &auditors, Some(header.root()));

        #[extrinsic_call]
        _(RawOrigin::Signed(hot), JOB, seal, header);

        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.state == State::Settled && job.credited > 0));
        Ok(())
    }

    /// A job in the middle of its round; one that is assigned already takes less.
    #[benchmark]
    fn cancel() -> Result<(), BenchmarkError> {
        let (before, after) = (JOB - 1, JOB + 1);
        for id in [before, JOB, after] {
            let job = job::<T>(State::Queued, None);
            enqueue::<T>(id, &job)?;
            insert::<T>(id, job);
        }
        Outputs::<T>::insert(JOB, BoundedVec::truncate_from(longest_output()));
        let requester = T::BenchmarkHelper::requester(0);

        #[extrinsic_call]
        _(RawOrigin::Signed(requester), JOB);

        assert!(!Jobs::<T>::contains_key(JOB));
        Ok(())
    }

    /// A block in which nothing happens, after many that were not looked at.
    #[benchmark]
    fn on_initialize_idle() {
        let now = BlockNumberFor::<T>::from(1_000u32);
        frame_system::Pallet::<T>::set_block_number(now);

        #[block]
        {
            Pallet::<T>::on_initialize(now);
        }

        assert!(AgendaCursor::<T>::get(Lane::Deadlines) > Default::default());
    }

    /// An answer that nobody has attested and its executor doesn't reveal.
    #[benchmark]
    fn due() {
        let (executor, _) = T::BenchmarkHelper::operator(0);
        let mut job = job::<T>(State::Auditing, Some(&executor));
        if let Some(answer) = &mut job.answer {
            answer.attested = true;
        }
        insert::<T>(JOB, job);
        T::BenchmarkHelper::audit(JOB, &executor, &[], None);

        #[block]
        {
            Pallet::<T>::process_due(now::<T>(), &mut Work::default());
        }

        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.state == State::Voided));
    }

    /// A silent auditor, in whose place nobody is drawn.
    #[benchmark]
    fn silent() {
        silently_audited::<T>(1);

        #[block]
        {
            Pallet::<T>::process_due(now::<T>(), &mut Work::default());
        }

        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.answer.is_some_and(|answer| answer.attested)));
    }

    /// A silent auditor, in whose place another one is drawn.
    #[benchmark]
    fn redraw() {
        silently_audited::<T>(1);
        T::BenchmarkHelper::lengthen_replacement(JOB);

        #[block]
        {
            Pallet::<T>::process_due(now::<T>(), &mut Work::default());
        }

        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.answer.is_some_and(|answer| !answer.attested)));
    }

    /// Silent auditors, each of which is suspended.
    #[benchmark]
    fn misses(m: Linear<1, MAX_AUDITORS>) {
        silently_audited::<T>(m).iter().for_each(T::BenchmarkHelper::warn);
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::process_due(now::<T>(), &mut work);
        }

        assert_eq!(work.misses, m);
    }

    /// A job enters its queue, in the round of another one.
    #[benchmark]
    fn ripen() -> Result<(), BenchmarkError> {
        for id in [JOB - 1, JOB] {
            let job = job::<T>(State::Queued, None);
            place::<T>(&job)?;
            insert::<T>(id, job);
        }
        Agenda::<T>::remove((Lane::Delays, now::<T>(), JOB - 1));
        enough(Pallet::<T>::enqueue(JOB - 1, &job::<T>(State::Queued, None)))?;
        Standings::<T>::remove((T::BenchmarkHelper::model(0), false, T::BenchmarkHelper::requester(0)));
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::process_delays(now::<T>(), &mut work);
        }

        assert_eq!(work.ripe, 1);
        assert!(Links::<T>::contains_key(JOB));
        Ok(())
    }

    /// A job for which nobody with room is found.
    #[benchmark]
    fn visit(t: Linear<1, TRIES>) -> Result<(), BenchmarkError> {
        let mut job = job::<T>(State::Queued, None);
        // So that it is one draw.
        job.missed = Default::default();
        others_wait::<T>();
        enqueue::<T>(JOB, &job)?;
        T::BenchmarkHelper::crowd(t);
        let model = job.model;
        insert::<T>(JOB, job);
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::serve_next(&model, &mut work);
        }

        assert_eq!((work.visits, work.tries), (1, t));
        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.state == State::Queued));
        Ok(())
    }

    /// A job at the head of its queue that has waited for too long, the last one of the last model.
    #[benchmark]
    fn expire() -> Result<(), BenchmarkError> {
        let job = job::<T>(State::Queued, None);
        frame_system::Pallet::<T>::set_block_number(T::Parameters::get().queue_timeout.into());
        others_wait::<T>();
        enqueue::<T>(JOB, &job)?;
        let model = job.model;
        insert::<T>(JOB, job);
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::serve_next(&model, &mut work);
        }

        assert_eq!(work.expired, 1);
        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.state == State::Expired));
        Ok(())
    }

    /// A job at the head of its queue is assigned to the first operator that the draw hits.
    #[benchmark]
    fn assign() -> Result<(), BenchmarkError> {
        T::BenchmarkHelper::operator(0);
        let job = job::<T>(State::Queued, None);
        let model = job.model;
        // It came in block 0.
        frame_system::Pallet::<T>::set_block_number(T::Parameters::get().assignment_delay.into());
        others_wait::<T>();
        for id in [JOB, JOB + 1] {
            enqueue::<T>(id, &job)?;
        }
        T::BenchmarkHelper::crowd(0);
        insert::<T>(JOB, job);
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::serve_next(&model, &mut work);
        }

        assert!(Jobs::<T>::get(JOB).is_some_and(|job| job.state == State::Assigned));
        Ok(())
    }

    /// A disputed job with its evidence is forgotten.
    #[benchmark]
    fn prune(a: Linear<1, MAX_AUDITORS>) {
        let ((executor, _), auditors) = (T::BenchmarkHelper::operator(0), auditors::<T>(a));
        let mut job = job::<T>(State::Disputed, Some(&executor));
        // Its units were given back.
        job.reserved = 0;
        if let Some(answer) = &mut job.answer {
            answer.auditors = a;
        }
        insert::<T>(JOB, job);
        let header = Header {
            answer_id: H256::zero(),
            prompt_tokens: 1,
            outcome: OUTCOME,
            output_hash: H256::zero(),
            output_tokens: 1,
            leaves: H256::zero(),
        };
        Headers::<T>::insert(JOB, header);
        T::BenchmarkHelper::audit(JOB, &executor, &auditors, None);
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::process_retention(now::<T>(), &mut work);
        }

        assert!(!Jobs::<T>::contains_key(JOB));
        assert_eq!(work.pruned, a);
    }

    /// Prompts of the last but one generation are forgotten, and others are left.
    #[benchmark]
    fn forget(p: Linear<0, { T::MaxPrunedPerBlock::get() - 1 }>) {
        for prompt in 0..p {
            Credited::<T>::insert(0, hash(&[&prompt.to_le_bytes()]), 1);
        }
        let generation = Generation {
            number: 2,
            since: now::<T>(),
            forgetting: true,
        };
        Generations::<T>::put(generation);
        let mut work = Work::default();

        #[block]
        {
            Pallet::<T>::process_known(now::<T>(), &mut work);
        }

        assert_eq!(work.forgotten, p);
        assert!(!Generations::<T>::get().forgetting);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::Chain::default().externalities(), crate::mock::Test);
}

// SPDX-License-Identifier: Apache-2.0
//! What requesters and executors do.
use crate::{
    types::UncheckedOutput, Answer, Call, Config, Error, Event, Headers, Inputs, Job, Jobs, NextJob, Outputs, Pallet,
    State, UncheckedInput, WeightInfo,
};
use ergon_primitives::{
    commitment::{self, Header, Outcome},
    quota::Quota,
    request::{prompt_hash, request_hash, DecodeSettings, Input, Output, SettingsError, MAX_OUTPUT_BYTES},
    traits::{Audits, Models, Parameters, Verdict, Workers},
    JobId, ModelId, H256,
};
use frame_support::{
    dispatch::{DispatchResult, DispatchResultWithPostInfo},
    ensure,
    pallet_prelude::DispatchError,
    traits::Get,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::BlockNumberProvider;

type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T> From<SettingsError> for Error<T> {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::MaxTokens => Self::MaxTokensOutOfRange,
            SettingsError::TopK => Self::TopKOutOfRange,
            SettingsError::TopP => Self::TopPOutOfRange,
            SettingsError::EmptyStop => Self::EmptyStopString,
        }
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_submit(
        requester: T::AccountId,
        model: ModelId,
        input: UncheckedInput,
        settings: DecodeSettings,
        seed: Option<u64>,
    ) -> DispatchResult {
        let terms = T::Models::active(&model).ok_or(Error::<T>::UnknownModel)?;
        let input = Input::try_from(input).map_err(|_| Error::<T>::PromptTooLong)?;
        ensure!(!input.is_empty(), Error::<T>::EmptyPrompt);
        settings.check().map_err(Error::<T>::from)?;
        ensure!(T::Workers::serving(&model) > 0, Error::<T>::NobodyServes);
        let newcomer = T::Quota::is_newcomer(&requester);
        Self::take_place(&model, newcomer, &requester)?;
        let max_prompt_tokens = input.max_tokens();
        let bound = terms.bound(max_prompt_tokens, settings.max_tokens);
        T::Quota::charge_life(&requester, T::LifeWeight::get().ref_time())?;
        T::Quota::reserve(&requester, bound)?;
        let id = NextJob::<T>::get();
        NextJob::<T>::put(id.saturating_add(1));
        let now = T::BlockNumberProvider::current_block_number();
        let mut job = Job {
            requester: requester.clone(),
            newcomer,
            model,
            terms,
            request_hash: request_hash(&model, &input, &settings),
            prompt_hash: prompt_hash(&model, &input),
            settings,
            seed,
            max_prompt_tokens,
            is_tokenized: matches!(input, Input::Tokens(_)),
            bound,
            reserved: bound,
            submitted: now,
            state: State::Queued,
            since: now,
            due: None,
            sampling_key: None,
            executor: None,
            room: 0,
            missed: Default::default(),
            answer: None,
            credited: 0,
            #[cfg(feature = "next-version")]
            version: 2,
        };
        Self::schedule(id, &mut job, now, T::Parameters::get().assignment_delay);
        Jobs::<T>::insert(id, job);
        Inputs::<T>::insert(id, input);
        Self::deposit_event(Event::Submitted {
            job: id,
            model,
            requester,
        });
        Ok(())
    }

    /// Whether `call`, signed by `hot`, is an answer or a reveal that its operator owes now and that would succeed: true of each at most
    /// once. Complexity: O(1).
    pub fn is_due(hot: &T::AccountId, call: &Call<T>) -> bool {
        match call {
            Call::submit_result {
                job,
                output,
                prompt_tokens,
                output_tokens,
                outcome,
                ..
            } => Self::answerable(hot, *job, output, *prompt_tokens, *output_tokens, outcome).is_ok(),
            Call::reveal { job, seal, header } => Self::revealable(hot, *job, seal, header).is_ok(),
            _ => false,
        }
    }

    /// The job, if `hot` works for its executor.
    fn executed_by(hot: &T::AccountId, id: JobId) -> Result<(JobOf<T>, T::AccountId), DispatchError> {
        let operator = T::Workers::operator_of(hot).ok_or(Error::<T>::NotAWorker)?;
        let job = Jobs::<T>::get(id).ok_or(Error::<T>::UnknownJob)?;
        ensure!(job.executor.as_ref() == Some(&operator), Error::<T>::NotAssignedToYou);
        Ok((job, operator))
    }

    /// The job and its executor, if `hot` may answer it like this now.
    fn answerable(
        hot: &T::AccountId,
        id: JobId,
        output: &UncheckedOutput,
        prompt_tokens: u32,
        output_tokens: u32,
        outcome: &Outcome,
    ) -> Result<(JobOf<T>, T::AccountId), DispatchError> {
        let (job, operator) = Self::executed_by(hot, id)?;
        ensure!(job.answer.is_none(), Error::<T>::AlreadyAnswered);
        ensure!(job.state == State::Assigned, Error::<T>::WrongState);
        ensure!(output.len() <= MAX_OUTPUT_BYTES as usize, Error::<T>::OutputTooLong);
        match outcome {
            Outcome::Completed(_) => {
                let least_prompt = if job.is_tokenized { job.max_prompt_tokens } else { 1 };
                ensure!(
                    (least_prompt..=job.max_prompt_tokens).contains(&prompt_tokens),
                    Error::<T>::PromptTokensOutOfRange
                );
                ensure!(
                    (1..=job.settings.max_tokens).contains(&output_tokens),
                    Error::<T>::OutputTokensOutOfRange
                );
                ensure!(
                    prompt_tokens.saturating_add(output_tokens) <= job.terms.context,
                    Error::<T>::ContextExceeded
                );
            }
            Outcome::Rejected(_) => {
                let empty = output.is_empty() && prompt_tokens == 0 && output_tokens == 0;
                ensure!(empty, Error::<T>::RejectionNotEmpty);
            }
        }
        Ok((job, operator))
    }

    pub(crate) fn do_submit_result(
        hot: T::AccountId,
        id: JobId,
        output: UncheckedOutput,
        prompt_tokens: u32,
        output_tokens: u32,
        outcome: Outcome,
        sealed: H256,
    ) -> DispatchResult {
        let (mut job, operator) = Self::answerable(&hot, id, &output, prompt_tokens, output_tokens, &outcome)?;
        let output = Output::truncate_from(output.into_inner());
        let now = T::BlockNumberProvider::current_block_number();
        Self::enter(id, &mut job, State::Answered, now);
        job.answer = Some(Answer {
            prompt_tokens,
            output_tokens,
            outcome,
            output_hash: commitment::output_hash(&output),
            sealed,
            units: job.terms.prices.units(prompt_tokens, output_tokens),
            at: now,
            unsampled: false,
            creditable: false,
            auditors: 0,
            attested: false,
            matching: 0,
        });
        Self::schedule(id, &mut job, now, T::Parameters::get().audit_delay);
        Jobs::<T>::insert(id, job);
        Outputs::<T>::insert(id, output);
        Self::deposit_event(Event::Answered {
            job: id,
            operator,
            prompt_tokens,
            output_tokens,
            outcome,
            sealed,
        });
        Ok(())
    }

    /// The job, its executor and the root of the header, if `hot` may reveal this now.
    fn revealable(
        hot: &T::AccountId,
        id: JobId,
        seal: &H256,
        header: &Header,
    ) -> Result<(JobOf<T>, T::AccountId, H256), DispatchError> {
        let (job, operator) = Self::executed_by(hot, id)?;
        let (Some(answer), true) = (&job.answer, job.state.is_active()) else {
            return Err(Error::<T>::WrongState.into());
        };
        ensure!(answer.attested, Error::<T>::TooEarly);
        ensure!(T::Audits::is_readable(id), Error::<T>::UnreadableAudit);
        let root = header.root();
        ensure!(
            commitment::sealed(seal, &root) == answer.sealed,
            Error::<T>::RevealDoesNotFitSeal
        );
        ensure!(
            Self::matches_answer(id, &job, answer, header),
            Error::<T>::HeaderMismatch
        );
        Ok((job, operator, root))
    }

    pub(crate) fn do_reveal(hot: T::AccountId, id: JobId, seal: H256, header: Header) -> DispatchResultWithPostInfo {
        let (job, operator, root) = Self::revealable(&hot, id, &seal, &header)?;
        let now = T::BlockNumberProvider::current_block_number();
        Headers::<T>::insert(id, header);
        Self::deposit_event(Event::Revealed {
            job: id,
            operator: operator.clone(),
            root,
        });
        let auditors = job.answer.as_ref().map_or(0, |answer| answer.auditors);
        match T::Audits::judge(id, &root) {
            Verdict::Match(auditors) => Self::settle(id, job, operator, auditors, now),
            Verdict::Mismatch(auditor) => Self::dispute(id, job, operator, auditor, now),
        }
        Ok(Some(T::WeightInfo::reveal(auditors)).into())
    }

    /// Whether a header says what was published on chain.
    fn matches_answer(id: JobId, job: &JobOf<T>, answer: &Answer<BlockNumberFor<T>>, header: &Header) -> bool {
        let key = job.sampling_key.unwrap_or_default();
        header.answer_id == commitment::answer_id(id, &job.request_hash, &key)
            && header.prompt_tokens == answer.prompt_tokens
            && header.output_tokens == answer.output_tokens
            && header.outcome == answer.outcome
            && header.output_hash == answer.output_hash
    }

    pub(crate) fn do_cancel(requester: T::AccountId, id: JobId) -> DispatchResult {
        let mut job = Jobs::<T>::get(id).ok_or(Error::<T>::UnknownJob)?;
        ensure!(job.requester == requester, Error::<T>::NotRequester);
        match job.state {
            State::Queued => {
                Self::dequeue(id, &job);
                Self::unschedule(id, &mut job);
                Self::forget(id);
                T::Quota::settle(&job.requester, job.reserved, 0);
            }
            State::Assigned => Self::finish(
                id,
                job,
                State::Cancelled,
                T::BlockNumberProvider::current_block_number(),
            ),
            _ => return Err(Error::<T>::TooLateToCancel.into()),
        }
        Self::deposit_event(Event::Cancelled { job: id });
        Ok(())
    }
}

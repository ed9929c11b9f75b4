// SPDX-License-Identifier: Apache-2.0
//! What is credited for an answer, and what was for which prompt.
//!
//! # What is credited
//!
//! The executor and its auditors are credited the units of an answer if an auditor, all of which are established operators, computed the
//! same, and if at least [`JobParameters::min_serving`](crate::JobParameters::min_serving) established operators served the model when the
//! auditors were drawn. Below an audit rate of 1, an answer that is sampled with probability `p` counts `1 / p` times for its executor, and one that is audited since
//! its executor is on probation once: so probation is no privilege.
//!
//! Of a prompt only so many tokens count as its output has times [`CREDITED_PROMPT_PER_OUTPUT`](ergon_primitives::units::CREDITED_PROMPT_PER_OUTPUT),
//! since a prompt that begins like an earlier one takes next to no work, see [`Prices::credited`](ergon_primitives::units::Prices::credited). What
//! the requester pays is the whole.
//!
//! A prompt to a model, by its [`prompt_hash`](ergon_primitives::request::prompt_hash), is credited **once, by the excess**: an operator that
//! computed it may answer it again from memory, whatever `max_tokens`, `temperature`, `top_k`, `top_p`, stop strings or seed are. So a
//! longer answer to a known prompt is credited the units that it has more than those credited before. An answer that was not sampled counts
//! as credited in this. And only equal prompts are known again: one that differs in a byte is another, and so is the same one as token ids.
//!
//! An answer to a new prompt that an auditor confirmed counts towards the end of its executor's probation, whether it is credited or
//! not.
//!
//! # How long prompts are known
//!
//! Longer than weight lasts: for at least [`Config::CreditMemory`](crate::Config::CreditMemory), which is several half-lives, and at most twice as long. Else stored
//! answers could be sold again as soon as they are forgotten, and their weight would never fade.
//!
//! The prompts of two **generations** are known. New ones go to the current one, and known ones with them when more is credited for them; when
//! its time is over it becomes the last one, and what was the last one is forgotten, a few prompts a block.
//! A generation lasts longer if the one before it isn't forgotten whole by then, so that nothing is forgotten too early.
use crate::{Config, Credited, Generations, Job, Pallet, Work};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{Units, H256};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;
use sp_runtime::traits::Saturating;

/// Which prompts are known.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Generation<BlockNumber> {
    /// Number of the current generation.
    pub number: u32,
    /// Block in which it began.
    pub since: BlockNumber,
    /// Whether the last but one may still have prompts that are to be forgotten.
    pub forgetting: bool,
}

impl<BlockNumber> Generation<BlockNumber> {
    /// Those whose prompts are known, the current one first.
    fn known(&self) -> impl Iterator<Item = u32> {
        [Some(self.number), self.number.checked_sub(1)].into_iter().flatten()
    }

    /// That whose prompts are forgotten.
    fn forgotten(&self) -> Option<u32> {
        self.number.checked_sub(2).filter(|_| self.forgetting)
    }
}

impl<T: Config> Pallet<T> {
    /// Units that were credited for a prompt; `None` if it is new.
    pub(crate) fn known(prompt: &H256) -> Option<Units> {
        Generations::<T>::get()
            .known()
            .find_map(|number| Credited::<T>::get(number, prompt))
    }

    /// Remembers the prompt of an answer, and what is credited for it if it `counts`. Returns whether it is new, and the units by which the
    /// answer exceeds what was credited before.
    ///
    /// An answer that chance left out counts as credited, like those that are sampled in its place: so a prompt that is asked again and
    /// again until it is sampled is worth as much as once.
    pub(crate) fn remember(job: &Job<T::AccountId, BlockNumberFor<T>>, counts: bool) -> (bool, Units) {
        let known = Self::known(&job.prompt_hash);
        let before = known.unwrap_or(0);
        let answered = job.answer.as_ref().map_or(0, |answer| {
            job.terms.prices.credited(answer.prompt_tokens, answer.output_tokens)
        });
        let units = if counts { answered.max(before) } else { before };
        if known.is_none() || units > before {
            Credited::<T>::insert(Generations::<T>::get().number, job.prompt_hash, units);
        }
        (known.is_none(), units.saturating_sub(before))
    }

    /// Begins a generation if its time has come, and forgets some prompts of the last but one, at most [`Config::MaxPrunedPerBlock`].
    pub(crate) fn process_known(now: BlockNumberFor<T>, work: &mut Work) {
        let mut generation = Generations::<T>::get();
        if let Some(number) = generation.forgotten() {
            let most = T::MaxPrunedPerBlock::get();
            work.forgotten = Credited::<T>::drain_prefix(number).take(most as usize).count() as u32;
            generation.forgetting = work.forgotten == most;
        } else if now.saturating_sub(generation.since) >= T::CreditMemory::get() {
            generation = Generation {
                number: generation.number.saturating_add(1),
                since: now,
                forgetting: true,
            };
        } else {
            return;
        }
        Generations::<T>::put(generation);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a requester asks for.
use crate::{hash, JobId, ModelId, H256};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Longest prompt text, in bytes.
pub const MAX_PROMPT_BYTES: u32 = 16 * 1024;
/// Longest prompt given as token ids.
pub const MAX_PROMPT_TOKENS: u32 = 4096;
/// Most output tokens of one job.
pub const MAX_OUTPUT_TOKENS: u32 = 2048;
/// Longest output text, in bytes; the executor stops with [`StopReason::Length`](crate::commitment::StopReason) before it grows longer.
pub const MAX_OUTPUT_BYTES: u32 = 16 * 1024;
/// Most candidates that sampling looks at.
pub const MAX_TOP_K: u8 = 64;

/// Output text as it stands on chain: bytes, since a cut at the length limit may fall inside a character.
pub type Output = BoundedVec<u8, ConstU32<MAX_OUTPUT_BYTES>>;
/// A stop string, in bytes.
pub type StopString = BoundedVec<u8, ConstU32<64>>;

/// The final prompt, chat template already applied by the client.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Input {
    /// UTF-8 text.
    Text(BoundedVec<u8, ConstU32<MAX_PROMPT_BYTES>>),
    /// Token ids.
    Tokens(BoundedVec<u32, ConstU32<MAX_PROMPT_TOKENS>>),
}

impl Input {
    /// Upper bound of the number of prompt tokens: a token of text stands for at least one byte.
    pub fn max_tokens(&self) -> u32 {
        match self {
            Self::Text(text) => text.len() as u32,
            Self::Tokens(ids) => ids.len() as u32,
        }
    }

    /// Whether there is nothing to answer.
    pub fn is_empty(&self) -> bool {
        self.max_tokens() == 0
    }
}

/// How to decode. Fractions are in thousandths, so that no float is ever hashed.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct DecodeSettings {
    /// Most output tokens, 1 to [`MAX_OUTPUT_TOKENS`].
    pub max_tokens: u32,
    /// Temperature in thousandths; 0 is greedy decoding.
    pub temperature_milli: u16,
    /// Candidates to sample from, 1 to [`MAX_TOP_K`].
    pub top_k: u8,
    /// Probability mass to sample from, in thousandths, 1 to 1000.
    pub top_p_milli: u16,
    /// Decoding ends before the first of these in the output.
    pub stop: BoundedVec<StopString, ConstU32<4>>,
}

/// Why [`DecodeSettings`] are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettingsError {
    /// `max_tokens` is outside of its range.
    MaxTokens,
    /// `top_k` is outside of its range.
    TopK,
    /// `top_p_milli` is outside of its range.
    TopP,
    /// A stop string is empty.
    EmptyStop,
}

impl DecodeSettings {
    /// Greedy decoding of at most `max_tokens` tokens.
    pub fn greedy(max_tokens: u32) -> Self {
        Self {
            max_tokens,
            temperature_milli: 0,
            top_k: 1,
            top_p_milli: 1000,
            stop: BoundedVec::new(),
        }
    }

    /// Checks every range.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.max_tokens == 0 || self.max_tokens > MAX_OUTPUT_TOKENS {
            return Err(SettingsError::MaxTokens);
        }
        if self.top_k == 0 || self.top_k > MAX_TOP_K {
            return Err(SettingsError::TopK);
        }
        if self.top_p_milli == 0 || self.top_p_milli > 1000 {
            return Err(SettingsError::TopP);
        }
        if self.stop.iter().any(|stop| stop.is_empty()) {
            return Err(SettingsError::EmptyStop);
        }
        Ok(())
    }
}

/// Hash of what is asked for. The seed is not part of it.
pub fn request_hash(model: &ModelId, input: &Input, settings: &DecodeSettings) -> H256 {
    hash(&[b"ergon/request", &(model, input, settings).encode()])
}

/// Hash of a prompt to a model, whatever the settings: by it the same computation is known again, however it is decoded. A prompt has one
/// hash as text and another as token ids.
pub fn prompt_hash(model: &ModelId, input: &Input) -> H256 {
    hash(&[b"ergon/prompt", &(model, input).encode()])
}

/// Key of the sampling generator of a job.
///
/// A job that names its own seed leaves the beacon and its number out, so that its answer is reproducible anywhere.
pub fn sampling_key(seed: Option<u64>, job: JobId, beacon: &H256) -> H256 {
    match seed {
        Some(seed) => hash(&[b"ergon/sampling/seed", &seed.to_le_bytes()]),
        None => hash(&[b"ergon/sampling/job", &job.to_le_bytes(), &beacon.0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_seed_leaves_job_and_beacon_out() {
        let (one, two) = (H256::repeat_byte(1), H256::repeat_byte(2));
        assert_eq!(sampling_key(Some(5), 1, &one), sampling_key(Some(5), 2, &two));
        assert_ne!(sampling_key(None, 1, &one), sampling_key(None, 1, &two));
        assert_ne!(sampling_key(None, 1, &one), sampling_key(None, 2, &one));
    }

    #[test]
    fn each_setting_out_of_range_has_its_own_error() {
        let with = |change: fn(&mut DecodeSettings)| {
            let mut settings = DecodeSettings::greedy(8);
            change(&mut settings);
            settings.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|s| s.max_tokens = 0), Err(SettingsError::MaxTokens));
        assert_eq!(
            with(|s| s.max_tokens = MAX_OUTPUT_TOKENS + 1),
            Err(SettingsError::MaxTokens)
        );
        assert_eq!(with(|s| s.top_k = 0), Err(SettingsError::TopK));
        assert_eq!(with(|s| s.top_k = MAX_TOP_K + 1), Err(SettingsError::TopK));
        assert_eq!(with(|s| s.top_p_milli = 0), Err(SettingsError::TopP));
        assert_eq!(with(|s| s.top_p_milli = 1001), Err(SettingsError::TopP));
        assert_eq!(
            with(|s| s.stop.try_push(Default::default()).unwrap()),
            Err(SettingsError::EmptyStop)
        );
    }
}

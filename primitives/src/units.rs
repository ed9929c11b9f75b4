// SPDX-License-Identifier: Apache-2.0
//! How work is counted: closed forms over token counts, so the chain can count without seeing a token.
use crate::Units;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Multiply-accumulates in one unit.
pub const MACS_PER_UNIT: u128 = 1_000_000;

/// Prompt tokens that are credited at most for each output token, see [`Prices::credited`].
pub const CREDITED_PROMPT_PER_OUTPUT: u32 = 4;

/// What a model's tokens count, in multiply-accumulates.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    PartialEq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Serialize,
    Deserialize,
)]
pub struct Prices {
    /// `a`: a prompt token (every layer, no logits).
    pub prompt_token: u64,
    /// `b`: an output token (every layer and the logits).
    pub output_token: u64,
    /// `c`: one token attending to one position, over all layers and heads.
    pub attended_position: u64,
}

impl Prices {
    /// Units of a job with `prompt` and `output` tokens: `(a*n + b*m + c*sum of context lengths) / 10^6`, rounded down.
    ///
    /// Token `i` (from 1) attends to `i` positions, so the sum is `t*(t+1)/2` for `t = n + m`. Saturates at [`Units::MAX`].
    ///
    /// ```
    /// use ergon_primitives::units::Prices;
    /// let prices = Prices { prompt_token: 2_000_000, output_token: 3_000_000, attended_position: 1_000_000 };
    /// assert_eq!(prices.units(2, 1), 2 * 2 + 3 + (1 + 2 + 3));
    /// ```
    pub fn units(&self, prompt: u32, output: u32) -> Units {
        let (n, m) = (u128::from(prompt), u128::from(output));
        let contexts = (n + m) * (n + m + 1) / 2;
        let macs = u128::from(self.prompt_token)
            .saturating_mul(n)
            .saturating_add(u128::from(self.output_token).saturating_mul(m))
            .saturating_add(u128::from(self.attended_position).saturating_mul(contexts));
        Units::try_from(macs / MACS_PER_UNIT).unwrap_or(Units::MAX)
    }

    /// Units of such a job that can become weight: those of at most [`CREDITED_PROMPT_PER_OUTPUT`] prompt tokens for each output token.
    ///
    /// Commitments are of outputs only, so nothing shows that a prompt was computed: with a cache of prefixes, a prompt of thousands of
    /// tokens that differs from an earlier one in the last takes as long as one token. But each output token has to be computed one after the
    /// other from the whole prompt, and attends to all of it. So what a cache can gain is bounded by the ratio: where attention costs little, an
    /// answer counts for at most `1 + 4 * prompt_token / output_token` times what its output counts for, and where it costs most for 25/9 times
    /// what a cache leaves to be computed. A token of the output takes a device at least as long as the few prompt tokens that it brings along.
    ///
    /// ```
    /// use ergon_primitives::units::Prices;
    /// let prices = Prices { prompt_token: 1_000_000, output_token: 3_000_000, attended_position: 0 };
    /// assert_eq!(prices.credited(8, 2), prices.units(8, 2));
    /// assert_eq!(prices.credited(4_096, 2), prices.units(8, 2));
    /// ```
    pub fn credited(&self, prompt: u32, output: u32) -> Units {
        self.units(prompt.min(output.saturating_mul(CREDITED_PROMPT_PER_OUTPUT)), output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_inputs_saturate() {
        let prices = Prices {
            prompt_token: u64::MAX,
            output_token: u64::MAX,
            attended_position: u64::MAX,
        };
        assert_eq!(prices.units(u32::MAX, u32::MAX), Units::MAX);
        assert_eq!(prices.units(0, 0), 0);
    }
}

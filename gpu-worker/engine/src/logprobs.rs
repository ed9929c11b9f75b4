// SPDX-License-Identifier: Apache-2.0
//! Log-probabilities of tokens, in integers from the integer logits: equal on every machine, like the logits.
//!
//! They are those of the model itself, before temperature, top-k and top-p. A logit `mantissa * 2^exponent` that lies `d` below the
//! highest one has the *power* `floor(d * log2(e) * 2^16)`, at most 2^30, with `log2(e)` in Q30. Its weight is `2^-power` in Q40 by
//! [`exp2_neg`], rounded down, and
//!
//! `log2(probability) = -power - log2(sum of all weights)`, both in Q16,
//!
//! where the logarithm comes from 16 squarings, each rounded down. Error: below 2^-13. Only [`Logprob::natural`] is a float, for those who
//! show it.
use crate::backend::Logits;
use ergon_exact::tables::{exp2_neg, LOG2E_Q30};

/// Most tokens whose log-probabilities are given at a position.
pub const MAX_TOP_LOGPROBS: usize = 20;

/// Largest power.
const MOST: u64 = 1 << 30;
/// Fraction bits of a weight.
const WEIGHT_BITS: u32 = 40;

/// Log-probability of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Logprob {
    /// The token.
    pub token: u32,
    /// Logarithm to base 2 of its probability, Q16; at most 0.
    pub log2_q16: i32,
}

impl Logprob {
    /// The natural logarithm, as APIs want it.
    pub fn natural(&self) -> f64 {
        f64::from(self.log2_q16) * std::f64::consts::LN_2 / 65536.0
    }
}

/// Log-probabilities at one position.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenLogprobs {
    /// Of the chosen token.
    pub chosen: Logprob,
    /// Of the likeliest tokens in falling order, equals by rising id.
    pub top: Vec<Logprob>,
}

impl TokenLogprobs {
    /// Those of `chosen` and of the `top` likeliest tokens, at most [`MAX_TOP_LOGPROBS`]. O(vocabulary).
    ///
    /// # Panics
    /// If `chosen` has no logit.
    pub fn new(logits: &Logits, chosen: u32, top: usize) -> Self {
        let highest = logits.mantissas.iter().copied().max().unwrap_or(0);
        let power = |mantissa: i32| power(highest.abs_diff(mantissa), logits.exponent);
        let total: u64 = logits.mantissas.iter().map(|mantissa| weight(power(*mantissa))).sum();
        let log2_total = log2_q16(total) - i64::from(WEIGHT_BITS << 16);
        let logprob = |token: u32| {
            let log2 = -i64::from(power(logits.mantissas[token as usize])) - log2_total;
            Logprob {
                token,
                // At most 0 but for the rounding of weights.
                log2_q16: log2.min(0) as i32,
            }
        };
        Self {
            chosen: logprob(chosen),
            top: likeliest(&logits.mantissas, top.min(MAX_TOP_LOGPROBS))
                .into_iter()
                .map(logprob)
                .collect(),
        }
    }
}

/// Power of a logit `difference * 2^exponent` below the highest one, Q16.
fn power(difference: u32, exponent: i32) -> u32 {
    // Q30 at the logits' exponent: below 2^63.
    let n = u64::from(difference) * LOG2E_Q30 as u64;
    let right = 14i32.saturating_sub(exponent);
    let power = if right >= 0 {
        n.checked_shr(right.unsigned_abs()).unwrap_or(0)
    } else if n == 0 {
        0
    } else {
        // Shifted beyond 64 bits it is above the largest power.
        let left = right.unsigned_abs();
        if left < n.leading_zeros() {
            n << left
        } else {
            MOST
        }
    };
    power.min(MOST) as u32
}

/// `2^-power`, Q40.
fn weight(power: u32) -> u64 {
    let fraction = u64::from(exp2_neg(power & 0xffff)) << (WEIGHT_BITS - 16);
    fraction.checked_shr(power >> 16).unwrap_or(0)
}

/// Logarithm to base 2 of a number above 0, Q16.
fn log2_q16(x: u64) -> i64 {
    let whole = x.ilog2();
    // In [1, 2), Q63.
    let mut rest = x << (63 - whole);
    let mut log2 = i64::from(whole);
    for _ in 0..16 {
        let square = (u128::from(rest) * u128::from(rest)) >> 63;
        let carry = square >> 64 != 0;
        rest = (square >> u32::from(carry)) as u64;
        log2 = 2 * log2 + i64::from(carry);
    }
    log2
}

/// Ids of the highest logits in falling order, equals by rising id.
fn likeliest(logits: &[i32], count: usize) -> Vec<u32> {
    let mut best: Vec<(i32, u32)> = Vec::with_capacity(count + 1);
    for (id, logit) in (0..).zip(logits) {
        // Ids come in rising order, so a newcomer stands behind its equals.
        let at = best.partition_point(|entry| entry.0 >= *logit);
        if at < count {
            best.insert(at, (*logit, id));
            best.truncate(count);
        }
    }
    best.into_iter().map(|entry| entry.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{perplexity::log_likelihood, testing::Random};

    #[test]
    fn equal_logits_share_the_probability() {
        let logits = Logits {
            mantissas: vec![5; 8],
            exponent: -3,
        };
        let found = TokenLogprobs::new(&logits, 6, 3);
        assert_eq!(found.chosen.log2_q16, -3 << 16);
        assert_eq!(found.top.iter().map(|top| top.token).collect::<Vec<_>>(), [0, 1, 2]);
        assert!((found.chosen.natural() - (1.0f64 / 8.0).ln()).abs() < 1e-12);
    }

    #[test]
    fn they_are_the_logarithms_of_the_probabilities() {
        let random = &mut Random::new(1);
        for (exponent, spread) in [(-20, 24), (-16, 20), (-10, 11), (-24, 31), (-2, 4), (-40, 31)] {
            let logits = Logits {
                mantissas: (0..3000).map(|_| random.next() as i32 >> (32 - spread)).collect(),
                exponent,
            };
            let found = TokenLogprobs::new(&logits, 77, 20);
            for logprob in found.top.iter().chain([&found.chosen]) {
                let expected = log_likelihood(&logits, logprob.token);
                let error = (logprob.natural() - expected).abs();
                assert!(error < 1.3e-4, "{exponent} {spread}: {logprob:?}, {expected}");
            }
            let values: Vec<i32> = found
                .top
                .iter()
                .map(|top| logits.mantissas[top.token as usize])
                .collect();
            let mut sorted = logits.mantissas.clone();
            sorted.sort_unstable_by_key(|logit| std::cmp::Reverse(*logit));
            assert_eq!(values, sorted[..20]);
        }
    }

    #[test]
    fn extreme_logits_do_not_overflow() {
        for exponent in [-300, -64, -1, 0, 14, 15, 64, 300] {
            let logits = Logits {
                mantissas: vec![i32::MIN, i32::MAX, 0],
                exponent,
            };
            let found = TokenLogprobs::new(&logits, 0, 100);
            assert_eq!(found.top.len(), 3);
            assert!((-(1 << 30)..=0).contains(&found.chosen.log2_q16), "{found:?}");
            assert!(found.top[0].log2_q16 >= -(2 << 16), "{found:?}");
        }
    }
}

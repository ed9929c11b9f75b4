// SPDX-License-Identifier: Apache-2.0
//! The next token from logits.
//!
//! Greedy decoding takes the highest logit, the lowest id among equals. Sampling looks at the `top_k` highest (at most 64), gives each
//! the weight `2^(-(difference to the highest) * log2(e) / temperature)` in Q16, keeps the shortest prefix that holds `top_p` of
//! their sum, and picks from it by a 64-bit draw that the caller takes from the job's generator.
use crate::tables::{exp2_neg, LOG2E_Q30};

/// Most candidates.
pub const MAX_TOP_K: usize = 64;

/// How to choose. Fractions are in thousandths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Temperature in thousandths; 0 is greedy decoding.
    pub temperature_milli: u16,
    /// Candidates, 1 to 64; others are clamped to that.
    pub top_k: u8,
    /// Probability mass in thousandths, 1 to 1000.
    pub top_p_milli: u16,
}

/// The highest logit, the lowest id among equals; 0 if there are none.
pub fn greedy(logits: &[i32]) -> u32 {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

/// Highest logits in falling order, equals by rising id.
struct Candidates {
    entries: [(i32, u32); MAX_TOP_K],
    len: usize,
}

impl Candidates {
    fn of(logits: &[i32], k: usize) -> Self {
        let mut this = Self {
            entries: [(0, 0); MAX_TOP_K],
            len: 0,
        };
        for (id, logit) in logits.iter().enumerate() {
            if this.len < k || *logit > this.entries[this.len - 1].0 {
                this.insert(*logit, id as u32, k);
            }
        }
        this
    }

    /// Ids come in rising order, so a newcomer stands behind its equals.
    fn insert(&mut self, logit: i32, id: u32, k: usize) {
        let at = self.entries[..self.len].partition_point(|entry| entry.0 >= logit);
        self.len = (self.len + 1).min(k);
        self.entries.copy_within(at..self.len - 1, at + 1);
        self.entries[at] = (logit, id);
    }
}

/// Weight of a candidate `difference` below the highest logit, Q16: 65536 for 0.
///
/// With `n = floor(difference * LOG2E_Q30 * 1000 / temperature_milli)` (Q30 at the logits' exponent) the power is
/// `n * 2^(exponent - 14)` in Q16, rounded down, at most 2^31. Needs a temperature above 0.
fn weight(difference: u32, exponent: i32, temperature_milli: u16) -> u32 {
    let n = u128::from(difference) * LOG2E_Q30 as u128 * 1000 / u128::from(temperature_milli);
    let right = 14i32.saturating_sub(exponent);
    let power = if right >= 0 {
        n >> right.min(127)
    } else if n >> 32 != 0 || right < -32 {
        // Shifted left it is beyond 2^31 or it is 0.
        n.min(1) << 31
    } else {
        n << -right
    };
    exp2_neg(power.min(1 << 31) as u32)
}

/// Number of leading candidates that together hold `top_p_milli` of the sum, and their sum.
fn nucleus(weights: &[u32], top_p_milli: u16) -> (usize, u64) {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let mut sum = 0;
    for (i, weight) in weights.iter().enumerate() {
        sum += u64::from(*weight);
        if sum * 1000 >= total * u64::from(top_p_milli) {
            return (i + 1, sum);
        }
    }
    (weights.len(), sum)
}

/// The next token from logits of value `logit * 2^exponent`; `draw` is a number of the job's generator, unused in greedy decoding.
///
/// The pick is the first of the kept candidates at which the running sum of weights exceeds `draw * sum / 2^64` (rounded down).
/// 0 if there are no logits.
pub fn sample(logits: &[i32], exponent: i32, settings: Settings, draw: u64) -> u32 {
    if settings.temperature_milli == 0 {
        return greedy(logits);
    }
    let candidates = Candidates::of(logits, usize::from(settings.top_k).clamp(1, MAX_TOP_K));
    let candidates = &candidates.entries[..candidates.len];
    let Some((highest, _)) = candidates.first() else {
        return 0;
    };
    let mut weights = [0; MAX_TOP_K];
    for (out, (logit, _)) in weights.iter_mut().zip(candidates) {
        *out = weight(highest.abs_diff(*logit), exponent, settings.temperature_milli);
    }
    let (kept, sum) = nucleus(&weights[..candidates.len()], settings.top_p_milli);
    let mut left = ((u128::from(draw) * u128::from(sum)) >> 64) as u64;
    for ((_, id), weight) in candidates[..kept].iter().zip(weights) {
        if left < u64::from(weight) {
            return *id;
        }
        left -= u64::from(weight);
    }
    candidates[0].1
}

// SPDX-License-Identifier: Apache-2.0
//! Perplexity: how well a model predicts a text. Reporting only, so floats are welcome here.
use crate::backend::{Backend, Error, Logits};

/// Tokens whose logits are held at once.
const CHUNK: usize = 64;

/// A measured perplexity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perplexity {
    /// `exp` of the mean negative log-likelihood of a predicted token.
    pub value: f64,
    /// Number of predicted tokens.
    pub predicted: usize,
}

/// Perplexity over `tokens` in windows of `window`: each window starts from scratch, and its first token is not predicted.
///
/// `observe` is told how many tokens are done. O(`tokens` * `window`) work; holds the logits of 64 positions.
pub fn perplexity(
    backend: &dyn Backend,
    tokens: &[u32],
    window: usize,
    mut observe: impl FnMut(usize),
) -> Result<Perplexity, Error> {
    let (mut loss, mut predicted, mut done) = (0.0, 0, 0);
    for window in tokens.chunks(window.max(1)) {
        let mut sequence = backend.sequence(window.len())?;
        for chunk in window.chunks(CHUNK) {
            let next = window.iter().skip(sequence.len() + 1).copied();
            for (position, next) in sequence.forward(chunk, chunk.len())?.iter().zip(next) {
                let logits = position.logits.as_ref().expect("a sequence gives them");
                loss -= log_likelihood(logits, next);
                predicted += 1;
            }
            done += chunk.len();
            observe(done);
        }
    }
    Ok(Perplexity {
        value: libm::exp(loss / predicted as f64),
        predicted,
    })
}

/// Natural logarithm of the probability that `logits` give to `token`.
pub fn log_likelihood(logits: &Logits, token: u32) -> f64 {
    let value = |mantissa: &i32| libm::ldexp(f64::from(*mantissa), logits.exponent);
    let highest = logits.mantissas.iter().max().map_or(0.0, value);
    let sum: f64 = logits
        .mantissas
        .iter()
        .map(|mantissa| libm::exp(value(mantissa) - highest))
        .sum();
    let own = logits.mantissas.get(token as usize).map_or(f64::NEG_INFINITY, value);
    own - highest - libm::log(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::CpuBackend, testing};
    use std::sync::Arc;

    #[test]
    fn equal_logits_share_the_probability() {
        let logits = Logits {
            mantissas: vec![5; 8],
            exponent: -3,
        };
        assert!((log_likelihood(&logits, 3) - (1.0f64 / 8.0).ln()).abs() < 1e-12);
        assert_eq!(log_likelihood(&logits, 8), f64::NEG_INFINITY);
    }

    #[test]
    fn a_logit_higher_by_one_is_e_times_as_likely() {
        let logits = Logits {
            mantissas: vec![1 << 10, 0],
            exponent: -10,
        };
        assert!((log_likelihood(&logits, 0) - log_likelihood(&logits, 1) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn every_token_but_the_first_of_a_window_is_predicted() {
        let model = testing::model(testing::DIMENSIONS, true, 1);
        let backend = CpuBackend::new(Arc::new(model));
        let tokens = testing::Random::new(2).tokens(150, 256);
        let mut seen = 0;
        let measured = perplexity(&backend, &tokens, 100, |done| seen = done).unwrap();
        assert_eq!((measured.predicted, seen), (148, 150));
        assert!(measured.value.is_finite() && measured.value > 1.0);
        let first = perplexity(&backend, &tokens[..100], 100, |_| ()).unwrap();
        let second = perplexity(&backend, &tokens[100..], 100, |_| ()).unwrap();
        let joined = (first.value.ln() * 99.0 + second.value.ln() * 49.0) / 148.0;
        assert!((joined - measured.value.ln()).abs() < 1e-9);
    }
}

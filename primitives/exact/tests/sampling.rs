// SPDX-License-Identifier: Apache-2.0
//! Sampling against sorting and `f64`.
use ergon_exact::sampling::{greedy, sample, Settings};
use proptest::{collection::vec, prelude::*};

fn settings(temperature_milli: u16, top_k: u8, top_p_milli: u16) -> Settings {
    Settings {
        temperature_milli,
        top_k,
        top_p_milli,
    }
}

/// Ids by falling logit, equals by rising id.
fn sorted(logits: &[i32]) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    ids.sort_by_key(|id| (std::cmp::Reverse(logits[*id as usize]), *id));
    ids
}

/// Logits with many equals.
fn logits() -> impl Strategy<Value = Vec<i32>> {
    vec(
        prop_oneof![any::<i32>(), -5..5i32, Just(i32::MIN), Just(i32::MAX)],
        1..200,
    )
}

proptest! {
    #[test]
    fn greedy_takes_the_lowest_of_the_highest(logits in logits(), draw in any::<u64>()) {
        prop_assert_eq!(greedy(&logits), sorted(&logits)[0]);
        prop_assert_eq!(sample(&logits, 0, settings(0, 64, 1000), draw), greedy(&logits));
    }

    #[test]
    fn any_settings_choose_one_of_the_top_k(
        logits in logits(), exponent in prop_oneof![any::<i32>(), -40..10i32], temperature in any::<u16>(), k in any::<u8>(),
        p in any::<u16>(), draw in any::<u64>()
    ) {
        let token = sample(&logits, exponent, settings(temperature, k, p), draw);
        let top = &sorted(&logits)[..usize::from(k.clamp(1, 64)).min(logits.len())];
        prop_assert!(top.contains(&token));
    }

    #[test]
    fn a_tiny_nucleus_or_one_candidate_is_greedy(logits in logits(), exponent in -40..10i32, draw in any::<u64>()) {
        prop_assert_eq!(sample(&logits, exponent, settings(1000, 1, 1000), draw), greedy(&logits));
        prop_assert_eq!(sample(&logits, exponent, settings(1000, 64, 1), draw), greedy(&logits));
    }

    /// Draws at even distances see each candidate as often as the distribution says.
    #[test]
    fn candidates_are_drawn_by_their_probability(
        logits in vec(-60_000..60_000i32, 1..90), temperature in 100..3000u16, k in 1..65u8, p in 100..=1000u16
    ) {
        const DRAWS: u64 = 4_000;
        let exponent = -14;
        let mut counts = vec![0u32; logits.len()];
        for i in 0..DRAWS {
            counts[sample(&logits, exponent, settings(temperature, k, p), u64::MAX / DRAWS * i) as usize] += 1;
        }
        let top = sorted(&logits);
        let top = &top[..usize::from(k).min(top.len())];
        let weight = |id: &u32| (f64::from(logits[*id as usize]) * f64::from(exponent).exp2() * 1000.0 / f64::from(temperature)).exp();
        let total: f64 = top.iter().map(weight).sum();
        let mut kept = 0.0;
        let mut expected = vec![0.0; logits.len()];
        for id in top {
            // At the edge of the nucleus the rounded weights may decide otherwise; such cases say nothing.
            let edge = (kept / total - f64::from(p) / 1000.0).abs();
            prop_assume!(edge > 1e-3 || kept == 0.0 || p == 1000);
            if kept < total * f64::from(p) / 1000.0 {
                kept += weight(id);
                expected[*id as usize] = weight(id);
            }
        }
        for (count, expected) in counts.iter().zip(expected) {
            prop_assert!((f64::from(*count) / DRAWS as f64 - expected / kept).abs() < 2e-3, "{count} {expected} {kept}");
        }
    }
}

#[test]
fn equal_logits_are_drawn_in_the_order_of_their_ids() {
    let draws = [0, u64::MAX / 4 + 1, u64::MAX / 2 + 1, u64::MAX];
    assert_eq!(
        draws.map(|draw| sample(&[7; 9], 0, settings(1000, 4, 1000), draw)),
        [0, 1, 2, 3]
    );
}

#[test]
fn no_logits_give_token_0() {
    assert_eq!((greedy(&[]), sample(&[], 0, settings(1000, 5, 900), 1)), (0, 0));
}

#[test]
fn more_than_64_candidates_are_never_looked_at() {
    let logits: Vec<i32> = (0..100).rev().collect();
    let chosen = sample(&logits, -60, settings(u16::MAX, 255, 1000), u64::MAX);
    assert_eq!(
        chosen, 63,
        "all are as likely, so the last draw takes the last candidate"
    );
}

// SPDX-License-Identifier: Apache-2.0
//! What holds for all numbers, and in all histories.
use super::{credit, weight};
use crate::{
    mock::*,
    weight::{average, average_of_all, units_for, HalfLives},
    Schedule, KEPT_EPOCHS,
};
use ergon_primitives::{
    traits::{Contributions as _, Source},
    Units,
};
use proptest::prelude::*;

/// Index of the end of epochs from 0 on, and how much of it the last one took.
fn epochs(elapsed: u32, half_life: u32) -> (HalfLives, HalfLives) {
    let mut schedule = Schedule::default();
    schedule.begin(0, half_life, false);
    let span = schedule.span(elapsed.saturating_sub(1));
    if elapsed == 0 {
        (0, 0)
    } else {
        (span.end, span.end - span.start)
    }
}

fn average_after(previous: u64, units: u64, elapsed: u32, half_life: u32) -> u64 {
    let (elapsed, last) = epochs(elapsed, half_life);
    average(previous, units, elapsed, last)
}

/// The average in floating point.
fn model(previous: u64, units: u64, elapsed: u32, half_life: u32) -> f64 {
    let kept = |epochs: u32| (-f64::from(epochs) / f64::from(half_life)).exp2();
    match elapsed {
        0 => previous as f64,
        _ => previous as f64 * kept(elapsed) + units as f64 * -(-(2f64.ln()) / f64::from(half_life)).exp_m1(),
    }
}

/// One step of a random history of four operators.
#[derive(Clone, Debug)]
enum Step {
    Credit(u64, Units),
    Audit(u64, Units),
    /// So many epochs in which others do what doesn't weigh.
    Advance(u32),
    /// So many epochs of which at most the first isn't void.
    Idle(u32),
    Forfeit(u64),
    /// Governance wants another half-life.
    Want(u32),
}

fn steps(forfeits: bool) -> impl Strategy<Value = Vec<Step>> {
    let operator = 0u64..4;
    let step = prop_oneof![
        6 => (operator.clone(), 0u64..1 << 50).prop_map(|(who, units)| Step::Credit(who, units)),
        1 => (operator.clone(), 0u64..1 << 50).prop_map(|(who, units)| Step::Audit(who, units)),
        4 => (1u32..4).prop_map(Step::Advance),
        1 => (1u32..400).prop_map(Step::Advance),
        2 => (1u32..30).prop_map(Step::Idle),
        u32::from(forfeits) => operator.prop_map(Step::Forfeit),
        2 => (1u32..40).prop_map(Step::Want),
    ];
    prop::collection::vec(step, 1..80)
}

fn take(step: &Step) {
    match step {
        Step::Credit(who, units) => credit(*who, *units),
        Step::Audit(who, units) => Contributions::credit(who, Source::Audit, *units),
        Step::Advance(epochs) => (0..*epochs).for_each(|_| go_to(Now::get() + 1)),
        Step::Idle(epochs) => (0..*epochs).for_each(|_| idle_until(Now::get() + 1)),
        Step::Forfeit(who) => Contributions::forfeit(who),
        Step::Want(half_life) => Wanted::set(*half_life),
    }
}

proptest! {
    #[test]
    fn the_average_is_within_one_unit_of_the_exact_one(
        previous in 0u64..1 << 40, units in 0u64..1 << 40, elapsed in 0u32..2_000, half_life in 1u32..1_000,
    ) {
        let error = average_after(previous, units, elapsed, half_life) as f64 - model(previous, units, elapsed, half_life);
        prop_assert!(error.abs() <= 1.001, "{error}");
    }

    #[test]
    fn the_average_is_right_for_all_inputs(previous: u64, units: u64, elapsed: u32, half_life in 1u32..) {
        let exact = model(previous, units, elapsed, half_life);
        let error = average_after(previous, units, elapsed, half_life) as f64 - exact;
        // The model itself is only good to 53 bits.
        let precision = (previous as f64 + units as f64) * f64::exp2(-50.0);
        prop_assert!(error.abs() <= 32.0 + precision, "{error}");
        prop_assert!(average_after(previous, units, elapsed, half_life) <= previous.max(units));
    }

    #[test]
    fn units_for_a_weight_are_the_least_that_are_worth_it(weight in 1u64..1 << 56, half_life in 1u32..100) {
        let (epoch, _) = epochs(1, half_life);
        let units = units_for(weight, epoch).unwrap();
        prop_assert_eq!(average(0, units, epoch, epoch), weight);
        prop_assert_eq!(average(0, units - 1, epoch, epoch), weight - 1);
    }

    #[test]
    fn the_sum_of_parts_is_never_more_than_the_average_of_all(
        parts in prop::collection::vec((0u64..1 << 50, 0u64..1 << 50), 1..50),
        elapsed in 0u32..5_000,
        half_life in 1u32..100,
    ) {
        let sum: u64 = parts.iter().map(|(previous, units)| average_after(*previous, *units, elapsed, half_life)).sum();
        let (elapsed, last) = epochs(elapsed, half_life);
        let (previous, units) = (parts.iter().map(|part| part.0).sum(), parts.iter().map(|part| part.1).sum());
        let all = average_of_all(previous, units, elapsed, last);
        prop_assert!(sum <= all && all - sum <= 10 + parts.len() as u64, "{sum} {all}");
    }

    #[test]
    fn invariants_hold_in_every_history(history in steps(true)) {
        build_and_execute(|| for step in &history {
            take(step);
            Contributions::do_try_state().unwrap();
        });
    }

    #[test]
    fn weights_and_total_follow_the_model(history in steps(false)) {
        build_and_execute(|| {
            let (mut weights, mut open, mut half_life) = ([0f64; 4], [0u64; 4], HALF_LIFE);
            let mut void = true;
            for step in &history {
                match step {
                    Step::Credit(who, units) => {
                        open[*who as usize] += units;
                        void &= *units == 0;
                    }
                    Step::Audit(_, units) => void &= *units == 0,
                    // The epoch that closes still has the half-life that it began with.
                    Step::Advance(epochs) | Step::Idle(epochs) => for _ in 0..*epochs {
                        if !void || matches!(step, Step::Advance(_)) {
                            for (weight, open) in weights.iter_mut().zip(&mut open) {
                                *weight = *weight * model(1, 0, 1, half_life) + *open as f64 * model(0, 1, 1, half_life);
                                *open = 0;
                            }
                        }
                        void = true;
                        half_life = Wanted::get();
                    },
                    Step::Forfeit(_) | Step::Want(_) => {}
                }
                take(step);
                for (who, expected) in weights.iter().enumerate() {
                    let found = weight(who as u64) as f64;
                    assert!((found - expected).abs() < 10.0 + expected / 1e9, "{found} {expected}");
                }
                let (sum, total) = (weights.iter().sum::<f64>(), Contributions::total() as f64);
                // What is added for roundings in each epoch, 8, fades as slowly as in 40: to 8 / (1 - 2^(-1/40)) at most.
                assert!((total - sum).abs() < 500.0 + sum / 1e9, "{total} {sum}");
            }
        });
    }

    #[test]
    fn past_weights_never_change(history in steps(false)) {
        build_and_execute(|| {
            let mut seen = vec![];
            for step in &history {
                take(step);
                let now = Now::get();
                while seen.len() <= now as usize {
                    let epoch = seen.len() as u32;
                    seen.push(([0, 1, 2, 3].map(|who| Contributions::weight_at(&who, epoch)), Contributions::total_at(epoch)));
                }
                let oldest = (now + 1).saturating_sub(KEPT_EPOCHS);
                for epoch in oldest..=now {
                    let (weights, total) = seen[epoch as usize];
                    assert_eq!([0, 1, 2, 3].map(|who| Contributions::weight_at(&who, epoch)), weights, "{epoch} in {now}");
                    assert_eq!(Contributions::total_at(epoch), total, "{epoch} in {now}");
                }
            }
        });
    }
}

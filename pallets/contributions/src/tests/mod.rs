// SPDX-License-Identifier: Apache-2.0
mod half_life;
mod properties;
mod unreadable;
mod void;

use crate::{
    mock::*,
    weight::{self, average},
    Event, Records, Total, UnitsBySource, KEPT_EPOCHS,
};
use ergon_primitives::{
    traits::{Contributions as _, Source},
    Units,
};

fn credit(operator: u64, units: Units) {
    Contributions::credit(&operator, Source::Job, units);
}

fn weight(operator: u64) -> u64 {
    Contributions::weight(&operator)
}

/// What one epoch of `units` is worth at its end.
fn earned(units: Units) -> u64 {
    let epoch = weight::HALF_LIFE / u128::from(HALF_LIFE);
    average(0, units, epoch, epoch)
}

#[test]
fn units_count_only_after_their_epoch() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        assert_eq!((weight(1), Contributions::total()), (0, 0));
        System::assert_last_event(
            Event::Credited {
                operator: 1,
                epoch: 0,
                source: Source::Job,
                units: 1_000_000,
            }
            .into(),
        );
        Now::set(1);
        // 1 - 2^(-1/4) = 0.159103584...
        assert_eq!(weight(1), 159_103);
        assert!((159_103..159_120).contains(&Contributions::total()));
    });
}

#[test]
fn the_listener_is_told_of_what_changed_something() {
    build_and_execute(|| {
        Contributions::credit(&1, Source::Job, 0);
        Contributions::forfeit(&1);
        assert_eq!(Told::get(), []);
        credit(1, 5);
        Contributions::credit(&2, Source::Audit, 5);
        Contributions::forfeit(&1);
        assert_eq!(Told::get(), [(1, true), (2, true), (1, false)]);
    });
}

#[test]
fn genesis_weights_count_from_epoch_1_on_and_fade() {
    build_with_weights(&[(1, 600_000), (2, 300_000), (3, 100_000)], || {
        assert_eq!((weight(1), Contributions::total()), (0, 0));
        Contributions::do_try_state().unwrap();
        Now::set(1);
        assert_eq!([1, 2, 3].map(weight), [600_000, 300_000, 100_000]);
        assert!((1_000_000..1_000_020).contains(&Contributions::total()));
        Contributions::do_try_state().unwrap();
        Now::set(1 + HALF_LIFE);
        assert_eq!([1, 2, 3].map(weight), [300_000, 150_000, 50_000]);
    });
}

#[test]
fn work_of_the_first_epoch_adds_to_a_genesis_weight() {
    build_with_weights(&[(1, 600_000)], || {
        credit(1, 1_000_000);
        Now::set(1);
        assert!(weight(1).abs_diff(600_000 + earned(1_000_000)) <= 1);
    });
}

#[test]
fn a_genesis_weight_can_be_forfeited() {
    build_with_weights(&[(1, 600_000), (2, 300_000)], || {
        Now::set(1);
        Contributions::forfeit(&1);
        assert_eq!((weight(1), weight(2)), (0, 300_000));
        assert!((300_000..300_020).contains(&Contributions::total()));
    });
}

#[test]
fn the_listener_is_told_of_genesis_weights() {
    build_with_weights(&[(1, 5), (2, 0), (3, 5)], || {
        assert_eq!(Told::get(), [(1, true), (3, true)], "a weight of 0 is none");
    });
}

#[test]
#[should_panic(expected = "1 has two genesis weights")]
fn no_account_has_two_genesis_weights() {
    build_with_weights(&[(1, 5), (2, 5), (1, 5)], || {});
}

#[test]
#[should_panic(expected = "the genesis weights up to 2's are too large")]
fn genesis_weights_whose_units_overflow_are_refused() {
    build_with_weights(&[(1, 1 << 61), (2, 1 << 61)], || {});
}

#[test]
fn credits_of_one_epoch_add_up() {
    build_and_execute(|| {
        credit(1, 600_000);
        credit(1, 400_000);
        Now::set(1);
        assert_eq!(weight(1), earned(1_000_000));
    });
}

#[test]
fn an_idle_operator_loses_half_its_weight_per_half_life() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        Now::set(1);
        let start = weight(1);
        Now::set(1 + HALF_LIFE);
        assert_eq!(weight(1), start / 2);
        Now::set(1 + 2 * HALF_LIFE);
        assert_eq!(weight(1), start / 4);
        Now::set(1 + 65 * HALF_LIFE);
        assert_eq!((weight(1), Contributions::total()), (0, 0));
    });
}

#[test]
fn steady_work_tends_to_the_units_of_one_epoch() {
    build_and_execute(|| {
        for epoch in 0..20 * HALF_LIFE {
            Now::set(epoch);
            credit(1, 1_000_000);
            assert!(weight(1) < 1_000_000);
        }
        assert!(weight(1) > 999_980, "{}", weight(1));
    });
}

#[test]
fn a_weight_does_not_depend_on_when_somebody_looked() {
    build_and_execute(|| {
        for epoch in 0..30 {
            Now::set(epoch);
            if epoch % 7 == 0 {
                credit(1, 1_000_000);
                credit(2, 1_000_000);
            }
            // Operator 2's record is written in every epoch, with credits that don't weigh; so its roundings differ,
            // and only they.
            Contributions::credit(&2, Source::Audit, 1);
            assert!(
                weight(1).abs_diff(weight(2)) <= 1 + u64::from(epoch),
                "{} {}",
                weight(1),
                weight(2)
            );
            let looked = weight(1);
            Contributions::total();
            assert_eq!(weight(1), looked);
        }
    });
}

#[test]
fn sources_are_kept_apart_and_only_jobs_weigh() {
    build_and_execute(|| {
        credit(1, 1_000);
        Contributions::credit(&1, Source::Audit, 70_000);
        Contributions::credit(&2, Source::Audit, 70_000);
        assert_eq!(
            Contributions::units_in(&1, 0),
            UnitsBySource {
                job: 1_000,
                audit: 70_000
            }
        );
        Now::set(1);
        assert_eq!(
            Contributions::units_in(&1, 0),
            UnitsBySource {
                job: 1_000,
                audit: 70_000
            }
        );
        assert_eq!(Contributions::units_in(&1, 1), UnitsBySource::default());
        assert_eq!((weight(1), weight(2)), (earned(1_000), 0));
    });
}

#[test]
fn a_credit_of_nothing_leaves_no_trace() {
    build_and_execute(|| {
        frame_support::assert_storage_noop!(credit(1, 0));
    });
}

#[test]
fn past_weights_are_answered() {
    build_and_execute(|| {
        let mut seen = vec![];
        for epoch in 0..12 {
            Now::set(epoch);
            seen.push((weight(1), Contributions::total()));
            if epoch % 3 != 1 {
                credit(1, 1_000_000 * u64::from(epoch + 1));
            }
        }
        for (epoch, (weight, total)) in seen.iter().enumerate() {
            assert_eq!(Contributions::weight_at(&1, epoch as u32), *weight, "{epoch}");
            assert_eq!(Contributions::total_at(epoch as u32), *total, "{epoch}");
        }
    });
}

#[test]
fn a_future_epoch_reads_as_the_current_one() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        assert_eq!(Contributions::weight_at(&1, 1), 0);
        Now::set(1);
        credit(1, 1_000_000);
        assert_eq!(Contributions::weight_at(&1, 9), weight(1));
        assert_eq!(Contributions::total_at(9), Contributions::total());
    });
}

#[test]
fn history_is_bounded_and_exact_as_far_back_as_it_goes() {
    build_and_execute(|| {
        let mut seen = vec![];
        let last = 2 * KEPT_EPOCHS;
        for epoch in 0..=last {
            Now::set(epoch);
            seen.push(weight(1));
            credit(1, 1_000_000);
        }
        let record = Records::<Test>::get(1).unwrap();
        assert_eq!(
            record.worked.len(),
            KEPT_EPOCHS as usize + 1,
            "the closed ones, and the open one"
        );
        for epoch in last - KEPT_EPOCHS + 1..=last {
            assert_eq!(Contributions::weight_at(&1, epoch), seen[epoch as usize]);
        }
        assert_eq!(Contributions::weight_at(&1, last - KEPT_EPOCHS), 0);
    });
}

#[test]
fn a_fraudster_loses_units_weight_and_past_weights() {
    build_and_execute(|| {
        for epoch in 0..3 {
            Now::set(epoch);
            credit(1, 1_000_000);
            credit(2, 500_000);
        }
        Contributions::credit(&1, Source::Audit, 3);
        let (lost, kept) = (weight(1), weight(2));
        Contributions::forfeit(&1);
        System::assert_last_event(
            Event::Forfeited {
                operator: 1,
                weight: lost,
            }
            .into(),
        );
        assert_eq!(weight(1), 0);
        assert_eq!(Contributions::weight_at(&1, 1), 0);
        assert_eq!(Contributions::units_in(&1, 2), UnitsBySource::default());
        assert_eq!(weight(2), kept);
        assert!((kept..kept + 50).contains(&Contributions::total()));
        assert_eq!(
            Total::<Test>::get().units_in(2),
            UnitsBySource { job: 500_000, audit: 0 }
        );
        // Its current units don't come back either.
        Now::set(3);
        assert_eq!(weight(1), 0);
        assert!((weight(2)..weight(2) + 50).contains(&Contributions::total()));
    });
}

#[test]
fn forfeiting_lowers_the_total_after_idle_epochs_too() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        credit(2, 1_000_000);
        Now::set(6);
        Contributions::forfeit(&1);
        let kept = weight(2);
        assert!((kept..kept + 50).contains(&Contributions::total()));
        Contributions::do_try_state().unwrap();
        Contributions::forfeit(&2);
        assert!(Contributions::total() < 50);
    });
}

#[test]
fn forfeiting_nothing_changes_nothing() {
    build_and_execute(|| {
        credit(1, 1);
        frame_support::assert_storage_noop!(Contributions::forfeit(&2));
        // In the first epoch there is no weight yet, but there are units.
        Contributions::forfeit(&1);
        assert_eq!(Total::<Test>::get().units_in(0), UnitsBySource::default());
    });
}

#[test]
fn the_largest_credits_saturate() {
    build_and_execute(|| {
        credit(1, Units::MAX);
        credit(1, Units::MAX);
        assert_eq!(Contributions::units_in(&1, 0).job, Units::MAX);
        Now::set(1);
        assert_eq!(weight(1), earned(Units::MAX));
    });
}

#[test]
fn invariants_notice_a_total_that_is_too_low() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        let total = Total::<Test>::take();
        assert!(Contributions::do_try_state().is_err());
        Now::set(1);
        assert!(Contributions::do_try_state().is_err());
        Total::<Test>::put(total);
    });
}

#[test]
fn invariants_notice_epochs_out_of_order() {
    build_and_execute(|| {
        for epoch in 0..3 {
            Now::set(epoch);
            credit(1, 1);
        }
        let record = Records::<Test>::get(1).unwrap();
        let mut swapped = record.clone();
        swapped.worked.as_mut().swap(0, 1);
        Records::<Test>::insert(1, swapped);
        assert!(Contributions::do_try_state().is_err());
        Records::<Test>::insert(1, record);
    });
}

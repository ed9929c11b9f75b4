// SPDX-License-Identifier: Apache-2.0
//! Governance changes the half-life.
use super::{credit, weight};
use crate::{mock::*, Event, HalfLives, Schedule, HALF_LIFE_EPOCHS, KEPT_EPOCHS};
use ergon_primitives::traits::Contributions as _;

#[test]
fn a_change_holds_from_the_next_epoch_on() {
    build_with_weights(&[(1, 800_000)], || {
        go_to(1);
        Wanted::set(1);
        assert_eq!(weight(1), 800_000);
        go_to(2);
        System::assert_last_event(Event::HalfLifeChanged { epoch: 2, half_life: 1 }.into());
        // Epoch 1 took a quarter of the old half-life, 2^(-1/4) = 0.840896415..., and epoch 2 takes all of the new one.
        assert_eq!(weight(1), 672_717);
        go_to(3);
        assert_eq!(weight(1), 336_358);
        go_to(4);
        assert_eq!(weight(1), 168_179);
    });
}

#[test]
fn units_of_an_epoch_count_by_the_half_life_that_it_began_with() {
    build_and_execute(|| {
        Wanted::set(1);
        credit(1, 1_000_000);
        go_to(1);
        // 1 - 2^(-1/4) = 0.159103584...
        assert_eq!(weight(1), 159_103);
        credit(2, 1_000_000);
        Wanted::set(HALF_LIFE);
        go_to(2);
        assert_eq!(weight(2), 500_000);
    });
}

#[test]
fn only_what_is_wanted_when_an_epoch_begins_counts() {
    build_and_execute(|| {
        let before = HalfLives::<Test>::get();
        Wanted::set(9);
        Wanted::set(HALF_LIFE);
        go_to(1);
        assert_eq!(HalfLives::<Test>::get(), before);
        Wanted::set(9);
        Contributions::begin_epoch();
        let changed = HalfLives::<Test>::get();
        assert_eq!(changed.changes().len(), 2);
        Wanted::set(10);
        Contributions::begin_epoch();
        assert_eq!(HalfLives::<Test>::get(), changed, "an epoch has one half-life");
    });
}

#[test]
fn a_change_touches_no_weight_that_can_be_read() {
    build_and_execute(|| {
        let mut seen = vec![];
        for epoch in 0..10 {
            go_to(epoch);
            credit(1, 1_000_000);
            credit(2, 300_000);
            seen.push((weight(1), weight(2), Contributions::total()));
        }
        for half_life in [1, 100, 7] {
            Wanted::set(half_life);
            go_to(Now::get() + 1);
            for (epoch, seen) in (0..).zip(&seen) {
                let weights = [1, 2].map(|who| Contributions::weight_at(&who, epoch));
                assert_eq!(
                    (weights[0], weights[1], Contributions::total_at(epoch)),
                    *seen,
                    "{epoch}"
                );
            }
        }
    });
}

#[test]
fn a_record_may_rest_longer_than_changes_are_kept() {
    build_with_weights(&[(1, 1 << 50)], || {
        go_to(1);
        credit(2, 1 << 50);
        // From epoch 2 on, each has another half-life than the one before.
        for epoch in 0..64 {
            Wanted::set(if epoch % 2 == 0 { 3 } else { 2 });
            go_to(2 + epoch);
            Contributions::do_try_state().unwrap();
        }
        assert_eq!(HalfLives::<Test>::get().changes().len(), KEPT_EPOCHS as usize + 1);
        // Epoch 1 took a quarter, the last one isn't over, and 31 pairs of a third and a half are, with a third more.
        let half_lives = 0.25 + 31.0 * (1.0 / 3.0 + 0.5) + 1.0 / 3.0;
        let expected = f64::exp2(50.0 - half_lives);
        let found = weight(1) as f64;
        assert!((found - expected).abs() < 2.0, "{found} {expected}");
        assert!(weight(2) > 0 && Contributions::total() >= weight(1) + weight(2));
    });
}

#[test]
fn weights_before_the_changes_that_are_kept_read_0() {
    build_with_weights(&[(1, 1 << 50)], || {
        for epoch in 1..=KEPT_EPOCHS + 1 {
            Wanted::set(HALF_LIFE + epoch % 2);
            go_to(epoch);
        }
        let now = KEPT_EPOCHS + 1;
        assert_eq!(Contributions::weight_at(&1, 0), 0);
        assert!(Contributions::weight_at(&1, now - KEPT_EPOCHS) > 0);
        Wanted::set(100);
        go_to(now + 1);
        assert_eq!(Contributions::weight_at(&1, 1), 0);
        assert!(Contributions::weight_at(&1, now + 1 - KEPT_EPOCHS) > 0);
    });
}

#[test]
fn invariants_notice_half_lives_out_of_order() {
    build_and_execute(|| {
        let good = HalfLives::<Test>::get();
        let mut early = good.clone();
        assert!(early.begin(1, 9, false));
        HalfLives::<Test>::put(early);
        assert!(Contributions::do_try_state().is_err(), "it begins in the future");
        HalfLives::<Test>::put(good);
    });
}

#[test]
fn a_whole_half_life_is_whole_whenever_it_begins() {
    for half_life in [1, 3, 7, 60, 540] {
        let mut schedule = Schedule::default();
        assert!(schedule.begin(0, half_life, false));
        for epoch in [0, 1, 5, 1_000_003] {
            let index = |epoch| schedule.index_at(epoch).unwrap();
            assert_eq!(index(epoch + half_life) - index(epoch), crate::weight::HALF_LIFE);
        }
    }
}

#[test]
fn work_becomes_weight_within_weeks_at_the_longest_half_life() {
    build_and_execute(|| {
        Wanted::set(*HALF_LIFE_EPOCHS.end());
        idle_until(1);
        // A proposal takes a tenth of what a worker at full load earns in an epoch of 4 hours.
        let mut epochs = 0;
        while weight(1) < 100_000 {
            credit(1, 1_000_000);
            epochs += 1;
            idle_until(1 + epochs);
        }
        assert!((80..90).contains(&epochs), "{epochs} epochs, two weeks");
    });
}

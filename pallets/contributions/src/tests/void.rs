// SPDX-License-Identifier: Apache-2.0
//! Epochs in which nobody is credited anything.
use super::{credit, weight};
use crate::{mock::*, Event, HalfLives, KEPT_EPOCHS};
use ergon_primitives::traits::{Contributions as _, Source};

#[test]
fn no_weight_decays_while_nobody_is_credited() {
    build_with_weights(&[(1, 600_000), (2, 300_000)], || {
        (1..1_000).for_each(idle_until);
        assert_eq!([1, 2].map(weight), [600_000, 300_000], "nor do genesis weights");
        assert!((900_000..900_020).contains(&Contributions::total()));
        // When work begins again, weights decay as if there had been no pause.
        (1_000..1_000 + 2 * HALF_LIFE).for_each(go_to);
        assert_eq!([1, 2].map(weight), [150_000, 75_000]);
    });
}

#[test]
fn an_idle_operator_loses_weight_only_while_others_work() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        go_to(1);
        let start = weight(1);
        let mut epoch = 1;
        for _ in 0..HALF_LIFE {
            credit(2, 1);
            idle_until(epoch + 1);
            idle_until(epoch + 2);
            epoch += 2;
        }
        assert_eq!(weight(1), start / 2, "half of the epochs were void");
    });
}

#[test]
fn an_epoch_with_audits_alone_is_not_void() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        idle_until(1);
        let start = weight(1);
        for epoch in 1..=HALF_LIFE {
            Contributions::credit(&2, Source::Audit, 1);
            idle_until(epoch + 1);
        }
        assert_eq!(weight(1), start / 2);
    });
}

#[test]
fn the_units_of_a_fraudster_alone_leave_an_epoch_void() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        idle_until(1);
        let start = weight(1);
        credit(2, 5);
        Contributions::forfeit(&2);
        idle_until(2);
        assert_eq!(weight(1), start);
        // Taking weight away in and after void epochs leaves the total in order.
        credit(3, 1_000_000);
        idle_until(3);
        idle_until(4);
        Contributions::forfeit(&3);
        Contributions::do_try_state().unwrap();
        assert!((weight(1)..weight(1) + 50).contains(&Contributions::total()));
    });
}

#[test]
fn a_half_life_may_change_while_epochs_are_void() {
    build_and_execute(|| {
        credit(1, 1_000_000);
        idle_until(1);
        let start = weight(1);
        idle_until(2);
        Wanted::set(1);
        idle_until(3);
        System::assert_last_event(Event::HalfLifeChanged { epoch: 3, half_life: 1 }.into());
        idle_until(4);
        assert_eq!(weight(1), start);
        go_to(5);
        assert_eq!(weight(1), start / 2);
        assert_eq!(System::events().len(), 3, "two credits, and one change");
    });
}

#[test]
fn void_epochs_take_no_room_and_past_weights_stay_exact() {
    build_and_execute(|| {
        let mut seen = vec![];
        for epoch in 0..200 {
            // Long runs of void epochs, and such that alternate with others.
            if epoch % 50 < 10 && epoch % 2 == 0 {
                credit(1, 1_000_000);
            }
            seen.push((weight(1), Contributions::total()));
            let oldest = (epoch + 1u32).saturating_sub(KEPT_EPOCHS);
            for past in oldest..=epoch {
                let found = (Contributions::weight_at(&1, past), Contributions::total_at(past));
                assert_eq!(found, seen[past as usize], "{past} in {epoch}");
            }
            idle_until(epoch + 1);
            Contributions::do_try_state().unwrap();
        }
        assert!(HalfLives::<Test>::get().changes().len() <= KEPT_EPOCHS as usize + 1);
    });
}

#[test]
fn an_epoch_begins_once() {
    build_and_execute(|| {
        credit(1, 1);
        idle_until(1);
        idle_until(2);
        let schedule = HalfLives::<Test>::get();
        Contributions::begin_epoch();
        assert_eq!(HalfLives::<Test>::get(), schedule);
    });
}

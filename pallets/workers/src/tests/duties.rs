// SPDX-License-Identifier: Apache-2.0
use super::{audit, execution, stream, DEMAND, MODEL, ROOM};
use crate::{
    duties::{FORGIVEN_AFTER, MAX_DOUBLINGS},
    mock::*,
    Error, Event, Operators, Status,
};
use ergon_primitives::traits::{Demand, Duty, Room, Workers as _, ALL_ROOM};
use frame_support::{assert_noop, assert_ok, assert_storage_noop};
use std::collections::BTreeMap;

fn blocks(blocks: u64) -> Demand {
    Demand {
        bound: blocks * RATE,
        rate: RATE,
    }
}

/// Obliges somebody to a duty; the room that it takes.
fn take(duty: Duty, demand: Demand) -> Option<Room> {
    match duty {
        Duty::Execution => Workers::draw_executor(&MODEL, &demand, &mut stream(0), &[]).map(|(_, room)| room),
        Duty::Audit => {
            let drawn = Workers::draw_auditor(&MODEL, System::block_number(), &mut stream(0), &[])?;
            Workers::oblige_auditor(&drawn, &demand)
        }
    }
}

fn draw(duty: Duty, demand: Demand) -> bool {
    take(duty, demand).is_some()
}

fn taken(operator: u64) -> (u64, u64) {
    let entry = Operators::<Test>::get(operator).unwrap();
    (entry.executing, entry.auditing)
}

/// Lets the operator forget what it was drawn for.
fn done(operator: u64) {
    Operators::<Test>::mutate_extant(operator, |entry| {
        (entry.executing, entry.auditing, entry.obligations) = (0, 0, 0);
    });
}

#[test]
fn executions_take_half_of_the_budget_and_audits_the_other() {
    build_and_execute(|| {
        serve([1]);
        for _ in 0..BUDGET / 2 {
            assert!(draw(Duty::Execution, DEMAND));
        }
        assert_storage_noop!(assert!(!draw(Duty::Execution, DEMAND)));
        for _ in 0..BUDGET / 2 {
            assert!(draw(Duty::Audit, DEMAND));
        }
        assert_storage_noop!(assert!(!draw(Duty::Audit, DEMAND)));
        assert_eq!(taken(1), (ALL_ROOM, ALL_ROOM));
        Workers::release(&1, Duty::Execution, ROOM);
        assert!(!draw(Duty::Audit, DEMAND));
        assert!(draw(Duty::Execution, DEMAND));
        assert_eq!(Operators::<Test>::get(1).unwrap().obligations, BUDGET + 1);
        done(1);
    });
}

#[test]
fn one_duty_larger_than_the_budget_is_taken_alone() {
    build_and_execute(|| {
        serve([1]);
        for duty in [Duty::Execution, Duty::Audit] {
            assert_eq!(take(duty, blocks(1_000)), Some(1_000 * ROOM));
            assert!(!draw(duty, DEMAND));
        }
        Workers::release(&1, Duty::Execution, 1_000 * ROOM);
        assert!(draw(Duty::Execution, DEMAND));
        assert!(!draw(Duty::Execution, blocks(5)));
        done(1);
    });
}

#[test]
fn operators_full_of_jobs_still_check_each_others() {
    build_and_execute(|| {
        serve(1..=2);
        while execution(&[]).is_some() {}
        assert_eq!(audit(&[1]), Some(2));
        assert_eq!(audit(&[2]), Some(1));
        (1..=2).for_each(done);
    });
}

#[test]
fn a_budget_grows_with_the_work_that_weight_shows() {
    build_and_execute(|| {
        serve([1]);
        let least = u64::from(BUDGET) * 1_000;
        assert_eq!(Workers::budget(&1, RATE), least);
        // Three times the rate, in each block of the epoch.
        Weights::set(BTreeMap::from([(1, 3 * RATE * u64::from(EPOCH))]));
        assert_eq!(Workers::budget(&1, RATE), 3 * least);
        assert_eq!(Workers::budget(&1, 6 * RATE), least);
        Weights::set(BTreeMap::from([(1, u64::MAX)]));
        assert_eq!(Workers::budget(&1, 0), Workers::budget(&1, 1));
    });
}

/// Budgets differ by model: that of a slow one is many blocks at its rate for an operator whose weight shows that it is fast.
#[test]
fn a_fast_operator_owes_no_more_than_a_budget_with_several_models_either() {
    build_and_execute(|| {
        serve([1]);
        // As fast as a model of ten times the rate demands.
        Weights::set(BTreeMap::from([(1, 10 * RATE * u64::from(EPOCH))]));
        let of_rate = |rate| Demand { bound: RATE, rate };
        for (duty, rates) in [(Duty::Execution, [10, 3, 1]), (Duty::Audit, [10, 1, 3])] {
            let mut units = 0;
            for rate in rates {
                while draw(duty, of_rate(rate * RATE)) && units < 1_000 * RATE {
                    units += RATE;
                }
            }
            assert_eq!(units, u64::from(BUDGET) / 2 * 10 * RATE);
        }
        done(1);
    });
}

#[test]
fn what_is_given_back_is_what_was_taken_even_if_budgets_changed_meanwhile() {
    build_and_execute(|| {
        serve([1]);
        let before = take(Duty::Execution, DEMAND).unwrap();
        Weights::set(BTreeMap::from([(1, 10 * RATE * u64::from(EPOCH))]));
        let after = take(Duty::Execution, DEMAND).unwrap();
        assert_eq!((before, after), (ROOM, ROOM / 10));
        Workers::release(&1, Duty::Execution, before);
        Workers::release(&1, Duty::Execution, after);
        assert_eq!(taken(1), (0, 0));
        done(1);
    });
}

/// However an operator is loaded, within its budget and at whatever times, it keeps every deadline if it works at the registered rate, half of
/// the time for either kind of duty, and does what came first.
#[test]
fn a_full_budget_can_be_kept_at_the_registered_rate() {
    struct Open {
        room: Room,
        left: u64,
        deadline: u64,
    }
    for seed in 0..10 {
        build_and_execute(|| {
            serve([1]);
            let (mut draws, mut closest) = (stream(seed), u64::MAX);
            let mut open = [(Duty::Execution, Vec::<Open>::new()), (Duty::Audit, Vec::new())];
            for now in 0..300u64 {
                for (duty, queue) in &mut open {
                    for _ in 0..10 {
                        let bound = [1, 3, 10, 50, 250, 800, 3_000][draws.below(7) as usize];
                        let demand = Demand { bound, rate: RATE };
                        if let Some(room) = take(*duty, demand) {
                            let time = u64::from(BUDGET) + 2 * demand.load().div_ceil(1_000);
                            queue.push(Open {
                                room,
                                left: bound,
                                deadline: now + time,
                            });
                        }
                    }
                    let mut work = RATE / 2;
                    while let Some(first) = queue.first_mut().filter(|_| work > 0) {
                        let step = first.left.min(work);
                        (first.left, work) = (first.left - step, work - step);
                        if first.left == 0 {
                            let done = queue.remove(0);
                            assert!(now < done.deadline, "seed {seed}: missed in block {now}");
                            closest = closest.min(done.deadline - now);
                            Workers::release(&1, *duty, done.room);
                            Workers::discharge(&1);
                        }
                    }
                }
            }
            assert!(closest <= 3, "the budget was never full: {closest}");
            done(1);
        });
    }
}

#[test]
fn too_many_misses_in_a_row_suspend_until_resumed() {
    build_and_execute(|| {
        serve([1]);
        Workers::note_missed(&1);
        assert_eq!(Workers::serving(&MODEL), 1);
        Workers::note_missed(&1);
        System::assert_last_event(Event::Suspended { operator: 1 }.into());
        assert_eq!(Operators::<Test>::get(1).unwrap().status, Status::Suspended);
        assert_eq!(Workers::serving(&MODEL), 0);
        assert_eq!(execution(&[]), None);
        assert_eq!(audit(&[]), None);
        // What it was drawn for before may be missed as well, without another event.
        System::reset_events();
        Workers::note_missed(&1);
        assert!(System::events().is_empty());
        pass(SUSPENSION);
        assert_ok!(Workers::resume(signed(hot(1))));
        let entry = Operators::<Test>::get(1).unwrap();
        assert_eq!(
            (entry.status, entry.misses_in_row, entry.missed),
            (Status::Active, 0, 3)
        );
        lists_follow();
        assert_eq!(audit(&[]), Some(1));
        done(1);
    });
}

#[test]
fn each_suspension_takes_twice_as_long_until_enough_was_kept() {
    build_and_execute(|| {
        serve([1]);
        let suspend = || {
            (0..MAX_MISSES).for_each(|_| Workers::note_missed(&1));
            let resumable = Operators::<Test>::get(1).unwrap().resumable;
            let time = resumable - System::block_number();
            System::set_block_number(resumable - 1);
            assert_noop!(Workers::resume(signed(1)), Error::<Test>::SuspendedForLonger);
            // Draining shortens nothing, nor does leaving.
            assert_ok!(Workers::drain(signed(1)));
            assert_noop!(Workers::resume(signed(1)), Error::<Test>::SuspendedForLonger);
            assert_noop!(Workers::remove(signed(1)), Error::<Test>::SuspendedForLonger);
            System::set_block_number(resumable);
            assert_ok!(Workers::resume(signed(1)));
            time
        };
        for suspension in 0..MAX_DOUBLINGS + 3 {
            assert_eq!(suspend(), SUSPENSION << suspension.min(MAX_DOUBLINGS));
        }
        (1..FORGIVEN_AFTER).for_each(|_| Workers::note_kept(&1));
        assert_eq!(suspend(), SUSPENSION << MAX_DOUBLINGS);
        (0..FORGIVEN_AFTER).for_each(|_| Workers::note_kept(&1));
        assert_eq!(suspend(), SUSPENSION);
    });
}

/// An operator with many duties that failed misses all of their deadlines, most of them while it is suspended already. Each of these counted towards
/// the next suspension, so that it had too many when it came back.
#[test]
fn deadlines_missed_while_suspended_do_not_count_again_after_it() {
    build_and_execute(|| {
        serve([1]);
        (0..3 * MAX_MISSES).for_each(|_| Workers::note_missed(&1));
        System::set_block_number(Operators::<Test>::get(1).unwrap().resumable);
        assert_ok!(Workers::resume(signed(1)));
        let entry = Operators::<Test>::get(1).unwrap();
        assert_eq!(
            (entry.missed, entry.misses_in_row, entry.suspensions),
            (3 * MAX_MISSES, 0, 1)
        );
        (1..MAX_MISSES).for_each(|_| Workers::note_missed(&1));
        assert_eq!(Operators::<Test>::get(1).unwrap().status, Status::Active);
    });
}

/// An operator that left and came back was suspended for the shortest time again, however often it had been.
#[test]
fn leaving_and_coming_back_wipes_no_slate_clean() {
    build_and_execute(|| {
        register([1]);
        let suspend = || {
            (0..MAX_MISSES).for_each(|_| Workers::note_missed(&1));
            let resumable = Operators::<Test>::get(1).unwrap().resumable;
            let time = resumable - System::block_number();
            pass(time);
            time
        };
        assert_eq!(suspend(), SUSPENSION);
        assert_ok!(Workers::remove(signed(1)));
        register([1]);
        Workers::note_missed(&1);
        leave(1);
        register([1]);
        assert_eq!(Operators::<Test>::get(1).unwrap().misses_in_row, 1);
        Workers::note_kept(&1);
        assert_eq!(suspend(), 2 * SUSPENSION);
        // What is forgiven isn't held against it either.
        assert_ok!(Workers::resume(signed(1)));
        (0..FORGIVEN_AFTER).for_each(|_| Workers::note_kept(&1));
        leave(1);
        register([1]);
        assert_eq!(suspend(), SUSPENSION);
    });
}

/// Draining, missing at will, and resuming is no way around suspension.
#[test]
fn an_operator_that_drains_is_suspended_for_misses_all_the_same() {
    build_and_execute(|| {
        register([1]);
        for _ in 0..MAX_MISSES - 1 {
            Workers::note_missed(&1);
        }
        assert_ok!(Workers::drain(signed(1)));
        assert_ok!(Workers::resume(signed(1)));
        assert_ok!(Workers::drain(signed(1)));
        Workers::note_missed(&1);
        System::assert_last_event(Event::Suspended { operator: 1 }.into());
        assert_noop!(Workers::resume(signed(1)), Error::<Test>::SuspendedForLonger);
        assert_ok!(Workers::drain(signed(1)));
        pass(SUSPENSION);
        assert_ok!(Workers::resume(signed(1)));
        assert_eq!(Workers::serving(&MODEL), 1);
    });
}

#[test]
fn a_kept_deadline_ends_the_row_of_misses() {
    build_and_execute(|| {
        register([1]);
        for _ in 0..5 {
            Workers::note_missed(&1);
            Workers::note_kept(&1);
        }
        let entry = Operators::<Test>::get(1).unwrap();
        assert_eq!((entry.status, entry.kept, entry.missed), (Status::Active, 5, 5));
    });
}

#[test]
fn notes_about_unknown_operators_change_nothing() {
    build_and_execute(|| {
        assert_storage_noop!({
            Workers::release(&9, Duty::Audit, ROOM);
            Workers::discharge(&9);
            Workers::reweigh(&9, &MODEL);
            Workers::note_kept(&9);
            Workers::note_missed(&9);
            Workers::jail(&9);
        });
    });
}

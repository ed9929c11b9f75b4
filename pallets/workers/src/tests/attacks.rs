// SPDX-License-Identifier: Apache-2.0
//! What attackers tried on a running network.
use super::{draw_auditor, draw_executor, stream, DEMAND, MODEL, ROOM};
use crate::{mock::*, Operators, Probation};
use ergon_primitives::traits::{Duty, Workers as _};
use frame_support::assert_ok;

/// 1,000 accounts that joined by tickets beside 10 operators that have done work: they get a tenth of the executions and none of the audits.
#[test]
fn a_thousand_newcomers_get_a_tenth_of_the_executions_and_no_audit() {
    new_test_ext().execute_with(|| {
        System::set_block_number(1);
        Weights::set((1..=10).map(|honest| (honest, 1_000)).collect());
        register(1..=10);
        for newcomer in 10_000..11_000 {
            Workers::keep_alive(&newcomer);
            crate::Sponsored::<Test>::insert(newcomer, ());
            Workers::begin_probation(&newcomer);
            register([newcomer]);
        }
        while crate::Changes::<Test>::iter_keys().next().is_some() {
            pass(1);
        }
        assert_eq!((Workers::serving(&MODEL), Workers::established(&MODEL)), (1_010, 10));
        let mut newcomers = 0;
        for round in 0..1_000 {
            let executor = draw_executor(&MODEL, &DEMAND, &mut stream(round), &[]).unwrap();
            newcomers += u32::from(executor > 10);
            let now = System::block_number();
            let auditor = draw_auditor(&MODEL, &DEMAND, now, &mut stream(round), &[executor]).unwrap();
            assert!(auditor <= 10);
            for (who, duty) in [(executor, Duty::Execution), (auditor, Duty::Audit)] {
                Workers::release(&who, duty, ROOM);
                Workers::discharge(&who);
            }
        }
        assert!((1..=102).contains(&newcomers), "{newcomers} of 1000");
        Workers::do_try_state().unwrap();
    });
}

/// Operators on probation that serve a model alone can't vouch for each other.
#[test]
fn newcomers_alone_find_no_auditor() {
    build_and_execute(|| {
        for newcomer in 1..=3 {
            Probation::<Test>::insert(newcomer, 0);
        }
        serve(1..=3);
        let drawn = draw_auditor(&MODEL, &DEMAND, 10, &mut stream(0), &[1]);
        assert_eq!(drawn, None);
        assert_eq!(Workers::established(&MODEL), 0);
        Workers::note_stood(&2, 1);
        lists_follow();
        let drawn = draw_auditor(&MODEL, &DEMAND, 10, &mut stream(0), &[1]);
        assert_eq!(drawn, Some(2));
    });
}

/// An operator that drains at every answer and resumes at once has its duties all the same, and others keep their credit.
#[test]
fn draining_at_each_answer_dodges_no_audit() {
    build_and_execute(|| {
        serve([1, 2]);
        for round in 0..20 {
            let answered = System::block_number();
            assert_ok!(Workers::drain(signed(1)));
            pass(LIST_DELAY);
            assert_eq!(Workers::established(&MODEL), 2);
            let drawn = draw_auditor(&MODEL, &DEMAND, answered, &mut stream(round), &[2]);
            assert_eq!(drawn, Some(1));
            assert_ok!(Workers::resume(signed(1)));
            lists_follow();
            Operators::<Test>::mutate_extant(1, |entry| (entry.auditing, entry.obligations) = (0, 0));
        }
    });
}

/// Nobody that is asked for many jobs is drawn for so many audits that it can't do them in time.
#[test]
fn one_operators_jobs_do_not_drive_another_into_suspension() {
    build_and_execute(|| {
        serve([1, 2]);
        let audits = (0..200)
            .filter(|round| draw_auditor(&MODEL, &DEMAND, 10, &mut stream(*round), &[1]) == Some(2))
            .count();
        assert_eq!(audits, BUDGET as usize / 2);
        Operators::<Test>::mutate_extant(2, |entry| (entry.auditing, entry.obligations) = (0, 0));
    });
}

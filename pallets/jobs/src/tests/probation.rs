// SPDX-License-Identifier: Apache-2.0
//! Jobs of operators on probation: what the audits and the registry hear of them.
use crate::{mock::*, Event, State};
use frame_support::assert_ok;
use pallet_audits::AuditParameters;

/// Few answers are audited but those of operators on probation.
fn seldom() -> Chain {
    let audits = AuditParameters {
        rate: pallet_audits::MIN_RATE,
        ..Default::default()
    };
    Chain {
        audits,
        ..Default::default()
    }
}

#[test]
fn with_the_lowest_rate_jobs_of_newcomers_are_audited_all_the_same() {
    seldom().build_and_execute(|| {
        Newcomers::set(&vec![(1, 0)]);
        let mut audited = [0, 0];
        for _ in 0..12 {
            let id = auditing();
            let newcomer = executor(id) == 1;
            assert_eq!(auditors(id).len(), usize::from(newcomer));
            audited[usize::from(newcomer)] += 1;
            if newcomer {
                attest_all(id, &honest_header(id));
            }
            assert_ok!(reveal(id));
            assert_eq!(job(id).credited, if newcomer { UNITS } else { 0 });
        }
        assert!(audited.iter().all(|count| *count > 0), "{audited:?}");
        assert_eq!(
            Stood::get(),
            vec![(1, AuditSettings::get().probation_jobs); audited[1]],
            "each of the newcomer's counts"
        );
    });
}

#[test]
fn a_repeated_prompt_does_not_count_for_probation() {
    Chain::default().build_and_execute(|| {
        Newcomers::set(&vec![(1, 0), (2, 0), (3, 0)]);
        // Somebody established audits.
        Operators::set(&vec![1, 2, 3, 4, 5, 6, 7]);
        let repeat = |number| {
            assert_ok!(crate::Pallet::<Test>::submit(
                signed(REQUESTER),
                MODEL,
                prompt(number),
                ergon_primitives::request::DecodeSettings::greedy(4),
                None
            ));
            let id = crate::NextJob::<Test>::get() - 1;
            run_to(System::block_number() + 2);
            Newcomers::set(&vec![(executor(id), 0)]);
            assert_ok!(answer(id));
            run_to(System::block_number() + 3);
            attest_all(id, &honest_header(id));
            assert_ok!(reveal(id));
            (state(id), Stood::get().len())
        };
        assert_eq!(repeat(77), (State::Settled, 1));
        assert_eq!(repeat(77), (State::Settled, 1));
        assert_eq!(repeat(78), (State::Settled, 2));
    });
}

#[test]
fn the_registry_hears_of_a_disputed_answer() {
    Chain::default().build_and_execute(|| {
        let id = auditing();
        let mut wrong = honest_header(id);
        wrong.output_tokens += 1;
        attest_all(id, &wrong);
        take_events();
        assert_ok!(reveal(id));
        assert!(matches!(take_events().last(), Some(Event::Disputed { .. })));
        assert_eq!((Disputed::get(), Stood::get()), (vec![executor(id)], vec![]));
    });
}

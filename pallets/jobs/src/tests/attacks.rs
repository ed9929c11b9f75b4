// SPDX-License-Identifier: Apache-2.0
//! What attackers tried on a running network.
use crate::{mock::*, Event, State};
use ergon_primitives::{
    request::DecodeSettings,
    traits::{Source, Workers},
    JobId,
};
use frame_support::assert_ok;
use pallet_audits::AuditParameters;

fn ask(number: u64, max_tokens: u32) -> JobId {
    let id = crate::NextJob::<Test>::get();
    let settings = DecodeSettings::greedy(max_tokens);
    assert_ok!(Jobs::submit(signed(REQUESTER), MODEL, prompt(number), settings, None));
    run_to(System::block_number() + 2);
    id
}

/// The executor answers with so many tokens, auditors agree if there are any, and it reveals. Returns what it was credited.
fn answered(id: JobId, output_tokens: u32) -> u64 {
    let mut header = honest_header(id);
    header.output_tokens = output_tokens;
    assert_ok!(answer_as(hot(executor(id)), id, &header));
    run_to(System::block_number() + 3);
    if !auditors(id).is_empty() {
        attest_all(id, &header);
    }
    assert_ok!(Jobs::reveal(signed(hot(executor(id))), id, SEAL, header));
    job(id).credited
}

/// Three keys that joined by tickets send jobs to themselves, invent roots, and attest each other's.
#[test]
fn newcomers_that_attest_each_other_earn_nothing() {
    Chain::default().build_and_execute(|| {
        Newcomers::set(&vec![(1, 0), (2, 0), (3, 0)]);
        for number in 0..10 {
            let id = ask(number, 4);
            assert_eq!(answered(id, 4), 0);
            assert_eq!(state(id), State::Unaudited);
        }
        assert_eq!((Credits::get(), Stood::get()), (vec![], vec![]));
    });
}

/// An answer of a network that is too small for credit counts for probation, or nobody there could ever become established.
#[test]
fn a_small_network_can_establish_newcomers() {
    Chain::default().build_and_execute(|| {
        Newcomers::set(&vec![(1, 0)]);
        Operators::set(&vec![1, 2]);
        let id = loop {
            let id = ask(System::block_number(), 4);
            if executor(id) == 1 {
                break id;
            }
            assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        };
        // One established operator, where two are demanded.
        assert_eq!(FakeWorkers::established(&MODEL), 1);
        assert_eq!(answered(id, 2), 0);
        assert_eq!((state(id), Stood::get().len()), (State::Settled, 1));
    });
}

/// Bob's one-token job took the credit of Alice's 300 tokens.
#[test]
fn a_short_answer_takes_no_credit_from_a_longer_one() {
    Chain::default().build_and_execute(|| {
        let (short, long) = (ask(7, 1), ask(7, 4));
        assert_eq!(answered(short, 1), 4 + 10);
        assert_eq!(answered(long, 4), 31, "the tokens that the first answer hasn't");
        let (again, longer) = (ask(7, 3), ask(7, 9));
        assert_eq!(answered(again, 3), 0);
        assert_eq!(answered(longer, 9), 50);
        let jobs = Credits::get()
            .into_iter()
            .filter(|(_, source, _)| *source == Source::Job);
        assert_eq!(jobs.map(|(_, _, units)| units).sum::<u64>(), 5 + 90);
    });
}

/// Below an audit rate of 1, a prompt that is asked again and again until its answer is sampled is worth no more than once.
#[test]
fn a_prompt_repeated_until_it_is_sampled_is_worth_once() {
    let audits = AuditParameters {
        rate: sp_runtime::Permill::from_percent(20),
        ..Default::default()
    };
    let chain = || Chain {
        audits,
        ..Default::default()
    };
    let (mut repeated, mut different) = (0, 0);
    for seed in 0..60 {
        chain().build_and_execute(|| {
            // The fake beacon is a function of the block.
            System::set_block_number(1_000 * seed + 1);
            for lane in [crate::Lane::Delays, crate::Lane::Deadlines, crate::Lane::Retention] {
                crate::AgendaCursor::<Test>::insert(lane, 1_000 * seed);
            }
            repeated += (0..8).map(|_| answered(ask(7, 4), 2)).sum::<u64>();
            different += answered(ask(8, 4), 2);
        });
    }
    // 60 prompts of 25 units, asked eight times or once: 1,500 on average, with a deviation of 390.
    assert!((700..2_700).contains(&different), "{different}");
    assert!((500..2_900).contains(&repeated), "{repeated}");
}

/// An executor that would rather have been sampled keeps silent and asks the prompt again: it is known by then.
#[test]
fn an_answer_that_is_not_sampled_and_not_revealed_is_known_all_the_same() {
    let audits = AuditParameters {
        rate: pallet_audits::MIN_RATE,
        ..Default::default()
    };
    Chain {
        audits,
        ..Default::default()
    }
    .build_and_execute(|| {
        let id = ask(7, 4);
        assert_ok!(answer(id));
        run_to(System::block_number() + 3);
        assert!(job(id).answer.unwrap().unsampled);
        run_to(System::block_number() + 6);
        assert_eq!(state(id), State::Voided);
        AuditSettings::set(&AuditParameters::default());
        let again = ask(7, 4);
        assert_eq!(answered(again, 2), 0);
        assert_eq!(state(again), State::Settled);
    });
}

/// Any number of answers that wait for busy auditors leaves blocks room for others' jobs.
#[test]
fn answers_that_wait_for_auditors_stop_nobody_elses_jobs() {
    let jobs = crate::JobParameters {
        audit_timeout: 200,
        ..Chain::default().jobs
    };
    Chain {
        jobs,
        ..Default::default()
    }
    .build_and_execute(|| {
        Places::set(&1_000);
        MaxQueued::set(&1_000);
        BusyAuditors::set(&(1..=9).collect());
        let waiting: Vec<_> = (0..100).map(|_| submit_to(OTHER)).collect();
        while waiting.iter().any(|id| state(*id) == State::Queued) {
            next_block();
            for id in &waiting {
                if state(*id) == State::Assigned {
                    assert_ok!(answer(*id));
                }
            }
        }
        run_to(System::block_number() + 20);
        let id = submit();
        run_to(System::block_number() + 12);
        assert_ne!(state(id), State::Queued);
    });
}

/// An executor that claims next to nothing gave its auditors 11 blocks for a computation of minutes.
#[test]
fn what_an_executor_claims_shortens_no_deadline() {
    Chain::default().build_and_execute(|| {
        let long = crate::UncheckedInput::Text(vec![b'a'; 60].try_into().unwrap());
        assert_ok!(Jobs::submit(
            signed(REQUESTER),
            MODEL,
            long,
            DecodeSettings::greedy(40),
            None
        ));
        run_to(3);
        let mut header = honest_header(0);
        (header.prompt_tokens, header.output_tokens) = (1, 1);
        assert_ok!(answer_as(hot(executor(0)), 0, &header));
        run_to(6);
        // 60 * 1 + 40 * 10 units at 100 a block.
        assert_eq!(job(0).due, Some(6 + 4 + 2 * 5));
    });
}

/// A model whose prices rise while a job is under way: what is credited was reserved.
#[test]
fn no_answer_is_credited_more_than_was_reserved() {
    Chain::default().build_and_execute(|| {
        let id = ask(7, 4);
        let (terms, bound) = (job(id).terms, job(id).bound);
        // Whatever the registry says now.
        MoreModels::set(&vec![]);
        let credited = answered(id, 4);
        assert_eq!((job(id).terms, credited), (terms, 5 + 40));
        assert!(credited <= bound);
    });
}

/// A dead executor holds a job up for at most twice the time of its bound, and the margin.
#[test]
fn a_dead_executor_holds_a_job_up_for_twice_its_bound_and_the_margin() {
    Chain::default().build_and_execute(|| {
        for max_tokens in [1, 20, 90] {
            let id = ask(u64::from(max_tokens), max_tokens);
            let blocks = job(id).bound.div_ceil(100);
            let since = System::block_number();
            take_events();
            run_to(since + 4 + 2 * blocks - 1);
            assert_eq!(state(id), State::Assigned);
            next_block();
            assert!(matches!(take_events()[0], Event::Reassigned { .. }));
            assert_ok!(Jobs::cancel(signed(REQUESTER), id));
        }
    });
}

/// Prompts that differ in their last bytes take a cache of prefixes next to no work: thousands of tokens were credited for a few computed.
#[test]
fn prompts_that_share_a_prefix_are_credited_for_few_tokens_of_it() {
    Chain::default().build_and_execute(|| {
        for last in [b'x', b'y'] {
            let id = crate::NextJob::<Test>::get();
            let text = [vec![b'a'; 79], vec![last]].concat().try_into().unwrap();
            let input = crate::UncheckedInput::Text(text);
            let settings = DecodeSettings::greedy(1);
            assert_ok!(Jobs::submit(signed(REQUESTER), MODEL, input, settings, None));
            run_to(System::block_number() + 2);
            let mut header = honest_header(id);
            (header.prompt_tokens, header.output_tokens) = (80, 1);
            assert_ok!(answer_as(hot(executor(id)), id, &header));
            run_to(System::block_number() + 3);
            attest_all(id, &header);
            assert_ok!(Jobs::reveal(signed(hot(executor(id))), id, SEAL, header));
            // Four tokens for the one in the output; the requester pays for all.
            assert_eq!((job(id).credited, job(id).answer.unwrap().units), (4 + 10, 80 + 10));
        }
        assert!(Credits::get().iter().all(|(_, _, units)| *units == 14));
    });
}

/// Stored answers were credited again once their jobs were forgotten, after a tenth of a half-life.
#[test]
fn an_answer_from_memory_earns_nothing_long_after_its_job_is_forgotten() {
    Chain::default().build_and_execute(|| {
        let first = ask(7, 4);
        assert_eq!(answered(first, 2), UNITS);
        let credited = System::block_number();
        run_to(credited + 60);
        assert_eq!(Jobs::job(first), None);
        for _ in 0..3 {
            let again = ask(7, 4);
            assert_eq!(answered(again, 2), 0);
            run_to(System::block_number() + 20);
        }
        assert!(System::block_number() - credited > CreditMemory::get());
        // After two generations it is new again.
        run_to(credited + 3 * CreditMemory::get());
        let late = ask(7, 4);
        assert_eq!(answered(late, 2), UNITS);
    });
}

/// However many prompts a generation has, those that are to be known stay known, and a block forgets a few of the others.
#[test]
fn prompts_are_forgotten_a_few_a_block_and_never_too_early() {
    Chain::default().build_and_execute(|| {
        CreditMemory::set(&4);
        let hash = ergon_primitives::H256::from_low_u64_be;
        let (few, many) = (MaxPrunedPerBlock::get(), 5 * MaxPrunedPerBlock::get() + 1);
        (0..many).for_each(|number| crate::Credited::<Test>::insert(0, hash(number.into()), 1));
        run_to(8);
        let (number, mut left) = (crate::Generations::<Test>::get().number, many);
        assert_eq!(number, 2, "its time is over");
        while left > 0 {
            assert_eq!(crate::Credited::<Test>::iter_prefix(0).count() as u32, left);
            assert_eq!(crate::Generations::<Test>::get().number, number, "the next one waits");
            check_invariants();
            next_block();
            left = left.saturating_sub(few);
        }
        run_to(System::block_number() + 1);
        assert_eq!(crate::Generations::<Test>::get().number, number + 1);
    });
}

/// A large answer whose auditor always had a small audit left was never checked: small ones took the room as soon as it was given back.
#[test]
fn small_audits_do_not_keep_a_large_one_from_its_auditor() {
    let jobs = crate::JobParameters {
        deadline_margin: 100,
        audit_timeout: 200,
        refund_delay: 100,
        retention: 200,
        dispute_retention: 200,
        ..Chain::default().jobs
    };
    Chain {
        jobs,
        ..Default::default()
    }
    .build_and_execute(|| {
        // Only the second audits, and takes a large audit only if it has no other.
        Newcomers::set(&vec![(1, 0)]);
        Operators::set(&vec![1, 2]);
        AuditRoom::set(&30);
        Places::set(&10);
        let answered = |max_tokens| {
            let id = loop {
                let id = ask(System::block_number(), max_tokens);
                if executor(id) == 1 {
                    break id;
                }
                assert_ok!(Jobs::cancel(signed(REQUESTER), id));
            };
            assert_ok!(answer(id));
            run_to(System::block_number() + 3);
            id
        };
        let (first, large, later) = (answered(2), answered(4), answered(2));
        let states = || [first, large, later].map(state);
        assert_eq!(states(), [State::Auditing, State::Answered, State::Answered]);
        attest_all(first, &honest_header(first));
        next_block();
        assert_eq!(states()[1..], [State::Auditing, State::Answered]);
        next_block();
        assert_eq!(states()[1..], [State::Auditing, State::Auditing]);
    });
}

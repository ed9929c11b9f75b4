// SPDX-License-Identifier: Apache-2.0
//! Parameters that governance changes while jobs are under way.
use crate::{
    chain::{begin_epoch, dev, key, run_block, signed},
    market::{account, answer, job, open_market, submit, wait_for},
};
use codec::Encode;
use ergon_primitives::{
    traits::{Contributions as _, Parameters as _, Source},
    ModelId,
};
use ergon_runtime::{
    check_invariants, compute,
    configs::CURVE,
    parameters::{work, HalfLifeInForce, InForce, RuntimeParameters},
    quota, timing, Contributions, Quota, Runtime, RuntimeCall, RuntimeOrigin, Session, System,
};
use ergon_runtime_api::{JobState, PromptLength, Subject};
use frame_support::{
    assert_noop, assert_ok, assert_storage_noop,
    dispatch::DispatchResultWithPostInfo,
    traits::{schedule::DispatchTime, Bounded, Get},
};
use pallet_audits::AuditParameters;
use pallet_compute_collective::Origin;
use pallet_contributions::HALF_LIFE_EPOCHS;
use pallet_jobs::JobParameters;
use pallet_quota::QuotaParameters;
use sp_runtime::{traits::Dispatchable, DispatchError, Perbill};

fn set(parameter: work::Parameters) -> RuntimeCall {
    let key_value = RuntimeParameters::Work(parameter);
    pallet_parameters::Call::set_parameter { key_value }.into()
}

fn jobs(value: JobParameters) -> RuntimeCall {
    set(work::Parameters::Jobs(work::Jobs, Some(value)))
}

fn audits(value: AuditParameters) -> RuntimeCall {
    set(work::Parameters::Audits(work::Audits, Some(value)))
}

fn half_life(value: u32) -> RuntimeCall {
    set(work::Parameters::HalfLife(work::HalfLife, Some(value)))
}

fn quota_curve(value: QuotaParameters) -> RuntimeCall {
    set(work::Parameters::Quota(work::Quota, Some(value)))
}

/// As the scheduler dispatches what was adopted on the track of parameters.
fn adopt(call: RuntimeCall) -> DispatchResultWithPostInfo {
    call.dispatch(Origin::Parameters.into())
}

fn in_force() -> (JobParameters, AuditParameters) {
    (InForce::get(), InForce::get())
}

fn curve_in_force() -> QuotaParameters {
    InForce::get()
}

/// The half-life of the epochs to come.
fn wanted_half_life() -> u32 {
    HalfLifeInForce::get()
}

/// Values that differ from the defaults.
fn changed() -> (JobParameters, AuditParameters) {
    let jobs = JobParameters {
        deadline_margin: 50,
        ..Default::default()
    };
    let audits = AuditParameters {
        rate: pallet_audits::MIN_RATE,
        ..Default::default()
    };
    (jobs, audits)
}

/// A curve that is half as high.
fn half_of_everything() -> QuotaParameters {
    QuotaParameters {
        weight_points: CURVE.weight_points / 2,
        newcomer_points: CURVE.newcomer_points / 2,
        newcomer_share: Perbill::from_percent(5),
        units_per_point: CURVE.units_per_point / 2,
        duty_points: CURVE.duty_points / 2,
        vote_points: CURVE.vote_points / 2,
    }
}

/// Calls with a value out of range.
fn out_of_range() -> [RuntimeCall; 8] {
    let (good_jobs, good_audits) = Default::default();
    [
        jobs(JobParameters {
            audit_delay: 1,
            ..good_jobs
        }),
        jobs(JobParameters {
            deadline_margin: 1,
            ..good_jobs
        }),
        audits(AuditParameters {
            auditors_per_job: 0,
            ..good_audits
        }),
        quota_curve(QuotaParameters {
            newcomer_share: Perbill::from_percent(11),
            ..CURVE
        }),
        quota_curve(QuotaParameters {
            vote_points: 1,
            ..CURVE
        }),
        quota_curve(QuotaParameters {
            units_per_point: 1,
            ..CURVE
        }),
        half_life(0),
        half_life(HALF_LIFE_EPOCHS.end() + 1),
    ]
}

#[test]
fn adopted_parameters_are_used_by_whatever_a_job_waits_for_next() {
    dev().execute_with(|| {
        let id = submit(open_market(), Some(1));
        let (new_jobs, new_audits) = changed();
        assert_ok!(adopt(jobs(new_jobs)));
        assert_eq!(in_force(), (new_jobs, AuditParameters::default()));
        wait_for(id, JobState::Assigned);
        let due = System::block_number() + new_jobs.deadline_margin;
        let deadline = job(id).due.unwrap();
        assert!((due..due + 10).contains(&deadline), "{deadline} and {due}");

        assert_ok!(adopt(jobs(JobParameters {
            deadline_margin: 20,
            ..new_jobs
        })));
        assert_eq!(
            job(id).due,
            Some(deadline),
            "what it waits for already keeps its deadline"
        );

        assert_ok!(adopt(audits(new_audits)));
        answer(id);
        wait_for(id, JobState::Auditing);
        assert!(job(id).auditors.is_empty(), "hardly any answer is audited now");
        let due = System::block_number() + 20;
        assert!((due..due + 10).contains(&job(id).due.unwrap()));
        check_invariants().unwrap();
    });
}

#[test]
fn an_adopted_half_life_holds_from_the_next_epoch_on() {
    dev().execute_with(|| {
        let worker = account("//Alice");
        let weight = || Contributions::weight(&worker);
        // Else no weight would fade.
        let others_work = || Contributions::credit(&account("//Bob"), Source::Job, 1);
        Contributions::credit(&worker, Source::Job, 1_000_000_000);
        go_to_epoch(1);
        let first = weight();
        assert_ok!(adopt(half_life(1)));
        assert_eq!(weight(), first);
        others_work();
        go_to_epoch(2);
        others_work();
        System::assert_has_event(pallet_contributions::Event::HalfLifeChanged { epoch: 2, half_life: 1 }.into());
        let second = weight();
        // Epochs 0 and 1 took their part of the half-life that the chain started with, and epoch 2 takes all of one.
        let fades = 0.5f64.powf(1.0 / f64::from(timing::HALF_LIFE_EPOCHS));
        let expected = 1e9 * (1.0 - fades);
        assert!((first as f64 - expected).abs() < 2.0, "{first} and {expected}");
        assert!((second as f64 - expected * fades).abs() < 2.0, "{second} after {first}");
        go_to_epoch(3);
        assert_eq!(weight(), second / 2);
        assert_eq!(Contributions::weight_at(&worker, 1), first);
        assert_eq!(Contributions::weight_at(&worker, 2), second);
    });
}

#[test]
fn an_adopted_quota_curve_holds_at_once() {
    dev().execute_with(|| {
        open_market();
        let (operator, newcomer) = (account("//Alice"), account("//Eve"));
        pallet_quota::GenesisLines::<Runtime>::remove(&operator);
        pallet_quota::GenesisLines::<Runtime>::remove(&newcomer);
        Contributions::credit(&operator, Source::Job, 1_000);
        go_to_epoch(1);
        let before = quota::quota(&operator);
        let (weight, total) = (Contributions::weight(&operator), Contributions::total());
        assert_eq!(before.capacity, CURVE.weight_points * weight / total);
        assert_eq!(quota::quota(&newcomer).capacity, CURVE.newcomer_points);

        let curve = half_of_everything();
        assert_ok!(adopt(quota_curve(curve)));
        let after = quota::quota(&operator);
        assert_eq!(after.capacity, curve.weight_points * weight / total);
        assert_eq!(after.units_capacity, after.capacity * curve.units_per_point);
        assert_eq!(
            (after.duty_points, after.vote_points),
            (curve.duty_points, curve.vote_points)
        );
        assert_eq!(quota::quota(&newcomer).capacity, curve.newcomer_points);
        check_invariants().unwrap();
    });
}

#[test]
fn every_curve_leaves_a_newcomer_a_registration_a_vote_and_a_proposal() {
    dev().execute_with(|| {
        let register = pallet_workers::Call::register {
            hot: account("//Alice//worker"),
            endpoint: vec![b'a'; 128].try_into().unwrap(),
            models: vec![ModelId::default(); 4].try_into().unwrap(),
        };
        let vote = pallet_compute_collective::Call::vote { poll: 0, aye: true };
        let propose = pallet_referenda::Call::submit {
            proposal_origin: Box::new(Origin::Parameters.into()),
            proposal: Bounded::Inline(quota_curve(CURVE).encode().try_into().unwrap()),
            enactment_moment: DispatchTime::After(0),
        };
        let deposit = pallet_referenda::Call::place_decision_deposit { index: 0 };
        let steps: [RuntimeCall; 4] = [register.into(), vote.into(), propose.into(), deposit.into()];
        let cost = |call: RuntimeCall| {
            let transaction = signed(&key("//Alice"), 0, call);
            quota::estimate(Subject::Extrinsic(transaction.encode()))
                .unwrap()
                .points
        };
        let all: u64 = steps.into_iter().map(cost).sum();
        let promised = Quota::limits().first_steps;
        assert!(all <= promised && promised < 2 * all, "{all} of {promised} points");
    });
}

#[test]
fn every_curve_leaves_everybody_a_job_of_every_model() {
    dev().execute_with(|| {
        let limits = Quota::limits();
        let least_points = limits.first_steps;
        let tightest = QuotaParameters {
            newcomer_points: least_points,
            units_per_point: limits.least_units.div_ceil(least_points),
            ..CURVE
        };
        assert_ok!(tightest.check(&limits));
        let tighter = QuotaParameters {
            units_per_point: tightest.units_per_point - 1,
            ..tightest
        };
        assert_noop!(
            adopt(quota_curve(tighter)),
            frame_system::Error::<Runtime>::CallFiltered
        );
        assert_ok!(adopt(quota_curve(tightest)));
        let newcomer = account("//Eve");
        pallet_quota::GenesisLines::<Runtime>::remove(&newcomer);
        for model in compute::models() {
            let job = Subject::Job {
                model: model.id,
                prompt: PromptLength::Tokens(256),
                max_tokens: 256,
            };
            let (units, name) = (quota::estimate(job).unwrap().units, model.name);
            assert!(units <= quota::quota(&newcomer).units, "{name}: {units} units");
        }
    });
}

#[test]
fn no_adopted_half_life_ends_the_vote() {
    dev().execute_with(|| {
        let worker = account("//Alice");
        Contributions::credit(&worker, Source::Job, 1_000_000_000);
        go_to_epoch(1);
        let weight = Contributions::weight(&worker);
        // Weights fade as fast as they can, and nobody can work.
        assert_ok!(adopt(half_life(*HALF_LIFE_EPOCHS.start())));
        go_to_epoch(20);
        assert_eq!(Contributions::weight(&worker), weight);
    });
}

#[test]
fn a_retired_model_is_kept_longer_than_its_last_job() {
    let jobs = JobParameters::default();
    let under_way = 10 * 24 * 3_600_000 / timing::SLOT_MILLISECONDS as u32;
    let longest = jobs.queue_timeout + under_way + jobs.retention.max(jobs.dispute_retention);
    assert!(timing::MODEL_RETENTION > longest, "{longest} blocks");
}

/// Runs the first blocks of the epochs up to this one, or a block of it.
fn go_to_epoch(epoch: u32) {
    run_block(vec![]);
    while Session::current_index() < epoch {
        begin_epoch();
    }
}

#[test]
fn parameters_out_of_range_are_refused_and_the_last_good_ones_stay() {
    dev().execute_with(|| {
        let (new_jobs, new_audits) = changed();
        assert_ok!(adopt(jobs(new_jobs)));
        assert_ok!(adopt(audits(new_audits)));
        assert_ok!(adopt(half_life(7)));
        assert_ok!(adopt(quota_curve(half_of_everything())));
        let filtered = DispatchError::from(frame_system::Error::<Runtime>::CallFiltered);
        for call in out_of_range() {
            assert_noop!(adopt(call.clone()), filtered);
            let all = pallet_utility::Call::batch_all {
                calls: vec![jobs(JobParameters::default()), call],
            };
            assert_storage_noop!(assert_eq!(adopt(all.into()).unwrap_err().error, filtered));
        }
        assert_eq!(in_force(), (new_jobs, new_audits));
        assert_eq!((wanted_half_life(), curve_in_force()), (7, half_of_everything()));
    });
}

#[test]
fn only_root_and_the_track_of_parameters_set_parameters() {
    dev().execute_with(|| {
        let signed = RuntimeOrigin::signed(account("//Alice"));
        for origin in [signed, Origin::Models.into(), RuntimeOrigin::none()] {
            assert_noop!(jobs(changed().0).dispatch(origin), DispatchError::BadOrigin);
        }
        let (first_jobs, first_audits) = in_force();
        assert_ok!(jobs(changed().0).dispatch(RuntimeOrigin::root()));
        assert_eq!(in_force(), (changed().0, first_audits));
        assert_ok!(adopt(set(work::Parameters::Jobs(work::Jobs, None))));
        assert_eq!(in_force(), (first_jobs, first_audits));
    });
}

#[test]
fn what_root_sets_out_of_range_is_not_used() {
    dev().execute_with(|| {
        let first = in_force();
        assert_ok!(adopt(jobs(changed().0)));
        assert_ok!(adopt(half_life(7)));
        assert_ok!(adopt(quota_curve(half_of_everything())));
        for call in out_of_range() {
            assert_ok!(call.dispatch(RuntimeOrigin::root()));
        }
        assert_eq!(in_force(), first);
        assert_eq!(
            (wanted_half_life(), curve_in_force()),
            (timing::HALF_LIFE_EPOCHS, CURVE)
        );
        check_invariants().unwrap();
    });
}

#[test]
fn a_chain_starts_with_the_parameters_of_its_genesis() {
    dev().execute_with(|| {
        let stored = |parameter| {
            use frame_support::traits::dynamic_params::AggregatedKeyValue;
            let (key, value) = RuntimeParameters::Work(parameter).into_parts();
            pallet_parameters::Parameters::<Runtime>::get(key) == value
        };
        let (jobs, audits) = in_force();
        assert!(stored(work::Parameters::Quota(work::Quota, Some(CURVE))));
        assert!(stored(work::Parameters::Jobs(work::Jobs, Some(jobs))));
        assert!(stored(work::Parameters::Audits(work::Audits, Some(audits))));
    });
}

/// Those of the design for a public network; the operator cap comes with the election of validators.
#[cfg(feature = "production")]
#[test]
fn a_public_network_starts_with_the_values_of_its_design() {
    use ergon_runtime::timing;
    use frame_support::traits::Get;
    dev().execute_with(|| {
        let (jobs, audits) = in_force();
        assert_eq!((timing::SLOT_MILLISECONDS, timing::EPOCH_SLOTS), (6_000, 2_400));
        assert_eq!((jobs.assignment_delay, jobs.audit_delay), (15, 15));
        let list_delay: u32 = <Runtime as pallet_workers::Config>::ListDelay::get();
        assert_eq!(list_delay, 15);
        assert_eq!((jobs.min_serving, jobs.refund_delay), (3, 2_400));
        assert_eq!(audits.rate, sp_runtime::Permill::one());
        assert_eq!(pallet_audits::MIN_RATE, sp_runtime::Permill::from_percent(1));
        assert_eq!(wanted_half_life(), 60);
    });
}

// SPDX-License-Identifier: Apache-2.0
//! Values that governance changes while the chain runs, by `parameters.setParameter` on the track of parameters or on root.
//!
//! | key | value | read by |
//! |---|---|---|
//! | `Work::Jobs` | [`JobParameters`]: deadlines, delays, retention | jobs, whenever one of them begins to wait for something |
//! | `Work::Audits` | [`AuditParameters`]: audit rate, auditors, redraws, length of probation | audits, whenever auditors are drawn |
//! | `Work::HalfLife` | half-life of vote weights, in epochs | contributions, whenever an epoch begins |
//! | `Work::Quota` | [`QuotaParameters`]: the quota curve | quota, in every transaction |
//!
//! A value is replaced as a whole, so that its fields are checked together. What a job waits for already keeps its deadline, and what an
//! epoch was worth stays so.
//!
//! # What is out of range
//!
//! 1. A `setParameter` whose value fails its `check` is refused by the call filter, [`InRange`], with `CallFiltered`: from whatever origin,
//!    alone, in a batch or as an adopted proposal, and what was in force stays so.
//! 2. Root passes every filter. What root stores out of range is not used: as long as it stands there, the default is in force.
//! 3. A value set to `None` is taken away; the default is in force again.
use crate::{configs::CURVE, timing, Quota, Runtime, RuntimeCall};
use ergon_primitives::traits::Parameters;
use frame_support::{
    dynamic_params::{dynamic_pallet_params, dynamic_params},
    traits::{dynamic_params::AggregatedKeyValue, Contains, Get},
};
use pallet_audits::AuditParameters;
use pallet_contributions::HALF_LIFE_EPOCHS;
use pallet_jobs::JobParameters;
use pallet_quota::QuotaParameters;
use sp_runtime::Permill;

/// Times and limits of jobs, until governance chooses others.
pub const JOBS: JobParameters = if cfg!(feature = "production") {
    JobParameters::PRODUCTION
} else {
    JobParameters::DEVELOPMENT
};

/// How answers are audited, until governance chooses otherwise: every one, at first. With reputation the rate can fall to its least.
pub const AUDITS: AuditParameters = AuditParameters {
    auditors_per_job: 1,
    rate: Permill::one(),
    max_redraws: 2,
    probation_jobs: 10,
};

/// The keys, with their types and defaults.
#[dynamic_params(RuntimeParameters, pallet_parameters::Parameters::<Runtime>)]
pub mod dynamic_params {
    use super::*;

    /// How jobs are run and audited, for how long they weigh, and what weight entitles to.
    #[dynamic_pallet_params]
    #[codec(index = 0)]
    pub mod work {
        /// Times and limits of jobs.
        #[codec(index = 0)]
        pub static Jobs: JobParameters = JOBS;
        /// How answers are audited.
        #[codec(index = 1)]
        pub static Audits: AuditParameters = AUDITS;
        /// Epochs without work after which half of a vote weight is left.
        #[codec(index = 2)]
        pub static HalfLife: u32 = timing::HALF_LIFE_EPOCHS;
        /// The quota curve.
        #[codec(index = 3)]
        pub static Quota: QuotaParameters = CURVE;
    }
}
pub use dynamic_params::work;

/// What our pallets read.
pub struct InForce;

impl Parameters<JobParameters> for InForce {
    fn get() -> JobParameters {
        let stored = work::Jobs::get();
        stored.check().map_or(JOBS, |()| stored)
    }

    fn set(parameters: JobParameters) {
        store(work::Parameters::Jobs(work::Jobs, Some(parameters)));
    }
}

impl Parameters<AuditParameters> for InForce {
    fn get() -> AuditParameters {
        let stored = work::Audits::get();
        stored.check().map_or(AUDITS, |()| stored)
    }

    fn set(parameters: AuditParameters) {
        store(work::Parameters::Audits(work::Audits, Some(parameters)));
    }
}

impl Parameters<QuotaParameters> for InForce {
    fn get() -> QuotaParameters {
        let stored = work::Quota::get();
        stored.check(&Quota::limits()).map_or(CURVE, |()| stored)
    }

    fn set(parameters: QuotaParameters) {
        store(work::Parameters::Quota(work::Quota, Some(parameters)));
    }
}

/// The half-life of vote weights that epochs to come have, unless it changes again.
pub struct HalfLifeInForce;

impl Get<u32> for HalfLifeInForce {
    fn get() -> u32 {
        Some(work::HalfLife::get())
            .filter(|half_life| HALF_LIFE_EPOCHS.contains(half_life))
            .unwrap_or(timing::HALF_LIFE_EPOCHS)
    }
}

fn store(parameter: work::Parameters) {
    let (key, value) = RuntimeParameters::Work(parameter).into_parts();
    pallet_parameters::Parameters::<Runtime>::set(key, value);
}

/// Every call but those that would set a parameter out of its range.
pub struct InRange;

impl Contains<RuntimeCall> for InRange {
    fn contains(call: &RuntimeCall) -> bool {
        let RuntimeCall::Parameters(pallet_parameters::Call::set_parameter { key_value }) = call else {
            return true;
        };
        match key_value {
            RuntimeParameters::Work(work::Parameters::Jobs(_, Some(value))) => value.check().is_ok(),
            RuntimeParameters::Work(work::Parameters::Audits(_, Some(value))) => value.check().is_ok(),
            RuntimeParameters::Work(work::Parameters::HalfLife(_, Some(value))) => HALF_LIFE_EPOCHS.contains(value),
            RuntimeParameters::Work(work::Parameters::Quota(_, Some(value))) => value.check(&Quota::limits()).is_ok(),
            RuntimeParameters::Work(_) => true,
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What the weights of our pallets are measured with, see `scripts/benchmarks.sh`: the list of the pallets, and the state that each of them
//! needs from the others to show its worst.
use crate::{
    parameters::InForce, timing, AccountId, AllPalletsWithSystem, Audits, Beacon, Contributions, Jobs, Models, Quota,
    RankedCollective, Runtime, RuntimeCall, Session, SessionKeys, Signature, System, Validators, Workers,
};
use alloc::{string::String, vec, vec::Vec};
use ergon_primitives::{
    commitment, hash,
    ticket::Ticket,
    traits::{Contributions as _, Parameters, Room, Source},
    units::Prices,
    JobId, ModelId, VoteWeight, H256,
};
use frame_benchmarking::{account, BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_support::{
    traits::{Get, StorageInfo, StorageInfoTrait, WhitelistedStorageKeys},
    BoundedVec,
};
use pallet_audits::AuditParameters;
use pallet_compute_collective::{Opening, Progress};
use pallet_contributions::{HalfLives, Record, Records, Schedule, Total, UnitsBySource, Worked, KEPT_EPOCHS};
use pallet_models::{Model, Status as ModelStatus};
use pallet_quota::{Difficulty, GenesisLines, Given, Line, Lines, Sponsors, TicketDifficulty};
use pallet_workers::{
    benchmarking::append, HotKeys, Operator, Operators, Probation, MAX_ENDPOINT_BYTES, MAX_HOT_KEYS, MAX_MODELS,
};
use sp_core::{crypto::KeyTypeId, ed25519, sr25519};
use sp_runtime::app_crypto::RuntimePublic;

frame_benchmarking::define_benchmarks!(
    [pallet_audits, Audits]
    [pallet_beacon, Beacon]
    [pallet_compute_collective, RankedCollective]
    [pallet_jobs, Jobs]
    [pallet_models, Models]
    [pallet_quota, Quota]
    [pallet_validators, Validators]
    [pallet_workers, Workers]
);

/// The benchmarks that there are, and the storage that they may touch.
pub fn list(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::<BenchmarkList>::new();
    list_benchmarks!(list, extra);
    (list, AllPalletsWithSystem::storage_info())
}

/// Runs one.
pub fn run(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::<BenchmarkBatch>::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}

/// Makes what benchmarks need.
pub struct Bench;

/// Kind of the key that [`stranger`](pallet_workers::benchmarking::BenchmarkHelper::stranger) signs with.
const KEY: KeyTypeId = KeyTypeId(*b"bnch");
/// More than any operator has.
const MOST_WEIGHT: VoteWeight = 1 << 60;
/// Operators on the list of a model, so that the tree over it has three levels.
const CROWD: u32 = 512;

/// A record of `weight` with as many epochs as are kept, each of which had another half-life than the one before.
fn full_record(weight: VoteWeight) -> Record {
    if Session::current_index() < KEPT_EPOCHS {
        let mut schedule = Schedule::default();
        for epoch in 0..=KEPT_EPOCHS {
            schedule.begin(epoch, timing::HALF_LIFE_EPOCHS + epoch % 2, false);
        }
        HalfLives::<Runtime>::put(schedule);
        pallet_session::CurrentIndex::<Runtime>::put(KEPT_EPOCHS);
    }
    let (now, schedule) = (Session::current_index(), HalfLives::<Runtime>::get());
    let worked = |epoch| Worked {
        epoch,
        units: UnitsBySource { job: 1, audit: 1 },
        weight,
        index: schedule.index_at(epoch + 1).unwrap_or_default(),
    };
    Record {
        worked: BoundedVec::truncate_from((now - KEPT_EPOCHS..now).map(worked).collect()),
    }
}

/// Enough to be a founder and to submit a proposal, also in the next epoch.
fn enough_weight() -> VoteWeight {
    let least: VoteWeight = <Runtime as pallet_compute_collective::Config>::MinSubmitWeight::get();
    least * 2
}

/// An account that may sign.
fn known(name: &'static str, index: u32, seed: u32) -> AccountId {
    let who = account(name, index, seed);
    if System::providers(&who) == 0 {
        System::inc_providers(&who);
    }
    who
}

/// An operator that takes as much room as any, with `weight`. It is on no list.
fn operator(name: &'static str, index: u32, weight: VoteWeight) -> AccountId {
    let who = known(name, index, 0);
    pallet_quota::Admitted::<Runtime>::insert(&who, System::block_number());
    make_operator(&who, weight);
    for seed in 1..=MAX_HOT_KEYS {
        let hot = known(name, index, seed);
        HotKeys::<Runtime>::insert(&hot, &who);
        Operators::<Runtime>::mutate_extant(&who, |entry| entry.hot_keys.force_push(hot));
    }
    who
}

fn make_operator(who: &AccountId, weight: VoteWeight) {
    let endpoint = BoundedVec::truncate_from(vec![b'e'; MAX_ENDPOINT_BYTES as usize]);
    let models = BoundedVec::truncate_from((0..MAX_MODELS).map(model).collect());
    let entry = Operator {
        executing: 1,
        auditing: 1,
        obligations: 3,
        ..Operator::new(endpoint, models)
    };
    Operators::<Runtime>::insert(who, entry);
    Records::<Runtime>::insert(who, full_record(weight));
    Total::<Runtime>::mutate(|total| {
        let before = total.worked.last().map_or(0, |worked| worked.weight);
        *total = full_record(before.saturating_add(weight));
    });
}

/// Makes `who` an operator and a member that weighs at least `weight`, from the next epoch on.
pub fn make_member(who: &AccountId, weight: VoteWeight) {
    make_operator(who, weight.saturating_mul(2));
    Contributions::credit(who, Source::Job, 1);
}

/// A model that takes jobs, with the longest manifest, another for each index.
fn model(index: u32) -> ModelId {
    let mut manifest = pallet_models::benchmarking::longest_manifest();
    manifest.weights_root = hash(&[&index.to_le_bytes()]);
    let id = manifest.id();
    let entry = Model {
        manifest,
        prices: Prices {
            prompt_token: 1_000_000,
            output_token: 1_000_000,
            attended_position: 1,
        },
        tokens_per_block: 1,
        status: ModelStatus::Active,
    };
    if !pallet_models::Models::<Runtime>::contains_key(id) {
        pallet_models::Models::<Runtime>::insert(id, entry);
    }
    id
}

/// All founders of this epoch but one have been counted.
fn count_founders() {
    let founders = 1..<Runtime as pallet_compute_collective::Config>::OpeningMembers::get();
    let founders = founders.map(|index| operator("founder", index, enough_weight()));
    let founders = BoundedVec::truncate_from(founders.collect());
    Progress::<Runtime>::put(Opening {
        epoch: Session::current_index(),
        founders,
        epochs: 0,
    });
}

/// An operator that could be a founder and a member, but nobody has been told of its work; and its hot key. On each list it stands before
/// another one, which takes its place when it leaves.
fn worker(index: u32) -> (AccountId, AccountId) {
    let (who, hot) = (account("worker", index, 0), account("worker", index, 1));
    if Operators::<Runtime>::contains_key(&who) {
        return (who, hot);
    }
    if !Progress::<Runtime>::exists() {
        count_founders();
    }
    operator("worker", index, enough_weight());
    // One answer more, and the probation of the executor is over.
    let required = <InForce as Parameters<AuditParameters>>::get().probation_jobs;
    if index == 0 {
        Probation::<Runtime>::insert(&who, required - 1);
    }
    for model in (0..MAX_MODELS).map(model) {
        append::<Runtime>(&model, &who, 1);
        append::<Runtime>(&model, &account("neighbour", index, 0), 1);
    }
    (who, hot)
}

/// Operators that serve the first model, so many that the tree over them has three levels, all of whom have room; or only so many of them weigh
/// anything, far from each other, and these are busy.
fn crowd(busy: u32) {
    let model = model(0);
    let apart = CROWD / busy.max(1);
    for index in 0..CROWD {
        let is_busy = index % apart == 0 && index / apart < busy;
        let who = operator("crowd", index, 1);
        let room = if is_busy { Room::MAX } else { 0 };
        Operators::<Runtime>::mutate_extant(&who, |entry| (entry.executing, entry.auditing) = (room, room));
        append::<Runtime>(&model, &who, VoteWeight::from(busy == 0 || is_busy));
    }
}

impl pallet_compute_collective::BenchmarkHelper<AccountId> for Bench {
    fn make_member(who: &AccountId, weight: VoteWeight) {
        make_member(who, weight);
    }

    fn forfeit(who: &AccountId) {
        Contributions::forfeit(who);
    }

    fn begin_epoch() {
        pallet_session::CurrentIndex::<Runtime>::mutate(|index| *index += 1);
    }
}

impl pallet_validators::benchmarking::BenchmarkHelper<AccountId> for Bench {
    fn validator(index: u32) -> AccountId {
        let who = known("validator", index, 0);
        let keys = SessionKeys {
            babe: sr25519::Public::from_raw(who.clone().into()).into(),
            grandpa: ed25519::Public::from_raw(who.clone().into()).into(),
        };
        pallet_session::NextKeys::<Runtime>::insert(&who, keys);
        who
    }
}

impl pallet_workers::benchmarking::BenchmarkHelper<AccountId, Signature> for Bench {
    fn model(index: u32) -> ModelId {
        model(index)
    }

    fn stranger() -> AccountId {
        sr25519::Public::generate_pair(KEY, None).0.into()
    }

    fn sign(stranger: &AccountId, message: &H256) -> Signature {
        let public = sr25519::Public::from_raw(*stranger.as_ref());
        let signature = public.sign(KEY, message).expect("the key was generated here");
        Signature::Sr25519(signature)
    }

    fn ticket(_: &AccountId) -> Ticket {
        System::set_block_number(System::block_number().max(2));
        // Any nonce will do.
        TicketDifficulty::<Runtime>::put(Difficulty {
            target: u64::MAX,
            previous: u64::MAX,
            since: System::block_number(),
            admitted: 1,
        });
        Ticket {
            block: System::block_number() - 1,
            nonce: 0,
        }
    }
}

impl pallet_quota::benchmarking::BenchmarkHelper<AccountId, RuntimeCall> for Bench {
    fn operator(index: u32) -> (AccountId, AccountId) {
        let who = operator("holder", index, 1);
        Total::<Runtime>::put(full_record(MOST_WEIGHT));
        (who, account("holder", index, 1))
    }

    /// A reveal: the record of the job is what is longest of all that is looked at for a duty, and its header is hashed.
    fn duty(operator: &AccountId) -> RuntimeCall {
        pallet_jobs::benchmarking::insert_attested::<Runtime>(1, operator, pallet_jobs::MAX_AUDITORS).into()
    }
}

impl pallet_audits::benchmarking::BenchmarkHelper<AccountId> for Bench {
    fn operator(index: u32) -> (AccountId, AccountId) {
        worker(index)
    }

    fn auditing(job: JobId, executor: &AccountId) {
        pallet_jobs::benchmarking::insert_auditing::<Runtime>(job, executor);
    }
}

impl pallet_jobs::benchmarking::BenchmarkHelper<AccountId> for Bench {
    fn model(index: u32) -> ModelId {
        model(index)
    }

    /// An operator with little weight, to which another gives more than it has.
    fn requester(index: u32) -> AccountId {
        let (who, sponsor): (AccountId, AccountId) = (account("requester", index, 0), account("sponsor", index, 0));
        if !Operators::<Runtime>::contains_key(&who) {
            operator("requester", index, 0);
            operator("sponsor", index, 1);
            let line = Line {
                sponsor: sponsor.clone(),
                points: 1_000,
            };
            let given = Given {
                points: u64::MAX,
                lines: 1,
            };
            Lines::<Runtime>::insert(&who, line);
            Sponsors::<Runtime>::insert(&who, Given { points: 1, lines: 1 });
            Sponsors::<Runtime>::insert(&sponsor, given);
            GenesisLines::<Runtime>::insert(&who, 1);
            GenesisLines::<Runtime>::insert(&sponsor, 1);
        }
        who
    }

    fn operator(index: u32) -> (AccountId, AccountId) {
        worker(index)
    }

    fn warn(operator: &AccountId) {
        let most: u32 = <Runtime as pallet_workers::Config>::MaxMissesInRow::get();
        Operators::<Runtime>::mutate_extant(operator, |entry| entry.misses_in_row = most - 1);
    }

    fn audit(job: JobId, executor: &AccountId, auditors: &[AccountId], root: Option<H256>) {
        let attested = |operator: &AccountId| root.map(|root| commitment::attestation(operator, &root));
        let audit = pallet_audits::benchmarking::longest_audit(model(0), executor, auditors, attested);
        pallet_audits::Audits::<Runtime>::insert(job, audit);
        if root.is_none() {
            auditors
                .iter()
                .for_each(|auditor| pallet_audits::Pending::<Runtime>::insert(auditor, job, ()));
        }
    }

    fn lengthen_replacement(job: JobId) {
        crowd(0);
        let redraws = <InForce as Parameters<AuditParameters>>::get().max_redraws;
        pallet_audits::Audits::<Runtime>::mutate_extant(job, |audit| audit.redraws = redraws - 1);
    }

    fn crowd(busy: u32) {
        crowd(busy);
    }
}

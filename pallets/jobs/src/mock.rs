// SPDX-License-Identifier: Apache-2.0
//! A runtime with this pallet and the real audits; in-memory fakes stand behind the other traits.
#[cfg(feature = "runtime-benchmarks")]
mod bench;
mod scenario;

use crate as pallet_jobs;
use crate::{Job, JobParameters, State, UncheckedInput};
use ergon_primitives::{
    commitment::{attestation, sealed, Header, Leaf, Outcome, StopReason},
    draw::Draw,
    hash,
    quota::Quota,
    request::DecodeSettings,
    traits::{Beacon, Contributions, Demand, Duty, ModelTerms, Models, Parameters, Room, Source, Workers},
    units::Prices,
    JobId, ModelId, Units, VoteWeight, H256,
};
use frame_support::{
    assert_ok, derive_impl, parameter_types,
    traits::Hooks,
    weights::{constants::ParityDbWeight, Weight},
};
use frame_system::mocking::MockBlock;
use pallet_audits::AuditParameters;
pub use scenario::*;
use sp_runtime::{BuildStorage, DispatchError, DispatchResult};

pub type AccountId = u64;

pub const MODEL: ModelId = H256::repeat_byte(0xA0);
pub const OTHER: ModelId = H256::repeat_byte(0xA1);

/// The operators that serve it never have room.
pub const BUSY: ModelId = H256::repeat_byte(0xA3);
pub const REQUESTER: AccountId = 1000;
/// Hot key of a fake operator.
pub fn hot(operator: AccountId) -> AccountId {
    operator + 100
}

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Audits = pallet_audits;
    #[runtime::pallet_index(2)]
    pub type Jobs = pallet_jobs;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlock<Test>;
    type DbWeight = ParityDbWeight;
}

impl pallet_audits::Config for Test {
    type Parameters = AuditSettings;
    type Beacon = FakeBeacon;
    type Workers = FakeWorkers;
    type Contributions = FakeContributions;
    type OnAudit = Jobs;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = bench::Bench;
}

parameter_types! {
    pub storage JobSettings: JobParameters = JobParameters::DEVELOPMENT;
    pub storage AuditSettings: AuditParameters = Default::default();
    pub storage MaxQueued: u32 = 50;
    pub storage MaxWaitingModels: u32 = 3;
    pub const LifeWeight: Weight = Weight::from_parts(7, 0);
    pub storage ServiceWeight: Weight = Weight::from_parts(1_000_000, 0);
    pub storage MaxAssignmentsPerBlock: u32 = 4;
    pub storage MaxDuePerBlock: u32 = 12;
    pub storage MaxPrunedPerBlock: u32 = 16;
    pub storage CreditMemory: u64 = 100;
    /// Most jobs in flight of an operator.
    pub storage Places: u32 = 2;
    /// Most operators that one draw looks at, without finding one that has room.
    pub storage Looked: u32 = 1;
    /// Operators that serve every model but those that nobody serves.
    pub storage Operators: Vec<AccountId> = vec![1, 2, 3];
    /// Models whose operators never have room.
    pub storage Busy: Vec<ModelId> = vec![BUSY];
    /// Models that nobody serves.
    pub storage Unserved: Vec<ModelId> = vec![];
    /// Largest bound of an audit that an operator takes while it has another.
    pub storage AuditRoom: Units = Units::MAX;
    /// Operators without room for audits.
    pub storage BusyAuditors: Vec<AccountId> = vec![];
    /// One entry for each job that takes room of its executor.
    pub storage InFlight: Vec<AccountId> = vec![];
    /// One entry for each audit that takes room.
    pub storage InAudit: Vec<AccountId> = vec![];
    /// One entry for each drawing that was not discharged.
    pub storage Owed: Vec<AccountId> = vec![];
    pub storage Kept: Vec<AccountId> = vec![];
    pub storage Missed: Vec<AccountId> = vec![];
    /// Requesters without a share of their own.
    pub storage Shareless: Vec<AccountId> = vec![];
    /// Block space that requesters were charged, by requester.
    pub storage Lives: Vec<(AccountId, u64)> = vec![];
    /// Operators on probation, with the number of their answers that stood.
    pub storage Newcomers: Vec<(AccountId, u32)> = vec![];
    /// Operators one of whose answers stood, with the number that would end their probation.
    pub storage Stood: Vec<(AccountId, u32)> = vec![];
    /// Operators one of whose answers was disputed.
    pub storage Disputed: Vec<AccountId> = vec![];
    pub storage Credits: Vec<(AccountId, Source, Units)> = vec![];
    /// Units that each requester may still have reserved at once.
    pub storage Budget: Units = 1_000_000;
    /// Units that are reserved, by requester.
    pub storage Reserved: Vec<(AccountId, Units)> = vec![];
    /// Units ever reserved, used and given back.
    pub storage Reservations: Units = 0;
    pub storage Used: Units = 0;
    pub storage GivenBack: Units = 0;
    /// Models known besides the constants above.
    pub storage MoreModels: Vec<ModelId> = vec![];
}

impl Parameters<JobParameters> for JobSettings {
    fn get() -> JobParameters {
        JobSettings::get()
    }
    fn set(parameters: JobParameters) {
        JobSettings::set(&parameters);
    }
}

impl Parameters<AuditParameters> for AuditSettings {
    fn get() -> AuditParameters {
        AuditSettings::get()
    }
    fn set(parameters: AuditParameters) {
        AuditSettings::set(&parameters);
    }
}

impl pallet_jobs::Config for Test {
    type BlockNumberProvider = System;
    type Parameters = JobSettings;
    type Beacon = FakeBeacon;
    type Models = FakeModels;
    type Workers = FakeWorkers;
    type Contributions = FakeContributions;
    type Audits = Audits;
    type Quota = FakeQuota;
    type LifeWeight = LifeWeight;
    type MaxQueued = MaxQueued;
    type MaxWaitingModels = MaxWaitingModels;
    type ServiceWeight = ServiceWeight;
    type MaxAssignmentsPerBlock = MaxAssignmentsPerBlock;
    type MaxDuePerBlock = MaxDuePerBlock;
    type CreditMemory = CreditMemory;
    type MaxPrunedPerBlock = MaxPrunedPerBlock;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = bench::Bench;
}

pub struct FakeBeacon;
impl Beacon for FakeBeacon {
    fn value() -> H256 {
        hash(&[&System::block_number().to_le_bytes()])
    }
}

pub struct FakeModels;
/// Terms of all models: a prompt token takes 1 unit, an output token 10, and a block is worth 100.
pub const TERMS: ModelTerms = ModelTerms {
    prices: Prices {
        prompt_token: 1_000_000,
        output_token: 10_000_000,
        attended_position: 0,
    },
    context: 100,
    rate: 100,
};

impl Models for FakeModels {
    fn active(model: &ModelId) -> Option<ModelTerms> {
        let known = [MODEL, OTHER, BUSY].contains(model) || MoreModels::get().contains(model);
        known.then_some(TERMS)
    }
}

/// All but one entry of `operator`, which must be there.
fn without(mut all: Vec<AccountId>, operator: &AccountId) -> Vec<AccountId> {
    let at = all.iter().position(|other| other == operator);
    all.remove(at.expect("only what was taken is given back"));
    all
}

pub struct FakeWorkers;
impl FakeWorkers {
    fn draw(model: &ModelId, draw: &mut Draw, may: impl Fn(&AccountId) -> bool) -> Option<AccountId> {
        let able: Vec<_> = Operators::get()
            .into_iter()
            .filter(|operator| !Busy::get().contains(model) && may(operator))
            .collect();
        let drawn = able.get(draw.below(able.len() as u64) as usize).copied();
        if drawn.is_none() {
            (1..Looked::get()).for_each(|_| _ = draw.bits());
        }
        Owed::set(&Owed::get().into_iter().chain(drawn).collect());
        drawn
    }
    pub fn in_flight(operator: AccountId) -> u32 {
        InFlight::get().iter().filter(|other| **other == operator).count() as u32
    }
}
impl Workers<AccountId, u64> for FakeWorkers {
    fn operator_of(hot: &AccountId) -> Option<AccountId> {
        hot.checked_sub(100).filter(|operator| (1..=9).contains(operator))
    }
    fn serving(model: &ModelId) -> u32 {
        match Unserved::get().contains(model) {
            true => 0,
            false => Operators::get().len() as u32,
        }
    }
    fn established(_: &ModelId) -> u32 {
        Operators::get()
            .into_iter()
            .filter(|o| Self::probation(o).is_none())
            .count() as u32
    }
    fn most_tries() -> u32 {
        Looked::get()
    }
    fn draw_executor(model: &ModelId, _: &Demand, draw: &mut Draw, exclude: &[AccountId]) -> Option<(AccountId, Room)> {
        let drawn = Self::draw(model, draw, |o| {
            !exclude.contains(o) && Self::in_flight(*o) < Places::get()
        })?;
        InFlight::set(&[InFlight::get(), vec![drawn]].concat());
        Some((drawn, 1))
    }
    fn draw_auditor(model: &ModelId, answered: u64, draw: &mut Draw, exclude: &[AccountId]) -> Option<AccountId> {
        assert!(answered < System::block_number());
        let may: Vec<_> = Operators::get()
            .into_iter()
            .filter(|operator| {
                !Busy::get().contains(model) && !exclude.contains(operator) && Self::probation(operator).is_none()
            })
            .collect();
        may.get(draw.below(may.len() as u64) as usize).copied()
    }
    fn may_audit(operator: &AccountId) -> bool {
        Operators::get().contains(operator)
    }
    fn oblige_auditor(operator: &AccountId, demand: &Demand) -> Option<Room> {
        let audits = InAudit::get().iter().filter(|other| *other == operator).count() as u64;
        let fits = audits == 0 || demand.bound <= AuditRoom::get();
        let has_room = !BusyAuditors::get().contains(operator) && fits;
        if has_room {
            Owed::set(&[Owed::get(), vec![*operator]].concat());
            InAudit::set(&[InAudit::get(), vec![*operator]].concat());
        }
        has_room.then_some(1)
    }
    fn release(operator: &AccountId, duty: Duty, room: Room) {
        assert_eq!(room, 1);
        match duty {
            Duty::Execution => InFlight::set(&without(InFlight::get(), operator)),
            Duty::Audit => InAudit::set(&without(InAudit::get(), operator)),
        }
    }
    fn discharge(operator: &AccountId) {
        Owed::set(&without(Owed::get(), operator));
        let count = |all: Vec<AccountId>| all.iter().filter(|other| *other == operator).count();
        assert!(
            count(Owed::get()) >= count(InFlight::get()) + count(InAudit::get()),
            "room is given back first"
        );
    }
    fn reweigh(_: &AccountId, _: &ModelId) {}
    fn note_kept(operator: &AccountId) {
        Kept::set(&[Kept::get(), vec![*operator]].concat());
    }
    fn note_missed(operator: &AccountId) {
        Missed::set(&[Missed::get(), vec![*operator]].concat());
    }
    fn probation(operator: &AccountId) -> Option<u32> {
        Newcomers::get()
            .into_iter()
            .find(|(newcomer, _)| newcomer == operator)
            .map(|(_, stood)| stood)
    }
    fn note_stood(operator: &AccountId, required: u32) {
        Stood::set(&[Stood::get(), vec![(*operator, required)]].concat());
    }
    fn note_disputed(operator: &AccountId) {
        Disputed::set(&[Disputed::get(), vec![*operator]].concat());
    }
    fn jail(_: &AccountId) {}
}

pub struct FakeContributions;
impl Contributions<AccountId> for FakeContributions {
    fn credit(operator: &AccountId, source: Source, units: Units) {
        if units == 0 {
            return;
        }
        Credits::set(&[Credits::get(), vec![(*operator, source, units)]].concat());
    }
    fn weight(_: &AccountId) -> VoteWeight {
        0
    }
    fn most_weight(_: &AccountId) -> VoteWeight {
        0
    }
    fn total() -> VoteWeight {
        0
    }
    fn forfeit(_: &AccountId) {}
}

/// Keeps books: only what was reserved is settled, for whom and as much as it was.
pub struct FakeQuota;
impl Quota<AccountId> for FakeQuota {
    type Error = DispatchError;

    fn is_newcomer(who: &AccountId) -> bool {
        Shareless::get().contains(who)
    }

    fn charge_life(who: &AccountId, ref_time: u64) -> DispatchResult {
        Lives::set(&[Lives::get(), vec![(*who, ref_time)]].concat());
        Ok(())
    }

    fn reserve(who: &AccountId, units: Units) -> DispatchResult {
        let left = Budget::get().checked_sub(units).ok_or(DispatchError::Exhausted)?;
        Budget::set(&left);
        Reserved::set(&[Reserved::get(), vec![(*who, units)]].concat());
        Reservations::set(&(Reservations::get() + units));
        Ok(())
    }

    fn settle(who: &AccountId, reserved: Units, used: Units) {
        let mut open = Reserved::get();
        let at = open.iter().position(|entry| *entry == (*who, reserved));
        open.remove(at.expect("only what was reserved is settled, once"));
        Reserved::set(&open);
        let back = reserved.checked_sub(used).expect("no job costs more than was reserved");
        Budget::set(&(Budget::get() + back));
        Used::set(&(Used::get() + used));
        GivenBack::set(&(GivenBack::get() + back));
    }
}

/// A chain to be built, with small round times: see the fields.
pub struct Chain {
    pub jobs: JobParameters,
    pub audits: AuditParameters,
}

impl Default for Chain {
    fn default() -> Self {
        let jobs = JobParameters {
            assignment_delay: 2,
            audit_delay: 3,
            deadline_margin: 4,
            audit_timeout: 12,
            queue_timeout: 20,
            max_reassignments: 2,
            refund_delay: 10,
            retention: 50,
            dispute_retention: 80,
            min_serving: 2,
        };
        Self {
            jobs,
            audits: AuditParameters {
                max_redraws: 1,
                ..Default::default()
            },
        }
    }
}

impl Chain {
    pub fn externalities(self) -> sp_io::TestExternalities {
        let genesis = RuntimeGenesisConfig {
            system: Default::default(),
            audits: pallet_audits::GenesisConfig {
                parameters: Some(self.audits),
                _config: Default::default(),
            },
            jobs: pallet_jobs::GenesisConfig {
                parameters: Some(self.jobs),
                _config: Default::default(),
            },
        };
        genesis.build_storage().unwrap().into()
    }

    /// Runs `test` from block 1 on, then checks all invariants.
    pub fn build_and_execute(self, test: impl FnOnce()) {
        self.externalities().execute_with(|| {
            next_block();
            test();
            check_invariants();
        });
    }
}

pub fn check_invariants() {
    Jobs::do_try_state().unwrap();
    Audits::do_try_state().unwrap();
    let active = crate::Jobs::<Test>::iter_values().filter(|job| job.state.is_active());
    let (mut holders, mut in_flight): (Vec<_>, _) = (active.filter_map(|job| job.executor).collect(), InFlight::get());
    holders.sort();
    in_flight.sort();
    assert_eq!(holders, in_flight, "a job takes room of its executor until it is over");
    let (mut pending, mut in_audit): (Vec<_>, _) = (
        pallet_audits::Pending::<Test>::iter_keys()
            .map(|(operator, _)| operator)
            .collect(),
        InAudit::get(),
    );
    pending.sort();
    in_audit.sort();
    assert_eq!(pending, in_audit, "an audit takes room until it is attested");
    let (mut owed, mut open) = (Owed::get(), vec![]);
    let executors = crate::Jobs::<Test>::iter_values()
        .filter(|job| job.state.is_active() || job.state == State::Disputed)
        .filter_map(|job| job.executor);
    open.extend(executors);
    let audits = pallet_audits::Audits::<Test>::iter_values();
    open.extend(audits.flat_map(|audit| audit.auditors).map(|auditor| auditor.operator));
    owed.sort();
    open.sort();
    assert_eq!(
        owed, open,
        "exactly the drawings from which something may follow are not discharged"
    );
    check_reservations();
}

/// Exactly the jobs that aren't paid for have units reserved, and all others were paid for or given back.
fn check_reservations() {
    let under_way = crate::Jobs::<Test>::iter_values().filter(|job| job.reserved > 0);
    let (mut expected, mut reserved): (Vec<_>, _) = (
        under_way.map(|job| (job.requester, job.reserved)).collect(),
        Reserved::get(),
    );
    expected.sort();
    reserved.sort();
    assert_eq!(reserved, expected);
    let open: Units = reserved.iter().map(|(_, units)| units).sum();
    assert_eq!(Reservations::get(), open + Used::get() + GivenBack::get());
}

/// The model has no operators from now on.
pub fn abandon(model: ModelId) {
    Unserved::set(&[Unserved::get(), vec![model]].concat());
}

/// Starts the next block; its weight counts what it did, which is never more than it may be.
pub fn next_block() -> u64 {
    System::set_block_number(System::block_number() + 1);
    let done = Jobs::on_initialize(System::block_number());
    assert!(done.all_lte(ServiceWeight::get()));
    done.ref_time()
}

pub fn run_to(block: u64) {
    while System::block_number() < block {
        next_block();
    }
}

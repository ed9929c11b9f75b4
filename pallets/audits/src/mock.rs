// SPDX-License-Identifier: Apache-2.0
//! A runtime with this pallet and in-memory fakes behind the traits it uses.
use crate::{self as pallet_audits, AuditParameters};
use ergon_primitives::{
    draw::Draw,
    hash,
    traits::{Answered, Beacon, Contributions, Demand, Duty, OnAudit, Parameters, Room, Source, Workers},
    JobId, ModelId, Units, VoteWeight, H256,
};
use frame_support::{derive_impl, parameter_types};
use frame_system::mocking::MockBlock;
use sp_runtime::{BuildStorage, Permill};

pub type AccountId = u64;

pub const MODEL: ModelId = H256::repeat_byte(0xAA);
pub const EXECUTOR: AccountId = 1;

/// What computing an answer again takes.
pub const DEMAND: Demand = Demand { bound: 70, rate: 10 };

/// Room that it takes of any auditor.
const ROOM: Room = 700_000;

/// An answer of [`EXECUTOR`] in block 1.
pub fn answered() -> Answered<AccountId, u64> {
    Answered {
        model: MODEL,
        executor: EXECUTOR,
        at: 1,
        demand: DEMAND,
    }
}

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
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlock<Test>;
}

impl Parameters<AuditParameters> for Settings {
    fn get() -> AuditParameters {
        Settings::get()
    }
    fn set(parameters: AuditParameters) {
        Settings::set(&parameters);
    }
}

impl pallet_audits::Config for Test {
    type Parameters = Settings;
    type Beacon = FakeBeacon;
    type Workers = FakeWorkers;
    type Contributions = FakeContributions;
    type OnAudit = Told;
    type WeightInfo = ();
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Bench;
}

/// Makes what benchmarks need.
#[cfg(feature = "runtime-benchmarks")]
pub struct Bench;

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::BenchmarkHelper<AccountId> for Bench {
    fn operator(index: u32) -> (AccountId, AccountId) {
        let operator = u64::from(index) + 1;
        Operators::set(&(1..=operator).collect());
        (operator, operator + 100)
    }

    fn auditing(_: JobId, executor: &AccountId) {
        Owed::set(&Operators::get());
        Taken::set(&vec![executor - 1]);
    }
}

parameter_types! {
    pub storage Settings: AuditParameters = Default::default();
    /// Operators that serve [`MODEL`].
    pub storage Operators: Vec<AccountId> = vec![1, 2, 3, 4];
    /// Operators without room.
    pub storage Busy: Vec<AccountId> = vec![];
    /// Operators with room taken, once for each drawing.
    pub storage Taken: Vec<AccountId> = vec![];
    pub storage Kept: Vec<AccountId> = vec![];
    pub storage Missed: Vec<AccountId> = vec![];
    pub storage Credits: Vec<(AccountId, Units)> = vec![];
    /// Who has an obligation, once for each.
    pub storage Owed: Vec<AccountId> = vec![];
    /// Operators on probation, with the number of their answers that stood.
    pub storage Newcomers: Vec<(AccountId, u32)> = vec![];
    /// Operators one of whose answers stood, with the number that would end their probation.
    pub storage Stood: Vec<(AccountId, u32)> = vec![];
    pub storage Completed: Vec<JobId> = vec![];
    /// Jobs whose turn for an auditor has come.
    pub storage Called: Vec<JobId> = vec![];
}

pub struct FakeBeacon;
impl Beacon for FakeBeacon {
    fn value() -> H256 {
        hash(&[&System::block_number().to_le_bytes()])
    }
}

/// All but one entry of `operator`, which must be there.
fn without(mut all: Vec<AccountId>, operator: &AccountId) -> Vec<AccountId> {
    let at = all.iter().position(|other| other == operator);
    all.remove(at.expect("only what was taken is given back"));
    all
}

pub struct FakeWorkers;

impl Workers<AccountId, u64> for FakeWorkers {
    fn operator_of(hot: &AccountId) -> Option<AccountId> {
        hot.checked_sub(100)
            .filter(|operator| Operators::get().contains(operator))
    }
    fn serving(_: &ModelId) -> u32 {
        Operators::get().len() as u32
    }
    fn established(_: &ModelId) -> u32 {
        Operators::get()
            .into_iter()
            .filter(|o| Self::probation(o).is_none())
            .count() as u32
    }
    fn most_tries() -> u32 {
        1
    }
    fn draw_executor(_: &ModelId, _: &Demand, _: &mut Draw, _: &[AccountId]) -> Option<(AccountId, Room)> {
        None
    }
    fn draw_auditor(model: &ModelId, answered: u64, draw: &mut Draw, exclude: &[AccountId]) -> Option<AccountId> {
        assert_eq!((*model, answered), (MODEL, 1));
        let may: Vec<_> = Operators::get()
            .into_iter()
            .filter(|operator| !exclude.contains(operator) && Self::probation(operator).is_none())
            .collect();
        may.get(draw.below(may.len() as u64) as usize).copied()
    }
    fn may_audit(operator: &AccountId) -> bool {
        Operators::get().contains(operator)
    }
    fn oblige_auditor(operator: &AccountId, demand: &Demand) -> Option<Room> {
        assert_eq!(*demand, DEMAND);
        let has_room = !Busy::get().contains(operator);
        if has_room {
            Owed::set(&[Owed::get(), vec![*operator]].concat());
            Taken::set(&[Taken::get(), vec![*operator]].concat());
        }
        has_room.then_some(ROOM)
    }
    fn release(operator: &AccountId, duty: Duty, room: Room) {
        // Benchmarks make audits without drawing anybody.
        assert!(duty == Duty::Audit && (room == ROOM || cfg!(feature = "runtime-benchmarks")));
        Taken::set(&without(Taken::get(), operator));
    }
    fn discharge(operator: &AccountId) {
        Owed::set(&without(Owed::get(), operator));
        let count = |all: Vec<AccountId>| all.iter().filter(|other| *other == operator).count();
        assert!(count(Owed::get()) >= count(Taken::get()), "room is given back first");
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
    fn note_disputed(_: &AccountId) {}
    fn jail(_: &AccountId) {}
}

pub struct FakeContributions;
impl Contributions<AccountId> for FakeContributions {
    fn credit(operator: &AccountId, source: Source, units: Units) {
        assert_eq!(source, Source::Audit);
        if units == 0 {
            return;
        }
        Credits::set(&[Credits::get(), vec![(*operator, units)]].concat());
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

/// Records of which jobs it was told.
pub struct Told;
impl OnAudit for Told {
    fn all_attested(job: JobId) {
        Completed::set(&[Completed::get(), vec![job]].concat());
    }
    fn auditor_ready(job: JobId) {
        Called::set(&[Called::get(), vec![job]].concat());
    }
}

/// The genesis state with the default parameters.
#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
    genesis(AuditParameters::default())
}

fn genesis(parameters: AuditParameters) -> sp_io::TestExternalities {
    let genesis = RuntimeGenesisConfig {
        system: Default::default(),
        audits: pallet_audits::GenesisConfig {
            parameters: Some(parameters),
            _config: Default::default(),
        },
    };
    genesis.build_storage().unwrap().into()
}

/// Runs `test` with these parameters, then checks all invariants.
pub fn build_and_execute(auditors_per_job: u32, rate: Permill, max_redraws: u32, test: impl FnOnce()) {
    let parameters = AuditParameters {
        auditors_per_job,
        rate,
        max_redraws,
        ..Default::default()
    };
    genesis(parameters).execute_with(|| {
        System::set_block_number(1);
        test();
        Audits::do_try_state().unwrap();
        assert_all_owed();
    });
}

/// Checks that exactly those owe something that are in an audit that is not closed, and have room taken until they attest.
pub fn assert_all_owed() {
    let (mut pending, mut taken): (Vec<_>, _) = (
        pallet_audits::Pending::<Test>::iter_keys()
            .map(|(operator, _)| operator)
            .collect(),
        Taken::get(),
    );
    pending.sort();
    taken.sort();
    assert_eq!(taken, pending);
    let audits = pallet_audits::Audits::<Test>::iter_values();
    let mut drawn: Vec<_> = audits
        .flat_map(|audit| audit.auditors)
        .map(|auditor| auditor.operator)
        .collect();
    let mut owed = Owed::get();
    drawn.sort();
    owed.sort();
    assert_eq!(owed, drawn);
}

/// Events of this pallet since the last call.
pub fn take_events() -> Vec<pallet_audits::Event<Test>> {
    let ours = |record: frame_system::EventRecord<RuntimeEvent, _>| match record.event {
        RuntimeEvent::Audits(event) => Some(event),
        _ => None,
    };
    let events = System::events().into_iter().filter_map(ours).collect();
    System::reset_events();
    events
}

// SPDX-License-Identifier: Apache-2.0
//! A runtime with the real referenda, scheduler, preimages and contributions, and no token. Tests set the epoch by hand.
use crate::{
    self as pallet_collective, Enactment, EnsureComputeWeight, EnsureGuardian, EnsureModels, Origin, Referenda, Tally,
    VoteRecord,
};
use ergon_primitives::{
    traits::{Contributions as _, CurrentEpoch, Source},
    Epoch, VoteWeight,
};
use frame_support::{
    assert_ok, derive_impl,
    dispatch::RawOrigin,
    parameter_types,
    traits::{schedule::DispatchTime, ConstU32, ConstU64, Contains, EqualPrivilegeOnly, OnInitialize, StorePreimage},
    weights::Weight,
};
use frame_system::EnsureRoot;
use pallet_referenda::{Curve, ReferendumInfo, ReferendumInfoFor, ReferendumInfoOf, Track, TrackInfo, TracksInfo};
use sp_runtime::{str_array, BuildStorage, DispatchResult, Perbill};
use std::{borrow::Cow, collections::BTreeSet};

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeTask,
        RuntimeHoldReason,
        RuntimeFreezeReason,
        RuntimeViewFunction
    )]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(2)]
    pub type Preimage = pallet_preimage;
    #[runtime::pallet_index(3)]
    pub type Scheduler = pallet_scheduler;
    #[runtime::pallet_index(4)]
    pub type Contributions = pallet_contributions;
    #[runtime::pallet_index(5)]
    pub type RankedCollective = pallet_collective;
    #[runtime::pallet_index(6)]
    pub type RankedPolls = pallet_referenda;
    #[runtime::pallet_index(7)]
    pub type Prices = prices;
}

/// Something that proposals on the track of models change.
#[frame_support::pallet]
pub mod prices {
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
    }

    #[pallet::storage]
    pub type Price<T> = StorageValue<_, u32, ValueQuery>;

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        #[pallet::call_index(0)]
        #[pallet::weight(Weight::from_parts(1, 0))]
        pub fn set(origin: OriginFor<T>, price: u32) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Price::<T>::put(price);
            Ok(())
        }
    }
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
}

impl pallet_preimage::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type Currency = Balances;
    type ManagerOrigin = EnsureRoot<u64>;
    type Consideration = ();
}

parameter_types! {
    pub AgendaWeight: Weight = Weight::from_parts(2_000_000_000_000, u64::MAX);
    /// The current epoch.
    pub static Now: Epoch = 0;
    /// Who is no operator any more; everybody else is.
    pub static Gone: BTreeSet<u64> = BTreeSet::new();
    pub static TotalFloor: VoteWeight = 10;
}

impl pallet_scheduler::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeOrigin = RuntimeOrigin;
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type MaximumWeight = AgendaWeight;
    type ScheduleOrigin = EnsureRoot<u64>;
    type MaxScheduledPerBlock = ConstU32<100>;
    type WeightInfo = ();
    type OriginPrivilegeCmp = EqualPrivilegeOnly;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

impl prices::Config for Test {
    type GovernanceOrigin = EnsureModels;
}

/// Says [`Now`].
pub struct HandSet;

impl CurrentEpoch for HandSet {
    fn current_epoch() -> Epoch {
        Now::get()
    }
}

impl pallet_contributions::Config for Test {
    type CurrentEpoch = HandSet;
    // So a weight is exactly the mean of the one before and the units since.
    type HalfLifeEpochs = ConstU32<1>;
    type OnChange = RankedCollective;
}

/// Everybody but those [`Gone`].
pub struct Registry;

impl Contains<u64> for Registry {
    fn contains(who: &u64) -> bool {
        !Gone::get().contains(who)
    }
}

/// All but the models'.
pub struct Locked;

impl Contains<OriginCaller> for Locked {
    fn contains(origin: &OriginCaller) -> bool {
        *origin != Origin::Models.into()
    }
}

pub const MIN_SUBMIT_WEIGHT: VoteWeight = 10;
pub const MAX_POLL_EPOCHS: u32 = 5;
pub const MAX_DELEGATORS: u32 = 3;
pub const OPENING_MEMBERS: u32 = 3;
pub const OPENING_EPOCHS: u32 = 2;

impl pallet_collective::Config for Test {
    type BlockNumberProvider = System;
    type CurrentEpoch = HandSet;
    type Weights = Contributions;
    type Operators = Registry;
    type Polls = RankedPolls;
    type Scheduler = Scheduler;
    type LockedOrigins = Locked;
    type TotalFloor = TotalFloor;
    type MinSubmitWeight = ConstU64<MIN_SUBMIT_WEIGHT>;
    type MaxPollEpochs = ConstU32<MAX_POLL_EPOCHS>;
    type MaxDelegators = ConstU32<MAX_DELEGATORS>;
    type OpeningMembers = ConstU32<OPENING_MEMBERS>;
    type OpeningEpochs = ConstU32<OPENING_EPOCHS>;
    type WeightInfo = pallet_collective::weights::MeasuredWeight<Test>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Workbench;
}

/// Lets accounts work, for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
pub struct Workbench;

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<u64> for Workbench {
    fn make_member(who: &u64, weight: VoteWeight) {
        Contributions::credit(who, Source::Job, 2 * weight);
    }

    fn forfeit(who: &u64) {
        Contributions::forfeit(who);
    }

    fn begin_epoch() {
        Now::mutate(|now| *now += 1);
    }
}

pub const PREPARE: u64 = 2;
pub const DECISION: u64 = 20;
pub const CONFIRM: u64 = 3;
pub const ENACTMENT: u64 = 4;
pub const UNDECIDING_TIMEOUT: u64 = 10;

const fn track(id: u8, name: &str) -> Track<u8, u64, u64> {
    Track {
        id,
        info: TrackInfo {
            name: str_array(name),
            max_deciding: 5,
            decision_deposit: 0,
            prepare_period: PREPARE,
            decision_period: DECISION,
            confirm_period: CONFIRM,
            min_enactment_period: ENACTMENT,
            min_approval: Curve::LinearDecreasing {
                length: Perbill::from_percent(100),
                floor: Perbill::from_percent(50),
                ceil: Perbill::from_percent(100),
            },
            min_support: Curve::LinearDecreasing {
                length: Perbill::from_percent(100),
                floor: Perbill::from_percent(10),
                ceil: Perbill::from_percent(50),
            },
        },
    }
}

pub struct Tracks;

impl TracksInfo<u64, u64> for Tracks {
    type Id = u8;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<u8, u64, u64>>> {
        static ALL: [Track<u8, u64, u64>; 3] = [track(0, "root"), track(1, "models"), track(2, "parameters")];
        ALL.iter().map(Cow::Borrowed)
    }

    fn track_for(origin: &OriginCaller) -> Result<u8, ()> {
        match origin {
            OriginCaller::system(RawOrigin::Root) => Ok(0),
            OriginCaller::RankedCollective(Origin::Models) => Ok(1),
            OriginCaller::RankedCollective(Origin::Parameters) => Ok(2),
            _ => Err(()),
        }
    }
}

impl pallet_referenda::Config for Test {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type Scheduler = Enactment<Test>;
    type Currency = Balances;
    type SubmitOrigin = EnsureComputeWeight<Test>;
    type CancelOrigin = EnsureGuardian<Test>;
    type KillOrigin = EnsureRoot<u64>;
    type Slash = ();
    type Votes = VoteWeight;
    type Tally = Tally<Test>;
    type SubmissionDeposit = ConstU64<0>;
    type MaxQueued = ConstU32<10>;
    type UndecidingTimeout = ConstU64<UNDECIDING_TIMEOUT>;
    type AlarmInterval = ConstU64<1>;
    type Tracks = Tracks;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

/// May cancel polls before block [`GUARDIAN_END`].
pub const GUARDIAN: u64 = 777;
pub const GUARDIAN_END: u64 = 50;

/// An empty chain in block 1 and epoch 0.
pub fn new_test_ext() -> sp_io::TestExternalities {
    let config = RuntimeGenesisConfig {
        ranked_collective: pallet_collective::GenesisConfig {
            guardian: Some((GUARDIAN, GUARDIAN_END)),
        },
        ..Default::default()
    };
    let mut ext = sp_io::TestExternalities::new(config.build_storage().unwrap());
    ext.execute_with(|| {
        Now::set(0);
        Gone::set(BTreeSet::new());
        TotalFloor::set(10);
        System::set_block_number(1);
    });
    ext
}

/// Runs `test` on an empty chain, and checks after it that the invariants hold and that there is no token.
pub fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        test();
        check_invariants();
    });
}

pub fn check_invariants() {
    RankedCollective::do_try_state().unwrap();
    Contributions::do_try_state().unwrap();
    assert_eq!(Balances::total_issuance(), 0);
}

pub fn signed(who: u64) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

pub fn weight(who: u64) -> VoteWeight {
    Contributions::weight(&who)
}

/// Lets each operator work in this epoch so that it has its weight in the next one, which begins.
pub fn work(weights: &[(u64, VoteWeight)]) {
    for &(who, wanted) in weights {
        Contributions::credit(&who, Source::Job, 2 * wanted - weight(who));
    }
    Now::mutate(|now| *now += 1);
    for &(who, wanted) in weights {
        assert_eq!(weight(who), wanted);
    }
}

/// Operators 1, 2 and 3 with weights 60, 30 and 10 in epoch 1.
pub fn three_operators() {
    work(&THREE);
}

pub const THREE: [(u64, VoteWeight); 3] = [(1, 60), (2, 30), (3, 10)];

/// As [`three_operators`], and they have worked for long enough to open the chain.
pub fn three_founders() {
    // The first epoch's work weighs from the second on.
    (0..OPENING_EPOCHS + 1).for_each(|_| work(&THREE));
}

pub fn models() -> OriginCaller {
    Origin::Models.into()
}

pub fn root() -> OriginCaller {
    RawOrigin::Root.into()
}

pub fn parameters() -> OriginCaller {
    Origin::Parameters.into()
}

/// Proposes a call, to be dispatched with an origin.
pub fn propose(who: u64, origin: OriginCaller, call: RuntimeCall) -> DispatchResult {
    let bounded = Preimage::bound(call).unwrap();
    RankedPolls::submit(signed(who), Box::new(origin), bounded, DispatchTime::After(0))
}

pub fn set_price(price: u32) -> RuntimeCall {
    prices::Call::set { price }.into()
}

/// Submits something on the track of models and returns its number.
pub fn submit(who: u64) -> u32 {
    let poll = RankedPolls::next_poll();
    assert_ok!(propose(who, models(), set_price(poll + 1)));
    poll
}

/// What has become of a poll.
pub fn info(poll: u32) -> ReferendumInfoOf<Test, ()> {
    ReferendumInfoFor::<Test>::get(poll).expect("it was submitted")
}

pub fn tally(poll: u32) -> Tally<Test> {
    match info(poll) {
        ReferendumInfo::Ongoing(status) => status.tally,
        other => panic!("poll {poll} is not ongoing: {other:?}"),
    }
}

/// Ayes and nays.
pub fn counts(poll: u32) -> (VoteWeight, VoteWeight) {
    let tally = tally(poll);
    (tally.ayes, tally.nays)
}

pub fn vote_of(poll: u32, who: u64) -> Option<VoteRecord> {
    crate::Voting::<Test>::get(poll, who)
}

pub fn run_to(block: u64) {
    while System::block_number() < block {
        System::set_block_number(System::block_number() + 1);
        Scheduler::on_initialize(System::block_number());
    }
}

pub fn run_for(blocks: u64) {
    run_to(System::block_number() + blocks);
}

// SPDX-License-Identifier: Apache-2.0
//! How the chain is governed: by verified compute, without a token.
use super::preimages::NotedPreimage;
use super::weights::{PreimageWeight, ReferendaWeight};
use super::*;
use crate::{parameters::RuntimeParameters, Contributions, Preimage, RankedPolls, Scheduler};
use alloc::borrow::Cow;
use ergon_primitives::VoteWeight;
use frame_support::{
    dispatch::RawOrigin,
    traits::{AsEnsureOriginWithArg, Contains, EitherOfDiverse, EqualPrivilegeOnly, Everything},
};
use frame_system::EnsureRoot;
use pallet_compute_collective::{Enactment, EnsureComputeWeight, EnsureGuardian, EnsureParameters, Origin, Tally};
use pallet_referenda::{Curve, Track, TrackInfo, TracksInfo};
use sp_runtime::{FixedI64, Perbill};

/// Most accounts that let one member vote for them.
const MAX_DELEGATORS: u32 = 32;
/// Own weight that it takes to submit a proposal: no newcomer earns it by its own requests. Development networks are open at once.
const MIN_SUBMIT_WEIGHT: VoteWeight = if cfg!(feature = "production") {
    NEWCOMER_UNITS
} else {
    1
};
/// Least total that support is measured against: all newcomers together don't earn it by each other's requests.
const TOTAL_FLOOR: VoteWeight = if cfg!(feature = "production") {
    NEWCOMERS_UNITS
} else {
    1
};

parameter_types! {
    /// Share of a block for what was scheduled.
    pub AgendaWeight: Weight = Perbill::from_percent(60) * MAX_BLOCK_WEIGHT;
}

impl pallet_scheduler::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeOrigin = RuntimeOrigin;
    type PalletsOrigin = OriginCaller;
    type RuntimeCall = RuntimeCall;
    type MaximumWeight = AgendaWeight;
    type ScheduleOrigin = EnsureRoot<AccountId>;
    type MaxScheduledPerBlock = ConstU32<64>;
    type WeightInfo = pallet_scheduler::weights::SubstrateWeight<Runtime>;
    type OriginPrivilegeCmp = EqualPrivilegeOnly;
    type Preimages = Preimage;
    type BlockNumberProvider = Clock;
}

impl pallet_preimage::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = PreimageWeight;
    type Currency = Balances;
    type ManagerOrigin = EnsureRoot<AccountId>;
    type Consideration = NotedPreimage;
}

impl pallet_compute_collective::Config for Runtime {
    type BlockNumberProvider = Clock;
    type CurrentEpoch = Sessions;
    type Weights = Contributions;
    type Operators = Operators;
    type Polls = RankedPolls;
    type Scheduler = Scheduler;
    // A model credits work at prices that those who register it choose, so that track opens with the others.
    type LockedOrigins = Everything;
    type TotalFloor = ConstU64<TOTAL_FLOOR>;
    type MinSubmitWeight = ConstU64<MIN_SUBMIT_WEIGHT>;
    type MaxPollEpochs = ConstU32<{ timing::MAX_POLL_EPOCHS }>;
    type MaxDelegators = ConstU32<MAX_DELEGATORS>;
    type OpeningMembers = ConstU32<{ timing::OPENING.0 }>;
    type OpeningEpochs = ConstU32<{ timing::OPENING.1 }>;
    type WeightInfo = pallet_compute_collective::weights::MeasuredWeight<Runtime>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Bench;
}

/// The registered operators that are not in jail.
pub struct Operators;

impl Contains<AccountId> for Operators {
    fn contains(who: &AccountId) -> bool {
        pallet_workers::Operators::<Runtime>::get(who)
            .is_some_and(|entry| entry.status != pallet_workers::Status::Jailed)
    }
}

impl pallet_referenda::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ReferendaWeight;
    type Scheduler = Enactment<Runtime>;
    type Currency = Balances;
    type SubmitOrigin = EnsureComputeWeight<Runtime>;
    type CancelOrigin = EitherOfDiverse<EnsureRoot<AccountId>, EnsureGuardian<Runtime>>;
    type KillOrigin = EnsureRoot<AccountId>;
    type Slash = ();
    type Votes = VoteWeight;
    type Tally = Tally<Runtime>;
    type SubmissionDeposit = ConstU128<0>;
    type MaxQueued = ConstU32<64>;
    type UndecidingTimeout = ConstU32<{ timing::UNDECIDING_TIMEOUT }>;
    type AlarmInterval = ConstU32<1>;
    type Tracks = Tracks;
    type Preimages = Preimage;
    type BlockNumberProvider = Clock;
}

impl pallet_parameters::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeParameters = RuntimeParameters;
    type AdminOrigin = AsEnsureOriginWithArg<EitherOfDiverse<EnsureRoot<AccountId>, EnsureParameters>>;
    type WeightInfo = ();
}

const fn percent(x: u128) -> FixedI64 {
    FixedI64::from_rational(x, 100)
}

/// Approval of root: from all of those who vote to half of them, at four fifths after 1/7 of the period.
const ROOT_APPROVAL: Curve = Curve::make_reciprocal(4, 28, percent(80), percent(50), percent(100));
/// Support of root: from half of all weight to a tenth.
const ROOT_SUPPORT: Curve = Curve::make_linear(28, 28, percent(10), percent(50));
/// Of the other tracks.
const APPROVAL: Curve = Curve::make_linear(28, 28, percent(50), percent(75));
const SUPPORT: Curve = Curve::make_linear(28, 28, percent(5), percent(30));

/// The name has exactly as many bytes as the pallet keeps: clients show the zeros that a shorter one would end with.
const fn track(
    id: u16,
    name: &[u8; 25],
    max_deciding: u32,
    confirm_period: BlockNumber,
    min_enactment_period: BlockNumber,
    min_approval: Curve,
    min_support: Curve,
) -> Track<u16, Balance, BlockNumber> {
    Track {
        id,
        info: TrackInfo {
            name: *name,
            max_deciding,
            decision_deposit: 0,
            prepare_period: timing::PREPARE_PERIOD,
            decision_period: timing::DECISION_PERIOD,
            confirm_period,
            min_enactment_period,
            min_approval,
            min_support,
        },
    }
}

/// Root: runtime and validators. Models: register, retire, price. Parameters: `pallet-parameters`.
pub struct Tracks;

impl TracksInfo<Balance, BlockNumber> for Tracks {
    type Id = u16;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<u16, Balance, BlockNumber>>> {
        static ALL: [Track<u16, Balance, BlockNumber>; 3] = [
            track(
                0,
                b"root: runtime, validators",
                5,
                timing::ROOT_CONFIRM_PERIOD,
                timing::ENACTMENT_PERIOD,
                ROOT_APPROVAL,
                ROOT_SUPPORT,
            ),
            track(
                1,
                b"models: registry & prices",
                20,
                timing::CONFIRM_PERIOD,
                timing::ENACTMENT_PERIOD,
                APPROVAL,
                SUPPORT,
            ),
            track(
                2,
                b"parameters: work & quotas",
                20,
                timing::CONFIRM_PERIOD,
                timing::ENACTMENT_PERIOD,
                APPROVAL,
                SUPPORT,
            ),
        ];
        ALL.iter().map(Cow::Borrowed)
    }

    fn track_for(origin: &OriginCaller) -> Result<u16, ()> {
        match origin {
            OriginCaller::system(RawOrigin::Root) => Ok(0),
            OriginCaller::RankedCollective(Origin::Models) => Ok(1),
            OriginCaller::RankedCollective(Origin::Parameters) => Ok(2),
            _ => Err(()),
        }
    }
}

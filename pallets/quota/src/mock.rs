// SPDX-License-Identifier: Apache-2.0
//! A runtime whose operators and weights tests set by hand.
use crate as pallet_quota;
use crate::{
    Accounts, Admitted, ChargeQuota, CheckNonce, Classify, Lane, Meter, Points, QuotaParameters, Usage, Usages,
};
use codec::Encode;
use ergon_primitives::{
    quota::{Admission, Newcomers},
    ticket,
    ticket::Ticket,
    traits::{CurrentEpoch, Parameters},
    Epoch, VoteWeight,
};
use frame_support::{
    derive_impl,
    dispatch::{DispatchInfo, DispatchResultWithPostInfo, GetDispatchInfo, PostDispatchInfo},
    parameter_types,
    traits::{ConstU32, ConstU64},
    weights::Weight,
};
use frame_system::limits::BlockWeights;
use sp_runtime::{
    traits::{DispatchTransaction, TransactionExtension},
    transaction_validity::{TransactionSource, TransactionValidityError, ValidTransaction},
    BuildStorage, Perbill,
};
use std::collections::{BTreeMap, BTreeSet};

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(RuntimeCall, RuntimeEvent, RuntimeError, RuntimeOrigin, RuntimeTask)]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(2)]
    pub type Quota = pallet_quota;
}

/// What every transaction goes through, as far as it matters here.
pub type Extensions = (CheckNonce<Test>, frame_system::CheckWeight<Test>, ChargeQuota<Test>);

pub const NEWCOMER_POINTS: Points = 10_000;
pub const WEIGHT_POINTS: Points = 10_000_000;
pub const GUARANTEED_POINTS: Points = 20_000;
pub const UNITS_PER_POINT: u64 = 10;
pub const REFILL_BLOCKS: u64 = 600;
pub const HALF_LIFE: u64 = 1_000;
pub const MAX_LINES: u32 = 3;
pub const GENESIS_POINTS: Points = 1_000_000;
pub const RETARGET_BLOCKS: u64 = 50;
pub const TICKETS_PER_PERIOD: u32 = 4;
pub const TICKET_LIFETIME: u64 = 20;
pub const TICKETS_PER_BLOCK: u32 = 10;
pub const TICKET_POINTS: Points = 5_000;
pub const VOUCHES: u32 = 2;
pub const BAN: Epoch = 3;
pub const MAX_BYTES: u32 = 1_000_000;
/// A ticket takes 16 tries.
pub const EASIEST: u64 = u64::MAX >> 4;
pub const HARDEST: u64 = u64::MAX >> 12;

/// What the chain starts with.
pub const CURVE: QuotaParameters = QuotaParameters {
    weight_points: WEIGHT_POINTS,
    newcomer_points: NEWCOMER_POINTS,
    newcomer_share: Perbill::from_percent(10),
    units_per_point: UNITS_PER_POINT,
    duty_points: GUARANTEED_POINTS,
    vote_points: GUARANTEED_POINTS,
};

/// Known accounts without a line are those up to this.
pub const KNOWN: u64 = 200;
/// It has a genesis line.
pub const FOUNDER: u64 = 1_000;

parameter_types! {
    pub Weights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(2_000_000_000_000, u64::MAX),
        Perbill::from_percent(75),
    );
    pub const FirstSteps: Weight = Weight::from_parts(6_000_000_000, 0);
    /// The curve in force.
    pub storage Curve: QuotaParameters = CURVE;
    /// Weight of each operator.
    pub static Operators: BTreeMap<u64, VoteWeight> = BTreeMap::new();
    /// Operators on probation.
    pub static OnProbation: BTreeSet<u64> = BTreeSet::new();
    /// Accounts that the registry was told of.
    pub static LetIn: Vec<u64> = Vec::new();
    /// The current epoch.
    pub static CurrentIndex: Epoch = 0;
    /// When the current weights came into force.
    pub static Since: u64 = 0;
    /// Who has voted: [`VOTE`] would change that.
    pub static Voted: BTreeSet<u64> = BTreeSet::new();
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type BlockWeights = Weights;
    type BlockHashCount = ConstU64<100>;
}

impl pallet_utility::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = ();
}

/// The hot key of an operator.
pub fn hot(operator: u64) -> u64 {
    operator + 10_000
}

/// Knows [`Operators`].
pub struct HandSet;

impl Accounts<u64> for HandSet {
    fn operator_of(account: &u64) -> Option<u64> {
        let operators = Operators::get();
        [Some(*account), account.checked_sub(10_000)]
            .into_iter()
            .flatten()
            .find(|operator| operators.contains_key(operator))
    }

    fn weight(operator: &u64) -> VoteWeight {
        Operators::get().get(operator).copied().unwrap_or_default()
    }

    fn total_weight() -> VoteWeight {
        Operators::get().values().sum()
    }

    fn is_established(operator: &u64) -> bool {
        Operators::get().contains_key(operator) && !OnProbation::get().contains(operator)
    }
}

impl Newcomers<u64> for HandSet {
    fn let_in(account: &u64) {
        LetIn::mutate(|accounts| accounts.push(*account));
    }
}

impl CurrentEpoch for HandSet {
    fn current_epoch() -> Epoch {
        CurrentIndex::get()
    }
}

pub const DUTY: &[u8] = b"duty";
pub const VOTE: &[u8] = b"vote";
pub const MANAGE: &[u8] = b"manage";

impl Classify<u64, RuntimeCall> for HandSet {
    fn lane(who: &u64, _: &u64, call: &RuntimeCall) -> Lane {
        match call {
            RuntimeCall::System(frame_system::Call::remark { remark }) if remark == DUTY => Lane::Duty,
            RuntimeCall::System(frame_system::Call::remark { remark }) if remark == MANAGE => Lane::Management,
            RuntimeCall::System(frame_system::Call::remark { remark }) if remark == VOTE => {
                if Voted::get().contains(who) {
                    Lane::ChangedVote
                } else {
                    Lane::Vote
                }
            }
            _ => Lane::Ordinary,
        }
    }
}

/// Keeps [`Curve`].
pub struct InForce;

impl Parameters<QuotaParameters> for InForce {
    fn get() -> QuotaParameters {
        Curve::get()
    }

    fn set(parameters: QuotaParameters) {
        Curve::set(&parameters);
    }
}

impl pallet_quota::Config for Test {
    type Accounts = HandSet;
    type Lanes = HandSet;
    type Newcomers = HandSet;
    type CurrentEpoch = HandSet;
    type WeightsSince = Since;
    type MaxTransactionBytes = ConstU32<MAX_BYTES>;
    type Parameters = InForce;
    type PointsPerByte = ConstU64<1>;
    type RefillBlocks = ConstU64<REFILL_BLOCKS>;
    type FirstSteps = FirstSteps;
    type LeastUnits = ConstU64<50_000>;
    type GenesisHalfLife = ConstU64<HALF_LIFE>;
    type MaxLines = ConstU32<MAX_LINES>;
    type RetargetBlocks = ConstU64<RETARGET_BLOCKS>;
    type TicketsPerPeriod = ConstU32<TICKETS_PER_PERIOD>;
    type TicketLifetime = ConstU64<TICKET_LIFETIME>;
    type MaxJoinsPerBlock = ConstU32<{ 2 * TICKETS_PER_BLOCK }>;
    type MaxVouchesPerEpoch = ConstU32<VOUCHES>;
    type VoucherBan = ConstU32<BAN>;
    type TicketPoints = ConstU64<TICKET_POINTS>;
    type EasiestTarget = ConstU64<EASIEST>;
    type HardestTarget = ConstU64<HARDEST>;
    type WeightInfo = pallet_quota::weights::MeasuredWeight<Test>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Bench;
}

/// Makes what benchmarks need.
#[cfg(feature = "runtime-benchmarks")]
pub struct Bench;

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::BenchmarkHelper<u64, RuntimeCall> for Bench {
    fn operator(index: u32) -> (u64, u64) {
        let operator = u64::from(index) + 1;
        operators([(operator, 1), (KNOWN, VoteWeight::from(u32::MAX))]);
        (operator, hot(operator))
    }

    fn duty(_: &u64) -> RuntimeCall {
        remark(DUTY)
    }
}

/// The state of block 0: [`FOUNDER`] has a line.
pub fn new_test_ext() -> sp_io::TestExternalities {
    let config = RuntimeGenesisConfig {
        system: Default::default(),
        quota: pallet_quota::GenesisConfig {
            parameters: None,
            lines: vec![(FOUNDER, GENESIS_POINTS)],
        },
    };
    sp_io::TestExternalities::new(config.build_storage().unwrap())
}

/// Runs `test` in block 1 of a chain that has let the accounts 1 to [`KNOWN`] in and [`FOUNDER`], and checks the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        Operators::set(BTreeMap::new());
        Voted::set(BTreeSet::new());
        OnProbation::set(BTreeSet::new());
        LetIn::set(Vec::new());
        CurrentIndex::set(0);
        Since::set(0);
        (1..=KNOWN).for_each(|account| Quota::welcome(&account));
        go_to(1);
        test();
        Quota::do_try_state().unwrap();
    });
}

/// Begins block `number`, with nothing in it; the last blocks have hashes.
pub fn go_to(number: u64) {
    System::set_block_number(number);
    for block in number.saturating_sub(TICKET_LIFETIME + 10)..number {
        frame_system::BlockHash::<Test>::insert(block, hash_of(block));
    }
    frame_system::BlockHash::<Test>::insert(0, hash_of(0));
    frame_system::BlockWeight::<Test>::kill();
    frame_system::BlockSize::<Test>::kill();
}

/// Hash of block `number`.
pub fn hash_of(number: u64) -> ergon_primitives::H256 {
    ergon_primitives::hash(&[b"block", &number.to_le_bytes()])
}

/// Makes operators with weights, as if they had had them for long.
pub fn operators(weights: impl IntoIterator<Item = (u64, VoteWeight)>) {
    Operators::mutate(|operators| operators.extend(weights));
    for operator in Operators::get().into_keys() {
        if !Admitted::<Test>::contains_key(operator) {
            Quota::welcome(&operator);
        }
        System::inc_providers(&hot(operator));
        for meter in [Meter::Ordinary, Meter::Units] {
            if !Usages::<Test>::contains_key(operator, meter) {
                Usages::<Test>::insert(operator, meter, Usage::full(u64::MAX));
            }
        }
    }
}

/// Changes weights, without a look at any bucket.
pub fn set_weight(operator: u64, weight: Option<VoteWeight>) {
    Operators::mutate(|operators| match weight {
        Some(weight) => operators.insert(operator, weight),
        None => operators.remove(&operator),
    });
}

pub fn signed(who: u64) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

pub fn remark(text: &[u8]) -> RuntimeCall {
    frame_system::Call::remark { remark: text.to_vec() }.into()
}

/// A call's info, with its own weight replaced by `points`.
pub fn weighing(points: Points) -> DispatchInfo {
    DispatchInfo {
        call_weight: Weight::from_parts(points * 1_000_000, 0),
        ..remark(&[]).get_dispatch_info()
    }
}

/// What a transaction costs apart from its own weight.
pub fn overhead() -> Points {
    Quota::cost(&weighing(0), LENGTH)
}

/// Length of all transactions below.
pub const LENGTH: u32 = 100;

/// What the pool thinks of a call.
pub fn validate(
    who: u64,
    call: &RuntimeCall,
    info: &DispatchInfo,
) -> Result<ValidTransaction, TransactionValidityError> {
    ChargeQuota::<Test>::new()
        .validate_only(signed(who), call, info, LENGTH as usize, TransactionSource::External, 0)
        .map(|(validity, ..)| validity)
}

/// Executes a call that takes `points`, ending with `result`, through [`ChargeQuota`].
pub fn run(
    who: u64,
    call: &RuntimeCall,
    points: Points,
    result: DispatchResultWithPostInfo,
) -> Result<DispatchResultWithPostInfo, TransactionValidityError> {
    ChargeQuota::<Test>::new().test_run(signed(who), call, &weighing(points), LENGTH as usize, 0, |_| result)
}

/// Executes an ordinary call that costs exactly `points`, all in all.
pub fn spend(who: u64, points: Points) -> Result<(), TransactionValidityError> {
    let result = run(who, &remark(b"x"), points - overhead(), Ok(PostDispatchInfo::default()))?;
    result.unwrap();
    Ok(())
}

/// Executes a real call through all of [`Extensions`].
pub fn dispatch(
    who: u64,
    nonce: u32,
    call: impl Into<RuntimeCall>,
) -> Result<DispatchResultWithPostInfo, TransactionValidityError> {
    let call = call.into();
    let extensions: Extensions = (
        CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        ChargeQuota::new(),
    );
    let info = DispatchInfo {
        extension_weight: extensions.weight(&call),
        ..call.get_dispatch_info()
    };
    let length = call.encoded_size();
    extensions.dispatch_transaction(signed(who), call, &info, length, 0)
}

/// What is left of an account's points.
pub fn points_left(who: u64) -> Points {
    Quota::quota_of(&who).points
}

/// Makes a ticket for `account`, as a newcomer would.
pub fn make_ticket(account: u64) -> Ticket {
    let terms = Quota::ticket_terms().unwrap();
    let challenge = ticket::challenge(&terms.genesis, &account.encode(), terms.block, &terms.block_hash);
    Ticket {
        block: terms.block,
        nonce: ticket::solve(&challenge, terms.target, u64::MAX).unwrap(),
    }
}

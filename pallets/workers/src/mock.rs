// SPDX-License-Identifier: Apache-2.0
//! A runtime whose models and weights tests set by hand.
use crate as pallet_workers;
use ergon_primitives::{
    quota::{Admissible, Admission},
    ticket::{Ticket, TicketError},
    traits::{Contributions, ModelTerms, Models, Source},
    units::Prices,
    ModelId, Units, VoteWeight, H256,
};
use frame_support::{
    assert_ok, derive_impl, ensure, parameter_types,
    traits::{ConstU32, ConstU64, Hooks},
};
use sp_runtime::{testing::TestSignature, BuildStorage};
use std::collections::BTreeMap;

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(RuntimeCall, RuntimeEvent, RuntimeError, RuntimeOrigin, RuntimeTask)]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Workers = pallet_workers;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

/// Models that take jobs.
pub const MODELS: [ModelId; 3] = [
    H256::repeat_byte(0xa1),
    H256::repeat_byte(0xa2),
    H256::repeat_byte(0xa3),
];
/// A model that doesn't.
pub const RETIRED: ModelId = H256::repeat_byte(0xee);
/// First byte of the models that benchmarks serve.
const BENCHMARKED: u8 = 0xb0;
/// Units that a device does in a block.
pub const RATE: Units = 100;
/// Blocks for which changes to lists wait.
pub const LIST_DELAY: u64 = 3;
/// Blocks of work that an operator may owe, blocks in an epoch, and blocks of a first suspension.
pub const BUDGET: u32 = 10;
pub const EPOCH: u32 = 10;
pub const SUSPENSION: u64 = 5;
/// The most misses in a row and new hot keys of the test runtime.
pub const MAX_MISSES: u32 = 2;
pub const MAX_HOT_KEYS_EVER: u32 = 5;
/// Blocks for which a ticket is good.
pub const TICKET_LIFETIME: u32 = 10;
/// Accounts that are sponsored at genesis.
pub const SPONSORED: u64 = 100;

/// Knows [`MODELS`].
pub struct FixedModels;

impl Models for FixedModels {
    fn active(model: &ModelId) -> Option<ModelTerms> {
        // Benchmarks need more of them.
        let known = MODELS.contains(model) || cfg!(feature = "runtime-benchmarks") && model.0[0] == BENCHMARKED;
        known.then_some(ModelTerms {
            prices: Prices::default(),
            context: 1,
            rate: RATE,
        })
    }
}

parameter_types! {
    /// Weight of each operator that has one.
    pub static Weights: BTreeMap<u64, VoteWeight> = BTreeMap::new();
    /// Accounts that may still join in this block.
    pub static Room: u32 = 2;
    /// How far tickets are below the target.
    pub static Margin: u64 = 1 << 16;
    /// Whose probation began again, in order.
    pub static Failed: Vec<u64> = Vec::new();
    /// Whose probation ended.
    pub static Passed: Vec<u64> = Vec::new();
}

/// Says [`Weights`].
pub struct HandSet;

impl Contributions<u64> for HandSet {
    fn credit(operator: &u64, _source: Source, units: Units) {
        Weights::mutate(|weights| *weights.entry(*operator).or_default() += units);
    }

    fn weight(operator: &u64) -> VoteWeight {
        Weights::get().get(operator).copied().unwrap_or_default()
    }

    fn most_weight(operator: &u64) -> VoteWeight {
        Self::weight(operator)
    }

    fn total() -> VoteWeight {
        Weights::get().values().sum()
    }

    fn forfeit(operator: &u64) {
        Weights::mutate(|weights| weights.remove(operator));
    }
}

/// Lets accounts in by tickets whose nonce is their number, for [`TICKET_LIFETIME`] blocks.
pub struct ByNumber;

impl Admission<u64> for ByNumber {
    fn check(account: &u64, ticket: &Ticket) -> Result<Admissible, TicketError> {
        let age = (System::block_number() as u32)
            .checked_sub(ticket.block)
            .ok_or(TicketError::FromTheFuture)?;
        let left = TICKET_LIFETIME.checked_sub(age).ok_or(TicketError::Expired)?;
        ensure!(ticket.nonce == *account, TicketError::TooLittleWork);
        ensure!(Room::get() > 0, TicketError::BlockFull);
        Ok(Admissible {
            blocks_left: left,
            margin: Margin::get(),
        })
    }

    fn admit(account: &u64, ticket: &Ticket) -> Result<(), TicketError> {
        Self::check(account, ticket)?;
        Room::mutate(|room| *room -= 1);
        Self::welcome(account);
        Ok(())
    }

    fn welcome(account: &u64) {
        Workers::keep_alive(account);
    }

    fn note_failed(account: &u64) {
        Failed::mutate(|failed| failed.push(*account));
    }

    fn note_passed(account: &u64) {
        Passed::mutate(|passed| passed.push(*account));
    }
}

impl pallet_workers::Config for Test {
    type BlockNumberProvider = System;
    type GovernanceOrigin = frame_system::EnsureRoot<u64>;
    type Models = FixedModels;
    type Capacity = HandSet;
    type Admission = ByNumber;
    type Signature = TestSignature;
    type ListDelay = ConstU64<LIST_DELAY>;
    type BudgetBlocks = ConstU32<BUDGET>;
    type EpochBlocks = ConstU32<EPOCH>;
    type SuspensionBlocks = ConstU64<SUSPENSION>;
    type MaxMissesInRow = ConstU32<MAX_MISSES>;
    type MaxHotKeysEver = ConstU32<MAX_HOT_KEYS_EVER>;
    type WeightInfo = pallet_workers::weights::MeasuredWeight<Test>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = Bench;
}

/// Makes what benchmarks need.
#[cfg(feature = "runtime-benchmarks")]
pub struct Bench;

#[cfg(feature = "runtime-benchmarks")]
impl crate::benchmarking::BenchmarkHelper<u64, TestSignature> for Bench {
    fn model(index: u32) -> ModelId {
        let mut model = H256::repeat_byte(BENCHMARKED);
        model.0[31] = index as u8;
        model
    }

    fn stranger() -> u64 {
        u64::MAX
    }

    fn sign(stranger: &u64, message: &H256) -> TestSignature {
        TestSignature(*stranger, message.as_bytes().to_vec())
    }

    fn ticket(stranger: &u64) -> Ticket {
        Ticket {
            block: System::block_number() as u32,
            nonce: *stranger,
        }
    }
}

/// The genesis state, with accounts 1 to [`SPONSORED`] sponsored.
pub fn new_test_ext() -> sp_io::TestExternalities {
    let config = RuntimeGenesisConfig {
        system: Default::default(),
        workers: pallet_workers::GenesisConfig {
            sponsored: (1..=SPONSORED).chain([1]).collect(),
        },
    };
    config.build_storage().unwrap().into()
}

/// Runs `test` in block 1, with accounts 1 to [`SPONSORED`] sponsored, and checks the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        Weights::set(BTreeMap::new());
        Room::set(2);
        Margin::set(1 << 16);
        Failed::set(Vec::new());
        Passed::set(Vec::new());
        System::set_block_number(1);
        test();
        Workers::do_try_state().unwrap();
    });
}

pub fn signed(who: u64) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

pub fn served(models: &[ModelId]) -> crate::ServedModels {
    models.to_vec().try_into().unwrap()
}

pub fn endpoint() -> crate::Endpoint {
    b"http://127.0.0.1:8080".to_vec().try_into().unwrap()
}

/// The hot key that [`register`] gives an operator.
pub fn hot(operator: u64) -> u64 {
    operator + 1_000
}

/// Starts as many blocks.
pub fn pass(blocks: u64) {
    for _ in 0..blocks {
        System::set_block_number(System::block_number() + 1);
        Workers::on_initialize(System::block_number());
    }
}

/// Lets the lists follow all that happened.
pub fn lists_follow() {
    pass(LIST_DELAY + 1);
}

/// Registers operators for the first of [`MODELS`], and waits until they are listed.
pub fn serve(operators: impl IntoIterator<Item = u64>) {
    register(operators);
    while crate::Changes::<Test>::iter_keys().next().is_some() {
        pass(1);
    }
}

/// Lets an operator leave for good.
pub fn leave(operator: u64) {
    assert_ok!(Workers::drain(signed(operator)));
    lists_follow();
    assert_ok!(Workers::remove(signed(operator)));
}

/// Registers operators for the first of [`MODELS`].
pub fn register(operators: impl IntoIterator<Item = u64>) {
    for operator in operators {
        assert_ok!(Workers::register(
            signed(operator),
            hot(operator),
            endpoint(),
            served(&MODELS[..1])
        ));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Who is let in, what nobody gets back before its time, and whom governance counts, in the composed runtime.
use crate::{
    chain::{dev, key, run_block, signed, validate},
    market::{account, drain, manifest, open_market, send, STRANGER},
    quota::{join, unsigned},
    quota_votes::weighty,
};
use codec::Encode;
use ergon_primitives::{
    quota::{Admission as _, Quota as _},
    traits::{CurrentEpoch as _, Workers as _},
    Units,
};
use ergon_runtime::{
    configs::{Sessions, CURVE, NEWCOMERS_UNITS, NEWCOMER_UNITS},
    quota, timing, AccountId, BlockNumber, Quota, Runtime, RuntimeCall, System, UncheckedExtrinsic, Workers,
};
use ergon_runtime_api::QuotaClass;
use frame_support::{assert_noop, traits::Get};
use pallet_contributions::weight::{average, HALF_LIFE};
use pallet_quota::{extension::TOO_LONG, Error, Meter, Usage, Usages};
use sp_runtime::transaction_validity::InvalidTransaction;

type MaxBytes = <Runtime as pallet_quota::Config>::MaxTransactionBytes;

fn remark(length: usize) -> RuntimeCall {
    frame_system::Call::remark {
        remark: vec![7; length],
    }
    .into()
}

fn by(path: &str, call: impl Into<RuntimeCall>) -> UncheckedExtrinsic {
    signed(&key(path), System::account_nonce(account(path)), call.into())
}

/// The priority that the pool gives a call.
fn priority(path: &str, call: impl Into<RuntimeCall>) -> u64 {
    validate(by(path, call)).unwrap().priority
}

/// Empties a bucket.
fn empty(owner: &AccountId, meter: Meter) {
    let spent = Usage {
        debt: u128::MAX,
        at: System::block_number(),
        capacity: u64::MAX,
        held: 0,
    };
    Usages::<Runtime>::insert(owner, meter, spent);
}

fn registration(hot: &str) -> pallet_workers::Call<Runtime> {
    pallet_workers::Call::register {
        hot: account(hot),
        endpoint: Default::default(),
        models: vec![manifest().id()].try_into().unwrap(),
    }
}

#[test]
fn attack_an_operator_refills_its_quota_by_leaving_and_coming_back() {
    dev().execute_with(|| {
        open_market();
        let (path, hot) = ("//Attacker", "//Attacker//worker");
        let attacker = account(path);
        weighty(&[path.to_string(), "//Other".to_string()]);
        pallet_workers::Sponsored::<Runtime>::insert(&attacker, ());
        for round in 0..3 {
            drain(path);
            empty(&attacker, Meter::Ordinary);
            empty(&attacker, Meter::Units);
            let start = quota::quota(&attacker);
            assert_eq!((start.class, start.points, start.units), (QuotaClass::Operator, 0, 0));
            let since = System::block_number();
            send(path, pallet_workers::Call::remove {});
            let line = pallet_quota::Call::sponsor {
                account: attacker.clone(),
                points: 80_000,
            };
            send("//Bob", line);
            send(path, registration(&format!("{hot}{round}")));
            let account = attacker.clone();
            send("//Bob", pallet_quota::Call::withdraw { account });
            let blocks = u64::from(System::block_number() - since);
            let after = quota::quota(&attacker);
            assert_eq!(after.class, start.class);
            let honest = start.capacity.max(after.capacity) * blocks / u64::from(timing::REFILL_BLOCKS) + 1;
            assert!(after.points <= honest, "{} instead of {honest}", after.points);
            assert!(after.units <= honest * CURVE.units_per_point);
        }
    });
}

#[test]
fn attack_a_thief_with_a_hot_key_keeps_its_operator_from_revoking_it() {
    dev().execute_with(|| {
        let model = open_market();
        let (operator, hot) = STRANGER;
        run_block(vec![unsigned(join(model))]);
        let revoke = pallet_workers::Call::remove_hot_key { hot: account(hot) };
        for _ in 0..3 {
            // The thief spends all that it can reach, and the operator is empty, too.
            let most = quota::quota(&account(hot)).points as usize;
            send(hot, remark(most - 20_000));
            empty(&account(operator), Meter::Hot);
            empty(&account(operator), Meter::Free);
            assert!(validate(by(operator, remark(1))).is_err());
            assert!(validate(by(hot, remark(1))).is_err());
            Usages::<Runtime>::remove(account(operator), Meter::Hot);
            assert!(priority(operator, revoke.clone()) > priority(hot, remark(1)));
        }
        send(operator, revoke);
        assert_eq!(Workers::operator_of(&account(hot)), None);
        // What it was let in with was its operator's.
        assert_eq!(quota::quota(&account(hot)).class, QuotaClass::Unknown);
        assert!(validate(by(hot, remark(1))).is_err());
    });
}

#[test]
fn an_operators_word_lets_a_stranger_register_without_a_ticket_on_probation() {
    dev().execute_with(|| {
        open_market();
        let (newcomer, hot) = STRANGER;
        let vouch = |path: &str| pallet_quota::Call::<Runtime>::vouch { account: account(path) };
        send("//Alice", vouch(newcomer));
        send(newcomer, registration(hot));
        assert_eq!(Workers::probation(&account(newcomer)), Some(0));
        assert_eq!(quota::quota(&account(newcomer)).class, QuotaClass::Newcomer);
        let by_word =
            |path: &str, other: &str| Quota::vouch(ergon_runtime::RuntimeOrigin::signed(account(path)), account(other));
        // It vouches for nobody before its probation is over, and who vouched for it does not once it has failed that.
        assert_noop!(by_word(newcomer, "//Other"), Error::<Runtime>::NotEstablished);
        assert_noop!(by_word("//Alice", "//Dave"), Error::<Runtime>::AlreadyAdmitted);
        Workers::note_missed(&account(newcomer));
        assert_noop!(by_word("//Alice", "//Other"), Error::<Runtime>::VoucherBarred);
        Workers::jail(&account("//Bob"));
        assert_noop!(by_word("//Bob", "//Other"), Error::<Runtime>::NotEstablished);
        let ban: u32 = <Runtime as pallet_quota::Config>::VoucherBan::get();
        pallet_session::CurrentIndex::<Runtime>::put(Sessions::current_epoch() + ban + 1);
        by_word("//Alice", "//Other").unwrap();
    });
}

#[test]
fn the_longest_transaction_that_the_pool_takes_fits_into_a_block() {
    dev().execute_with(|| {
        run_block(vec![]);
        let most = MaxBytes::get() as usize;
        let overhead = by("//Alice", remark(most)).encoded_size() - most;
        let longest = by("//Alice", remark(most - overhead));
        assert_eq!(longest.encoded_size(), most);
        let too_long = by("//Alice", remark(most - overhead + 1));
        assert_eq!(validate(too_long), Err(InvalidTransaction::Custom(TOO_LONG).into()));
        assert!(priority("//Bob", remark(1)) - (1 << 48) > validate(longest.clone()).unwrap().priority - (1 << 48));
        run_block(vec![longest]);
        assert_eq!(System::account_nonce(account("//Alice")), 1);
    });
}

/// What newcomers ask for and are credited in an epoch, at most, if these do so in each block.
fn asked_for(in_block: impl Fn(u64) -> Vec<AccountId>) -> Units {
    let mut asked = 0;
    for block in 1..=timing::EPOCH_SLOTS {
        System::set_block_number(block as BlockNumber);
        for newcomer in in_block(block) {
            // What all together have left may be less than what one has.
            let tries = core::iter::successors(Some(quota::quota(&newcomer).units), |units| Some(units / 2));
            for units in tries.take_while(|units| *units > 1_000) {
                if Quota::reserve(&newcomer, units).is_ok() {
                    Quota::settle(&newcomer, units, units);
                    asked += units;
                }
            }
        }
    }
    asked
}

fn newcomer(index: u64) -> AccountId {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&index.to_le_bytes());
    AccountId::new(bytes)
}

#[test]
fn attack_newcomers_make_weight_for_proposals_and_quorums_by_asking_each_other() {
    let one = dev().execute_with(|| {
        Quota::welcome(&newcomer(0));
        asked_for(|_| vec![newcomer(0)])
    });
    assert!(
        one <= NEWCOMER_UNITS && one > NEWCOMER_UNITS / 10 * 9,
        "{one} of {NEWCOMER_UNITS}"
    );
    let all = dev().execute_with(|| {
        // So many that those in each block have full buckets.
        let per_block = 3;
        let count = per_block * u64::from(timing::REFILL_BLOCKS).min(timing::EPOCH_SLOTS);
        (0..count).for_each(|index| Quota::welcome(&newcomer(index)));
        asked_for(|block| {
            (0..per_block)
                .map(|index| newcomer((block * per_block + index) % count))
                .collect()
        })
    });
    assert!(
        all <= NEWCOMERS_UNITS && all > NEWCOMERS_UNITS / 10 * 9,
        "{all} of {NEWCOMERS_UNITS}"
    );
    // However long they go on, they don't weigh more than that.
    let epoch = HALF_LIFE / u128::from(timing::HALF_LIFE_EPOCHS);
    let weight = |units| (0..10_000).fold(0, |weight, _| average(weight, units, epoch, epoch));
    assert!(weight(one) <= NEWCOMER_UNITS && weight(all) <= NEWCOMERS_UNITS);
    if cfg!(feature = "production") {
        let least: u64 = <Runtime as pallet_compute_collective::Config>::MinSubmitWeight::get();
        let floor: u64 = <Runtime as pallet_compute_collective::Config>::TotalFloor::get();
        assert_eq!((least, floor), (NEWCOMER_UNITS, NEWCOMERS_UNITS));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is charged, given back and refused.
use super::*;
use crate::{
    extension::TOO_LONG, ChargeQuota, CheckMortality, CheckNonce, Class, MAX_AHEAD, TOO_FAR_AHEAD, UNKNOWN_ACCOUNT,
};
use codec::Encode;
use frame_support::{
    assert_ok,
    dispatch::{DispatchInfo, Pays, PostDispatchInfo},
    weights::Weight,
};
use sp_runtime::{
    generic::Era,
    traits::{DispatchTransaction, TransactionExtension},
    transaction_validity::TransactionSource,
};

#[test]
fn clients_need_to_know_nothing_about_the_extension() {
    assert!(ChargeQuota::<Test>::new().encode().is_empty());
    let [metadata] = &<ChargeQuota<Test> as TransactionExtension<RuntimeCall>>::metadata()[..] else {
        panic!("one extension");
    };
    assert_eq!(metadata.identifier, "ChargeQuota");
    assert_eq!(metadata.implicit, scale_info::meta_type::<()>());
}

#[test]
fn call_costs_its_time_and_its_length() {
    build_and_execute(|| {
        let base = Quota::cost(&weighing(0), 0);
        assert!(base > 0, "an empty transaction takes time");
        assert_eq!(Quota::cost(&weighing(7), 0), base + 7);
        assert_eq!(Quota::cost(&weighing(7), 1_000), base + 1_007);
        let with_extensions = DispatchInfo {
            extension_weight: Weight::from_parts(3_000_000, 0),
            ..weighing(7)
        };
        assert_eq!(Quota::cost(&with_extensions, 0), base + 10);
        spend(FOUNDER, 5_000).unwrap();
        assert_eq!(points_left(FOUNDER), Quota::quota_of(&FOUNDER).capacity - 5_000);
    });
}

#[test]
fn exhausted_account_is_refused_until_it_has_refilled() {
    build_and_execute(|| {
        assert_eq!(flood(1, NEWCOMER_POINTS / 10), 10);
        assert_eq!(spend(1, NEWCOMER_POINTS / 10), Err(exhausted()));
        assert_eq!(validate(1, &remark(b"x"), &weighing(1)), Err(exhausted()));
        assert_eq!(Quota::quota_of(&1).blocks_until_full, REFILL_BLOCKS);
        go_to(1 + REFILL_BLOCKS / 10 - 1);
        assert_eq!(spend(1, NEWCOMER_POINTS / 10), Err(exhausted()));
        go_to(1 + REFILL_BLOCKS / 10);
        assert_ok!(spend(1, NEWCOMER_POINTS / 10));
        go_to(2 + 2 * REFILL_BLOCKS);
        assert_eq!(points_left(1), NEWCOMER_POINTS);
        assert_ok!(spend(1, NEWCOMER_POINTS));
    });
}

#[test]
fn refused_transaction_changes_nothing() {
    build_and_execute(|| {
        spend(1, NEWCOMER_POINTS).unwrap();
        frame_support::assert_storage_noop!({
            let _ = spend(1, NEWCOMER_POINTS);
            let _ = spend(1, NEWCOMER_POINTS + 1);
            let _ = validate(2, &remark(b"x"), &weighing(1));
        });
    });
}

#[test]
fn call_that_no_full_bucket_can_pay_has_its_own_code() {
    build_and_execute(|| {
        assert_eq!(spend(1, NEWCOMER_POINTS + 1), Err(never_affordable()));
        spend(1, NEWCOMER_POINTS).unwrap();
        assert_eq!(spend(1, NEWCOMER_POINTS + 1), Err(never_affordable()));
        assert_eq!(spend(1, NEWCOMER_POINTS), Err(exhausted()));
    });
}

#[test]
fn account_that_the_chain_does_not_know_can_do_nothing() {
    build_and_execute(|| {
        let stranger = KNOWN + 1;
        let info = Quota::quota_of(&stranger);
        assert_eq!((info.class, info.capacity), (Class::Unknown, 0));
        assert_eq!(spend(stranger, 1_000), Err(never_affordable()));
        assert_eq!(
            dispatch(stranger, 0, remark(b"x")),
            Err(InvalidTransaction::Custom(UNKNOWN_ACCOUNT).into())
        );
    });
}

/// What the pool thinks of a call that costs `points`, `ahead` of the account's nonce.
fn queue(who: u64, call: &RuntimeCall, points: u64, ahead: u32) -> Result<(), Refusal> {
    let info = weighing(points - overhead());
    CheckNonce::<Test>::from(frame_system::Account::<Test>::get(who).nonce + ahead)
        .validate_only(
            signed(who),
            call,
            &info,
            LENGTH as usize,
            TransactionSource::External,
            0,
        )
        .map(drop)
}

#[test]
fn attack_nobody_fills_the_pool_with_what_it_can_not_pay_for() {
    build_and_execute(|| {
        operators([(1, 5)]);
        let call = remark(b"x");
        let price = NEWCOMER_POINTS / 3;
        // A newcomer can pay for three of them, and not for what is behind those.
        let queued = (0..100)
            .take_while(|ahead| queue(2, &call, price, *ahead).is_ok())
            .count();
        assert_eq!(queued, 3);
        assert_eq!(queue(2, &call, price, 3), Err(exhausted()));
        spend(2, price).unwrap();
        assert_eq!(queue(2, &call, price, 2), Err(exhausted()));
        // However much somebody has, it waits with no more than so many.
        let far = Err(InvalidTransaction::Custom(TOO_FAR_AHEAD).into());
        let most = MAX_AHEAD as u32;
        assert_eq!(
            (queue(1, &call, 1_000, most), queue(1, &call, 1_000, most + 1)),
            (Ok(()), far)
        );
        let duty = remark(DUTY);
        let ahead = |ahead| queue(hot(1), &duty, 500, ahead);
        assert_eq!((ahead(most / 2), ahead(most / 2 + 1)), (Ok(()), far));
    });
}

#[test]
fn failing_calls_pay() {
    build_and_execute(|| {
        let cost = 1_000 + overhead();
        run(1, &remark(b"x"), 1_000, failed()).unwrap().unwrap_err();
        assert_eq!(points_left(1), NEWCOMER_POINTS - cost);
        // Even if the pallet would let them off.
        let post_info = PostDispatchInfo {
            pays_fee: Pays::No,
            actual_weight: None,
        };
        let let_off = Err(sp_runtime::DispatchErrorWithPostInfo {
            post_info,
            error: sp_runtime::DispatchError::BadOrigin,
        });
        run(1, &remark(b"x"), 1_000, let_off).unwrap().unwrap_err();
        assert_eq!(points_left(1), NEWCOMER_POINTS - 2 * cost);
    });
}

#[test]
fn what_a_call_does_not_use_is_given_back() {
    build_and_execute(|| {
        let used = |points: u64| PostDispatchInfo {
            actual_weight: Some(Weight::from_parts(points * 1_000_000, 0)),
            pays_fee: Pays::Yes,
        };
        run(1, &remark(b"x"), 1_000, Ok(used(300))).unwrap().unwrap();
        assert_eq!(points_left(1), NEWCOMER_POINTS - 300 - overhead());
        assert_eq!(crate::NewcomersInBlock::<Test>::get().points, 300 + overhead());
    });
}

#[test]
fn call_without_a_fee_costs_quota_and_its_share_of_the_block() {
    build_and_execute(|| {
        let cost = 1_000 + overhead();
        run(1, &remark(b"x"), 1_000, Ok(Pays::No.into())).unwrap().unwrap();
        assert_eq!(points_left(1), NEWCOMER_POINTS - cost);
        assert_eq!(crate::NewcomersInBlock::<Test>::get().points, cost);
        // What it doesn't use is given back like anybody's.
        let half = PostDispatchInfo {
            actual_weight: Some(Weight::from_parts(500_000_000, 0)),
            pays_fee: Pays::No,
        };
        run(1, &remark(b"x"), 1_000, Ok(half)).unwrap().unwrap();
        assert_eq!(points_left(1), NEWCOMER_POINTS - 2 * cost + 500);
        // So all newcomers together can't fill a block with such calls.
        let share = Quota::newcomer_points_per_block();
        let served = (2..=KNOWN).filter(|who| run(*who, &remark(b"x"), 8_000, Ok(Pays::No.into())).is_ok());
        assert!(served.count() as u64 * 8_000 < share);
    });
}

#[test]
fn transactions_without_a_signer_pass() {
    build_and_execute(|| {
        let heavy = weighing(1_000_000_000);
        let authorized = RuntimeOrigin::from(frame_system::RawOrigin::Authorized);
        for origin in [authorized, RuntimeOrigin::root()] {
            frame_support::assert_storage_noop!({
                let extension = ChargeQuota::<Test>::new();
                let done = || Ok(PostDispatchInfo::default());
                extension
                    .test_run(origin, &remark(b"x"), &heavy, 100, 0, |_| done())
                    .unwrap()
                    .unwrap();
            });
        }
    });
}

#[test]
fn flood_of_one_account_starves_itself() {
    build_and_execute(|| {
        let priority = |who| validate(who, &remark(b"x"), &weighing(1)).unwrap().priority;
        operators([(1, 1), (2, 1)]);
        let mut last = priority(1);
        for _ in 0..5 {
            spend(1, WEIGHT_POINTS / 20).unwrap();
            assert!(priority(1) < last, "each transaction makes the next one wait longer");
            assert!(priority(1) < priority(2), "and lets others pass");
            last = priority(1);
        }
        assert!(priority(3) < last, "newcomers come after everybody else");
    });
}

#[test]
fn attack_a_paced_flood_of_newcomers_keeps_an_honest_one_out() {
    build_and_execute(|| {
        const COST: u64 = 1_000;
        let (honest, flooding) = (KNOWN, 1..KNOWN);
        let priority = |who| validate(who, &remark(b"x"), &weighing(COST - overhead())).map(|valid| valid.priority);
        // It has used most of its bucket, and the others have theirs.
        spend(honest, NEWCOMER_POINTS / 10 * 6).unwrap();
        let mut waited = Vec::new();
        let mut since = 2;
        for block in 2..40 {
            go_to(block);
            // All send all the time; the author takes them by priority until newcomers have had their share.
            let mut pool: Vec<_> = flooding
                .clone()
                .chain([honest])
                .filter_map(|who| priority(who).ok().map(|priority| (priority, who)))
                .collect();
            // Of equals, the honest one comes last.
            pool.sort_by_key(|(priority, who)| (core::cmp::Reverse(*priority), *who));
            let included = pool.into_iter().filter(|(_, who)| spend(*who, COST).is_ok());
            if included.filter(|(_, who)| *who == honest).count() > 0 {
                waited.push(block - since);
                since = block;
            }
            // The others always have more left of their buckets than it.
            if points_left(honest) < 2 * COST {
                break;
            }
        }
        assert!(
            waited.len() >= 2 && waited.iter().all(|blocks| *blocks <= 2),
            "{waited:?}"
        );
    });
}

#[test]
fn newcomers_that_waited_longer_go_first_however_much_is_left_of_their_buckets() {
    build_and_execute(|| {
        let priority = |who| validate(who, &remark(b"x"), &weighing(1)).unwrap().priority;
        go_to(10);
        spend(1, NEWCOMER_POINTS / 2).unwrap();
        go_to(11);
        spend(2, 1_000).unwrap();
        assert!(priority(1) > priority(2));
        assert!(priority(3) > priority(1), "never included since it was let in");
        // However long it waits, it is a newcomer.
        go_to(1 << 20);
        assert!(priority(3) < 1 << 45);
    });
}

#[test]
fn attack_transactions_that_fit_the_pool_but_no_block() {
    build_and_execute(|| {
        let validate = |length: u32| {
            let (call, info) = (remark(b"x"), weighing(1));
            let (extension, source) = (ChargeQuota::<Test>::new(), TransactionSource::External);
            let checked = extension.validate_only(signed(FOUNDER), &call, &info, length as usize, source, 0);
            checked.map(|(validity, ..)| validity.priority)
        };
        let too_long = Err(InvalidTransaction::Custom(TOO_LONG).into());
        assert_eq!(validate(MAX_BYTES + 1), too_long);
        assert_eq!(validate(u32::MAX), too_long);
        // The longest costs more than even this bucket holds; of those that it can pay, shorter ones go first.
        let (short, long) = (validate(100).unwrap(), validate(MAX_BYTES / 2).unwrap());
        let halved = (short - (1 << 48)) / 4;
        assert!(
            long - (1 << 48) < halved + halved / 8,
            "half is left of the bucket, and half of that for the length"
        );
    });
}

#[test]
fn the_later_of_two_transactions_has_the_higher_priority_at_any_time() {
    build_and_execute(|| {
        let priority = |who, born, text| {
            let era = Era::mortal(64, born);
            let extensions = (CheckMortality::<Test>::from(era), ChargeQuota::<Test>::new());
            let (call, source) = (remark(text), TransactionSource::External);
            let validity = extensions.validate_only(signed(who), &call, &weighing(10), LENGTH as usize, source, 0);
            validity.unwrap().0.priority
        };
        for who in [1, FOUNDER] {
            for now in [10, 20] {
                go_to(now);
                spend(who, 2_000).unwrap();
                let stuck = priority(who, 8, b"first");
                assert_eq!(
                    priority(who, 8, b"other"),
                    stuck,
                    "of the same block the first one stays"
                );
                assert!(priority(who, 9, b"other") > stuck);
                assert_eq!(
                    validate(who, &remark(b"other"), &weighing(10)).unwrap().priority,
                    stuck - 8,
                    "a small part of what the bucket decides"
                );
            }
        }
    });
}

#[test]
fn nonce_replay_after_leaving_is_impossible() {
    build_and_execute(|| {
        let account = KNOWN + 1;
        Quota::sponsor(signed(FOUNDER), account, 2 * NEWCOMER_POINTS).unwrap();
        dispatch(account, 0, remark(b"once")).unwrap().unwrap();
        // It leaves, and its sponsor leaves it.
        dispatch(account, 1, crate::Call::withdraw { account })
            .unwrap()
            .unwrap();
        assert_eq!(
            dispatch(account, 0, remark(b"once")),
            Err(InvalidTransaction::Stale.into())
        );
        // Nor does being sponsored again begin a new count.
        Quota::sponsor(signed(FOUNDER), account, 2 * NEWCOMER_POINTS).unwrap();
        assert_eq!(
            dispatch(account, 0, remark(b"once")),
            Err(InvalidTransaction::Stale.into())
        );
        dispatch(account, 2, remark(b"next")).unwrap().unwrap();
    });
}

#[test]
fn newcomers_together_get_their_share_of_a_block_and_no_more() {
    build_and_execute(|| {
        let share = Quota::newcomer_points_per_block();
        assert_eq!(share, 150_000, "10 % of 75 % of 2 s");
        let served = (1..=KNOWN).filter(|who| spend(*who, NEWCOMER_POINTS).is_ok()).count() as u64;
        assert_eq!(served, share / NEWCOMER_POINTS);
        // The pool takes the others' transactions, and they come into a later block.
        assert_ok!(validate(KNOWN, &remark(b"x"), &weighing(1)));
        frame_support::assert_storage_noop!(assert_eq!(spend(KNOWN, 1_000), Err(no_room())));
        assert_ok!(spend(FOUNDER, 100_000));
        go_to(2);
        assert_ok!(spend(KNOWN, 1_000));
    });
}

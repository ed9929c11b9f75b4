// SPDX-License-Identifier: Apache-2.0
use crate::chain::{dev, key, run_block, run_blocks, signed, signed_in, validate};
use codec::Encode;
use ergon_runtime::{AccountId, Runtime, RuntimeCall, System, TransactionExtensions};
use frame_metadata_hash_extension::CheckMetadataHash;
use sp_core::Pair as _;
use sp_runtime::{
    generic::Era,
    traits::TransactionExtension,
    transaction_validity::{InvalidTransaction, TransactionValidity, TransactionValidityError},
};

fn remark() -> RuntimeCall {
    RuntimeCall::System(frame_system::Call::remark_with_event {
        remark: b"hello".to_vec(),
    })
}

fn invalid(why: InvalidTransaction) -> TransactionValidity {
    Err(TransactionValidityError::Invalid(why))
}

#[test]
fn a_sponsored_account_sends_transactions_without_a_fee() {
    dev().execute_with(|| {
        let alice = key("//Alice");
        run_block(vec![signed(&alice, 0, remark()), signed(&alice, 1, remark())]);
        assert_eq!(System::account_nonce(AccountId::from(alice.public())), 2);
        assert!(validate(signed(&alice, 2, remark())).is_ok());
    });
}

#[test]
fn an_unknown_account_is_told_so_and_not_that_it_can_not_pay() {
    dev().execute_with(|| {
        run_block(vec![]);
        assert_eq!(
            validate(signed(&key("//Stranger"), 0, remark())),
            invalid(InvalidTransaction::Custom(pallet_quota::UNKNOWN_ACCOUNT))
        );
    });
}

#[test]
fn a_forged_signature_is_refused() {
    dev().execute_with(|| {
        run_block(vec![]);
        let mut transaction = signed(&key("//Alice"), 0, remark());
        transaction.function = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
        assert_eq!(validate(transaction), invalid(InvalidTransaction::BadProof));
    });
}

#[test]
fn a_used_nonce_is_refused() {
    dev().execute_with(|| {
        run_block(vec![signed(&key("//Bob"), 0, remark())]);
        assert_eq!(
            validate(signed(&key("//Bob"), 0, remark())),
            invalid(InvalidTransaction::Stale)
        );
    });
}

#[test]
fn a_transaction_replaces_one_with_its_nonce_that_was_signed_blocks_before() {
    dev().execute_with(|| {
        run_blocks(5);
        let sent = |born| signed_in(Era::mortal(64, born), &key("//Alice"), 0, remark());
        let stuck = sent(3);
        // The pool asks about both at the same time.
        let priority = |transaction| validate(transaction).unwrap().priority;
        assert!(priority(sent(4)) > priority(stuck));
        assert!(priority(sent(3)) > priority(signed(&key("//Alice"), 0, remark())));
    });
}

#[test]
fn the_metadata_hash_is_part_of_what_is_signed_and_off() {
    dev().execute_with(|| {
        let names = <TransactionExtensions as TransactionExtension<RuntimeCall>>::metadata()
            .into_iter()
            .map(|each| each.identifier);
        let names: Vec<_> = names.collect();
        assert!(names.contains(&"CheckMetadataHash"), "{names:?}");
        let implicit =
            |extension: &CheckMetadataHash<Runtime>| TransactionExtension::<RuntimeCall>::implicit(extension);
        // A mode of 0 takes one byte of the transaction, and no hash one of what is signed.
        let off = CheckMetadataHash::<Runtime>::new(false);
        assert_eq!((off.encode(), implicit(&off).unwrap().encode()), (vec![0], vec![0]));
        let on = CheckMetadataHash::<Runtime>::new(true);
        assert!(implicit(&on).is_err(), "no runtime has a hash in it yet");
    });
}

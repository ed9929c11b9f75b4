// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, Value};
use ergon_primitives::{traits::Beacon as _, H256};

const ONE: H256 = H256::repeat_byte(1);
const TWO: H256 = H256::repeat_byte(2);

fn value_after(randomness: &[Option<H256>]) -> H256 {
    let mut value = H256::zero();
    build_and_execute(|| {
        randomness.iter().for_each(|fresh| next_block(*fresh));
        value = Beacon::value();
    });
    value
}

#[test]
fn the_value_is_the_hash_of_the_one_before_and_the_parents_randomness() {
    let first = H256(sp_io::hashing::blake2_256(&[[0; 32], ONE.0].concat()));
    let second = H256(sp_io::hashing::blake2_256(&[first.0, TWO.0].concat()));
    assert_eq!(value_after(&[]), H256::zero());
    assert_eq!(value_after(&[Some(ONE)]), first);
    assert_eq!(value_after(&[Some(ONE), Some(TWO)]), second);
}

#[test]
fn every_block_of_the_past_counts() {
    assert_ne!(
        value_after(&[Some(ONE), Some(TWO), Some(TWO)]),
        value_after(&[Some(TWO), Some(TWO), Some(TWO)])
    );
    assert_ne!(
        value_after(&[Some(ONE), Some(TWO)]),
        value_after(&[Some(TWO), Some(ONE)])
    );
}

#[test]
fn without_randomness_the_value_still_changes_in_every_block() {
    let values: Vec<H256> = (0..4).map(|blocks| value_after(&vec![None; blocks])).collect();
    for (index, value) in values.iter().enumerate() {
        assert!(!values[..index].contains(value));
    }
}

#[test]
fn without_randomness_number_and_parent_hash_are_mixed_in() {
    let value = |block, parent| {
        let mut value = H256::zero();
        build_and_execute(|| {
            System::set_block_number(block);
            System::set_parent_hash(parent);
            next_block(None);
            value = Beacon::value();
        });
        value
    };
    assert_eq!(value(4, ONE), value(4, ONE));
    assert_ne!(value(4, ONE), value(5, ONE));
    assert_ne!(value(4, ONE), value(4, TWO));
}

#[test]
fn draws_come_from_the_current_value() {
    build_and_execute(|| {
        next_block(Some(ONE));
        let before = Beacon::draw(b"test", b"").bits();
        assert_eq!(before, Beacon::draw(b"test", b"").bits());
        next_block(Some(ONE));
        assert_ne!(before, Beacon::draw(b"test", b"").bits());
    });
}

#[test]
fn invariants_notice_a_block_without_a_change_and_a_lost_value() {
    build_and_execute(|| {
        next_block(Some(ONE));
        System::set_block_number(2);
        assert!(Beacon::do_try_state().is_err());
        System::set_block_number(1);
        let value = Value::<Test>::take();
        assert!(Beacon::do_try_state().is_err());
        Value::<Test>::put(value);
    });
}

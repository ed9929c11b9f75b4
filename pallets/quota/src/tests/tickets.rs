// SPDX-License-Identifier: Apache-2.0
//! Letting strangers in.
use super::*;
use crate::{Class, Event};
use ergon_primitives::{
    quota::Admission,
    ticket::{Ticket, TicketError},
};
use frame_support::{assert_noop, assert_ok, assert_storage_noop};

const STRANGER: u64 = KNOWN + 1;

/// Admits as many new accounts as given, from `first` on, in this block.
fn admit(accounts: impl Iterator<Item = u64>) {
    for account in accounts {
        assert_ok!(Quota::admit(&account, &make_ticket(account)));
    }
}

/// For how many blocks the stranger's ticket will be good.
fn blocks_left(ticket: &Ticket) -> Result<u32, TicketError> {
    Quota::check(&STRANGER, ticket).map(|worth| worth.blocks_left)
}

fn target() -> u64 {
    Quota::difficulty().target
}

#[test]
fn ticket_lets_a_stranger_in_without_anyones_leave() {
    build_and_execute(|| {
        let ticket = make_ticket(STRANGER);
        assert_storage_noop!(assert_ok!(Quota::check(&STRANGER, &ticket)));
        assert_ok!(Quota::admit(&STRANGER, &ticket));
        frame_system::Pallet::<Test>::assert_last_event(Event::Admitted { account: STRANGER }.into());
        assert_eq!(Quota::quota_of(&STRANGER).class, Class::Newcomer);
        dispatch(STRANGER, 0, remark(b"hello")).unwrap().unwrap();
    });
}

#[test]
fn account_that_is_let_in_never_has_a_second_provider_by_tickets() {
    build_and_execute(|| {
        for account in [1, STRANGER, STRANGER] {
            assert_ok!(Quota::admit(&account, &make_ticket(account)));
            assert_eq!(frame_system::Pallet::<Test>::providers(&account), 1);
        }
    });
}

#[test]
fn ticket_of_another_account_block_or_chain_is_refused() {
    build_and_execute(|| {
        go_to(10);
        let ticket = make_ticket(STRANGER);
        assert_ok!(Quota::check(&STRANGER, &ticket));
        // One nonce in 16 does for another challenge by chance.
        let taken = (1..=64).filter(|other| Quota::check(&(STRANGER + other), &ticket).is_ok());
        assert!(taken.count() < 16);
        let blocks = (1..9).filter(|block| {
            Quota::check(
                &STRANGER,
                &Ticket {
                    block: *block,
                    ..ticket
                },
            )
            .is_ok()
        });
        assert!(blocks.count() < 6);
        let other_nonces = (0..64).filter(|nonce| {
            Quota::check(
                &STRANGER,
                &Ticket {
                    nonce: *nonce,
                    ..ticket
                },
            )
            .is_ok()
        });
        assert!(other_nonces.count() < 16);
        frame_system::BlockHash::<Test>::insert(0, hash_of(77));
        let other_chain = (0..64).filter(|other| {
            let account = STRANGER + other;
            frame_system::BlockHash::<Test>::insert(0, hash_of(0));
            let ticket = make_ticket(account);
            frame_system::BlockHash::<Test>::insert(0, hash_of(77));
            Quota::check(&account, &ticket).is_ok()
        });
        assert!(other_chain.count() < 16);
    });
}

#[test]
fn ticket_is_worth_what_it_shows_beyond_the_target() {
    build_and_execute(|| {
        let ticket = make_ticket(STRANGER);
        let margins: Vec<u64> = (0..1_000)
            .filter_map(|nonce| Quota::check(&STRANGER, &Ticket { nonce, ..ticket }).ok())
            .map(|worth| worth.margin)
            .collect();
        assert!(margins.iter().all(|margin| *margin >= 1 << 16));
        // One of some sixty tickets shows sixteen times the work or more, with near certainty.
        assert!(margins.len() > 30 && margins.iter().any(|margin| *margin > 8 << 16));
    });
}

#[test]
fn ticket_with_too_little_work_is_refused() {
    build_and_execute(|| {
        let ticket = make_ticket(STRANGER);
        let worse = (0..100)
            .map(|nonce| Ticket { nonce, ..ticket })
            .find(|ticket| Quota::check(&STRANGER, ticket).is_err())
            .unwrap();
        assert_noop!(Quota::admit(&STRANGER, &worse), TicketError::TooLittleWork);
    });
}

#[test]
fn stale_ticket_is_refused() {
    build_and_execute(|| {
        go_to(10);
        let (ticket, terms) = (make_ticket(STRANGER), Quota::ticket_terms().unwrap());
        assert_eq!(terms.block, 9);
        assert_eq!(blocks_left(&ticket), Ok(terms.expires - 11));
        go_to(u64::from(terms.expires) - 1);
        assert_eq!(blocks_left(&ticket), Ok(0));
        go_to(u64::from(terms.expires));
        assert_noop!(Quota::admit(&STRANGER, &ticket), TicketError::Expired);
    });
}

#[test]
fn ticket_of_a_block_to_come_is_refused() {
    build_and_execute(|| {
        go_to(10);
        for block in [10, 11, u32::MAX] {
            let ticket = Ticket { block, nonce: 0 };
            assert_noop!(Quota::admit(&STRANGER, &ticket), TicketError::FromTheFuture);
        }
    });
}

#[test]
fn hoarded_tickets_do_not_fill_a_block() {
    build_and_execute(|| {
        let most = u64::from(TICKETS_PER_BLOCK);
        admit(STRANGER..STRANGER + most);
        let late = STRANGER + most;
        let ticket = make_ticket(late);
        assert_noop!(Quota::admit(&late, &ticket), TicketError::BlockFull);
        go_to(2);
        assert_ok!(Quota::admit(&late, &ticket));
    });
}

#[test]
fn tickets_and_newcomers_have_one_share_of_a_block_together() {
    build_and_execute(|| {
        let share = Quota::newcomer_points_per_block();
        admit(STRANGER..STRANGER + 2);
        let room = share - 2 * TICKET_POINTS;
        for newcomer in 1..=room / NEWCOMER_POINTS {
            assert_ok!(spend(newcomer, NEWCOMER_POINTS));
        }
        assert!(spend(KNOWN, NEWCOMER_POINTS).is_err());
        assert!(share - Quota::newcomer_use().points < TICKET_POINTS);
        let ticket = make_ticket(STRANGER + 2);
        assert_eq!(Quota::check(&(STRANGER + 2), &ticket), Err(TicketError::BlockFull));
        assert_noop!(Quota::admit(&(STRANGER + 2), &ticket), TicketError::BlockFull);
        go_to(2);
        assert_ok!(Quota::admit(&(STRANGER + 2), &ticket));
    });
}

#[test]
fn tickets_get_harder_when_many_come_and_easier_again() {
    build_and_execute(|| {
        assert_eq!(target(), EASIEST);
        // Twice as many as should.
        admit(STRANGER..STRANGER + 8);
        assert_eq!(target(), EASIEST, "not before the period is over");
        go_to(RETARGET_BLOCKS);
        assert_eq!(target(), EASIEST / 2);
        // Ten times as many: by a factor of 4 only.
        admit(300..310);
        for block in 1..4 {
            go_to(RETARGET_BLOCKS + block);
            admit(300 + block * 10..310 + block * 10);
        }
        go_to(2 * RETARGET_BLOCKS);
        assert_eq!(target(), EASIEST / 8);
        // As many as should.
        admit(400..404);
        go_to(3 * RETARGET_BLOCKS);
        assert_eq!(target(), EASIEST / 8);
        // Nobody: easier by 4 each period, to the limit.
        go_to(4 * RETARGET_BLOCKS);
        assert_eq!(target(), EASIEST / 8 * 4);
        go_to(5 * RETARGET_BLOCKS);
        assert_eq!(target(), EASIEST);
        go_to(1_000_000 * RETARGET_BLOCKS);
        assert_eq!(target(), EASIEST);
    });
}

#[test]
fn tickets_get_no_harder_than_allowed() {
    build_and_execute(|| {
        let mut account = 1_000_000;
        for period in 0..6 {
            for block in 0..3 {
                go_to((period * RETARGET_BLOCKS + block).max(1));
                let room = u64::from(TICKETS_PER_BLOCK - Quota::newcomer_use().tickets);
                admit(account..account + room);
                account += room;
            }
            assert!(target() >= HARDEST);
        }
        go_to(6 * RETARGET_BLOCKS);
        assert_eq!(target(), HARDEST);
    });
}

#[test]
fn search_under_way_survives_a_change_of_difficulty() {
    build_and_execute(|| {
        go_to(RETARGET_BLOCKS - 2);
        admit(300..310);
        let ticket = make_ticket(STRANGER);
        go_to(RETARGET_BLOCKS + 5);
        assert!(target() < EASIEST);
        assert_ok!(Quota::check(&STRANGER, &ticket));
        // Even if somebody else was let in since.
        admit(400..401);
        assert_ok!(Quota::check(&STRANGER, &ticket));
        assert_eq!(Quota::ticket_terms().unwrap().target, target());
    });
}

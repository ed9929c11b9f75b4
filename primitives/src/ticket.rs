// SPDX-License-Identifier: Apache-2.0
//! Tickets: how an account that nobody knows pays for being let in, with a few seconds of one core.
//!
//! A ticket is a proof of work after hashcash (Adam Back, "Hashcash - A Denial of Service Counter-Measure", 2002):
//!
//! ```text
//! challenge = H(domain, genesis hash, account, block number, block hash)
//! digest    = H(challenge, nonce)
//! valid     : the first 8 bytes of the digest, big-endian, are at most the target
//! ```
//!
//! It is bound to one account of one chain, and to a block that must be recent when it is used, so it can be neither used for another
//! account nor stored up. What the account does with it is bound by a signature, see [`join_message`]. A hash of 40 bytes is one run of BLAKE2b's compression function, so the expected work is
//! [`expected_tries`] of them, whatever the lengths of account and domain. A target, unlike a count of leading zero bits, can
//! be adapted in fine steps.
//!
//! ```
//! use ergon_primitives::{ticket::{challenge, verify, Search}, H256};
//! let (genesis, hash) = (H256::repeat_byte(1), H256::repeat_byte(2));
//! let challenge = challenge(&genesis, &[7; 32], 100, &hash);
//! let target = u64::MAX >> 8;
//! let mut search = Search::new(challenge, target, 0);
//! let nonce = loop {
//!     // A hundred at a time, so that progress can be shown.
//!     if let Some(nonce) = search.run(100) {
//!         break nonce;
//!     }
//! };
//! assert!(verify(&challenge, nonce, target));
//! ```
use crate::{hash, ModelId, H256};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What a challenge is hashed under.
const DOMAIN: &[u8] = b"ergon/ticket/1";
/// What a [`join_message`] is hashed under.
const JOIN_DOMAIN: &[u8] = b"ergon/join/1";

/// Proof that its account's owner has worked to be let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Ticket {
    /// Number of the block that it is bound to.
    pub block: u32,
    /// What was searched for.
    pub nonce: u64,
}

/// What somebody needs to know to make a [`Ticket`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, TypeInfo)]
pub struct TicketTerms {
    /// Hash of block 0.
    pub genesis: H256,
    /// Number of a recent block to bind the ticket to.
    pub block: u32,
    /// Its hash.
    pub block_hash: H256,
    /// Largest value that the digest's first 8 bytes may have.
    pub target: u64,
    /// First block in which the ticket is too old.
    pub expires: u32,
}

/// Why a ticket doesn't let its account in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum TicketError {
    /// The ticket is bound to a block that is too old.
    Expired,
    /// The ticket is bound to a block that doesn't exist yet.
    FromTheFuture,
    /// The digest is above the target.
    TooLittleWork,
    /// Enough others were let in in this block, or newcomers have used up their share of it; the ticket may do in the next one.
    BlockFull,
}

/// How the transaction pool says why it refuses a `workers.join`: codes of `InvalidTransaction::Custom`. 1 and 3 are used by quotas.
pub mod code {
    /// The ticket is bound to a block that is too old.
    pub const TICKET_EXPIRED: u8 = 10;
    /// The ticket is bound to a block that doesn't exist yet.
    pub const TICKET_FROM_THE_FUTURE: u8 = 11;
    /// The ticket took too little work.
    pub const TOO_LITTLE_WORK: u8 = 12;
    /// The account was let in before.
    pub const ALREADY_SPONSORED: u8 = 13;
    /// The registration breaks a rule of `workers.register`.
    pub const REGISTRATION_REFUSED: u8 = 14;
}

/// What the digests for `account`, as its SCALE encoding, are bound to.
pub fn challenge(genesis: &H256, account: &[u8], block: u32, block_hash: &H256) -> H256 {
    let length = (account.len() as u64).to_le_bytes();
    hash(&[
        DOMAIN,
        genesis.as_bytes(),
        &length,
        account,
        &block.to_le_bytes(),
        block_hash.as_bytes(),
    ])
}

/// What the owner of `operator` signs to register by `ticket`: else anybody who sees the ticket under way could use it to register that account
/// with a hot key of his own. Accounts and hash of block 0 are hashed as their SCALE encodings, so any types that encode alike will do.
pub fn join_message<AccountId: Encode>(
    genesis: &impl Encode,
    operator: &AccountId,
    hot: &AccountId,
    endpoint: &[u8],
    models: &[ModelId],
    ticket: &Ticket,
) -> H256 {
    hash(&[
        JOIN_DOMAIN,
        &(genesis, operator, hot, endpoint, models, ticket).encode(),
    ])
}

/// Whether `nonce` solves `challenge`. Complexity: one hash of 40 bytes.
pub fn verify(challenge: &H256, nonce: u64, target: u64) -> bool {
    digest(challenge, nonce) <= target
}

/// The first 8 bytes of the digest, which must be at most the target. Complexity: one hash of 40 bytes.
pub fn digest(challenge: &H256, nonce: u64) -> u64 {
    let digest = hash(&[challenge.as_bytes(), &nonce.to_le_bytes()]);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// How many times more work than `target` demands a `digest` shows, in 1/65536, at most [`u64::MAX`].
pub fn margin(digest: u64, target: u64) -> u64 {
    let margin = ((u128::from(target) + 1) << 16) / (u128::from(digest) + 1);
    u64::try_from(margin).unwrap_or(u64::MAX)
}

/// Tries that a search takes on average: 2^64 / (`target` + 1), rounded down.
pub fn expected_tries(target: u64) -> u64 {
    ((1u128 << 64) / (u128::from(target) + 1)).min(u128::from(u64::MAX)) as u64
}

/// A search for a nonce that can be interrupted, for showing progress or being cancelled.
#[derive(Clone, Debug)]
pub struct Search {
    challenge: H256,
    target: u64,
    next: u64,
    tried: u64,
}

impl Search {
    /// Starts at nonce `first`; searches that start far apart can share the work of one challenge.
    pub fn new(challenge: H256, target: u64, first: u64) -> Self {
        Self {
            challenge,
            target,
            next: first,
            tried: 0,
        }
    }

    /// Tries up to `steps` nonces more, wrapping around at 2^64; the first that solves the challenge, if any.
    pub fn run(&mut self, steps: u64) -> Option<u64> {
        (0..steps).find_map(|_| {
            let nonce = self.next;
            self.next = nonce.wrapping_add(1);
            self.tried = self.tried.saturating_add(1);
            verify(&self.challenge, nonce, self.target).then_some(nonce)
        })
    }

    /// Nonces tried so far.
    pub fn tried(&self) -> u64 {
        self.tried
    }
}

/// Solves `challenge` in one go, starting at nonce 0; `None` after `steps` nonces. Tries are independent, so each
/// [`expected_tries`] leave a share of 1/e of all searches unfinished.
pub fn solve(challenge: &H256, target: u64, steps: u64) -> Option<u64> {
    Search::new(*challenge, target, 0).run(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One try in 256.
    const EASY: u64 = u64::MAX >> 8;

    fn sample(account: u8) -> H256 {
        challenge(&H256::repeat_byte(1), &[account; 32], 9, &H256::repeat_byte(2))
    }

    #[test]
    fn interrupted_search_finds_what_an_uninterrupted_one_finds() {
        let nonce = solve(&sample(7), EASY, u64::MAX).unwrap();
        let mut search = Search::new(sample(7), EASY, 0);
        let found = std::iter::repeat_with(|| search.run(10)).find_map(|found| found);
        assert_eq!(found, Some(nonce));
        assert_eq!(search.tried(), nonce + 1);
        assert_eq!(solve(&sample(7), EASY, nonce), None);
    }

    #[test]
    fn searches_that_start_apart_try_apart() {
        let nonce = solve(&sample(7), EASY, u64::MAX).unwrap();
        let mut after = Search::new(sample(7), EASY, nonce + 1);
        assert!(after.run(u64::MAX).unwrap() > nonce);
        let mut last = Search::new(sample(7), 0, u64::MAX);
        assert_eq!(last.run(2), None, "wraps around");
    }

    #[test]
    fn every_part_of_a_challenge_counts() {
        let (genesis, hash) = (H256::repeat_byte(1), H256::repeat_byte(2));
        let base = challenge(&genesis, &[7; 32], 9, &hash);
        assert_ne!(base, challenge(&hash, &[7; 32], 9, &hash));
        assert_ne!(base, challenge(&genesis, &[8; 32], 9, &hash));
        assert_ne!(base, challenge(&genesis, &[7; 33], 9, &hash));
        assert_ne!(base, challenge(&genesis, &[7; 32], 10, &hash));
        assert_ne!(base, challenge(&genesis, &[7; 32], 9, &genesis));
    }

    #[test]
    fn every_part_of_a_join_message_counts() {
        let (genesis, models) = ([1; 32], [H256::zero()]);
        let ticket = Ticket { block: 1, nonce: 2 };
        let message = |endpoint: &[u8], models: &[ModelId]| join_message(&genesis, &1, &2, endpoint, models, &ticket);
        let base = message(b"http://a", &models);
        let others = [
            message(b"http://b", &models),
            message(b"http://a", &[]),
            join_message(&[2; 32], &1, &2, b"http://a", &models, &ticket),
            join_message(&genesis, &3, &2, b"http://a", &models, &ticket),
            join_message(&genesis, &1, &3, b"http://a", &models, &ticket),
            join_message(&genesis, &1, &2, b"http://a", &models, &Ticket { block: 3, ..ticket }),
            join_message(&genesis, &1, &2, b"http://a", &models, &Ticket { nonce: 3, ..ticket }),
        ];
        assert!(!others.contains(&base));
    }

    #[test]
    fn nonce_of_one_account_is_no_use_to_another() {
        let taken = (0..64).filter(|account| {
            let nonce = solve(&sample(*account), EASY, u64::MAX).unwrap();
            verify(&sample(account + 64), nonce, EASY)
        });
        assert!(taken.count() < 8, "about 64 / 256 are expected");
    }

    #[test]
    fn expected_tries_are_the_inverse_of_the_target() {
        assert_eq!(expected_tries(u64::MAX), 1);
        assert_eq!(expected_tries(EASY), 256);
        assert_eq!(expected_tries(0), u64::MAX);
        let tries: u64 = (0..200)
            .map(|account| solve(&sample(account), EASY, u64::MAX).unwrap() + 1)
            .sum();
        assert!(
            (30_000..75_000).contains(&tries),
            "{tries} for 200 searches of 256 each"
        );
    }

    #[test]
    fn one_core_hashes_fast_enough_for_a_ticket() {
        let tries = 1 << 18;
        let begin = std::time::Instant::now();
        assert_eq!(Search::new(sample(1), 0, 0).run(tries), None);
        let rate = tries as f64 / begin.elapsed().as_secs_f64();
        eprintln!("{rate:.0} tries per second on this core");
        assert!(rate > 10_000.0);
    }

    proptest! {
        #[test]
        fn verify_is_monotone_in_the_target(nonce: u64, target: u64, easier: u64) {
            prop_assert!(!verify(&sample(1), nonce, target) || verify(&sample(1), nonce, target.max(easier)));
            prop_assert!(verify(&sample(1), nonce, u64::MAX));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Letting accounts in by a ticket, and how hard that is.
use crate::{Admitted, Config, Difficulty, Event, NewcomersInBlock, Pallet, TicketDifficulty, VouchedBy};
use codec::Encode;
use ergon_primitives::{
    quota::{Admissible, Admission},
    ticket::{challenge, digest, margin, Ticket, TicketError, TicketTerms},
    H256,
};
use frame_support::{ensure, traits::Get};
use frame_system::{pallet_prelude::BlockNumberFor, Pallet as System};
use sp_runtime::{traits::UniqueSaturatedInto, SaturatedConversion};

impl<T: Config> Pallet<T> {
    /// Difficulty in this block: that of the record, or what follows from it if its period is over. A retarget moves the
    /// target in proportion to how many came, at most by a factor of 4; periods without anybody ease it by 4 each.
    pub fn difficulty() -> Difficulty<BlockNumberFor<T>> {
        let record = TicketDifficulty::<T>::get();
        let (now, since): (u64, u64) = (
            System::<T>::block_number().unique_saturated_into(),
            record.since.unique_saturated_into(),
        );
        let period = Self::retarget_blocks();
        let periods = now.saturating_sub(since) / period;
        if periods == 0 {
            return record;
        }
        let first = Self::retargeted(record.target, record.admitted);
        Difficulty {
            target: Self::eased(first, periods - 1),
            previous: if periods == 1 {
                record.target
            } else {
                Self::eased(first, periods - 2)
            },
            since: since.saturating_add(periods.saturating_mul(period)).saturated_into(),
            admitted: 0,
        }
    }

    fn retarget_blocks() -> u64 {
        let period: u64 = T::RetargetBlocks::get().unique_saturated_into();
        period.max(1)
    }

    fn within_limits(target: u128) -> u64 {
        let clamped = target.clamp(T::HardestTarget::get().into(), T::EasiestTarget::get().into());
        clamped.saturated_into()
    }

    fn retargeted(target: u64, admitted: u32) -> u64 {
        let target = u128::from(target);
        let ideal = match admitted {
            0 => target * 4,
            admitted => target * u128::from(T::TicketsPerPeriod::get()) / u128::from(admitted),
        };
        Self::within_limits(ideal.clamp(target / 4, target * 4))
    }

    fn eased(target: u64, periods: u64) -> u64 {
        // A factor of 4^32 covers all targets.
        let bits = periods.min(32) as u32 * 2;
        Self::within_limits(u128::from(target) << bits)
    }

    /// The target for a ticket bound to `block`: that of the period that it is in, so that a retarget spoils no search that
    /// is under way.
    fn target_at(block: u32, difficulty: &Difficulty<BlockNumberFor<T>>) -> u64 {
        if BlockNumberFor::<T>::from(block) < difficulty.since {
            difficulty.previous
        } else {
            difficulty.target
        }
    }

    /// What a new ticket should be made for; `None` in block 0, which has no parent.
    pub fn ticket_terms() -> Option<TicketTerms> {
        let block: u32 = System::<T>::block_number().saturated_into::<u32>().checked_sub(1)?;
        Some(TicketTerms {
            genesis: Self::block_hash(0),
            block,
            block_hash: Self::block_hash(block),
            target: Self::target_at(block, &Self::difficulty()),
            expires: block.saturating_add(Self::ticket_lifetime()).saturating_add(1),
        })
    }

    fn ticket_lifetime() -> u32 {
        T::TicketLifetime::get().saturated_into()
    }

    fn block_hash(block: u32) -> H256 {
        let mut hash = H256::zero();
        let stored = System::<T>::block_hash(BlockNumberFor::<T>::from(block));
        hash.0
            .iter_mut()
            .zip(stored.as_ref())
            .for_each(|(to, from)| *to = *from);
        hash
    }
}

impl<T: Config> Admission<T::AccountId> for Pallet<T> {
    /// Complexity: O(1). Two hashes, and reads of two block hashes, the difficulty and this block's count.
    fn check(account: &T::AccountId, ticket: &Ticket) -> Result<Admissible, TicketError> {
        let now: u32 = System::<T>::block_number().saturated_into();
        let age = now
            .checked_sub(ticket.block)
            .filter(|age| *age > 0)
            .ok_or(TicketError::FromTheFuture)?;
        let blocks_left = Self::ticket_lifetime().checked_sub(age).ok_or(TicketError::Expired)?;
        Self::with_ticket().ok_or(TicketError::BlockFull)?;
        let block_hash = Self::block_hash(ticket.block);
        let challenge = challenge(&Self::block_hash(0), &account.encode(), ticket.block, &block_hash);
        let target = Self::target_at(ticket.block, &Self::difficulty());
        let digest = digest(&challenge, ticket.nonce);
        ensure!(digest <= target, TicketError::TooLittleWork);
        Ok(Admissible {
            blocks_left,
            margin: margin(digest, target),
        })
    }

    /// Complexity: O(1).
    fn admit(account: &T::AccountId, ticket: &Ticket) -> Result<(), TicketError> {
        Self::check(account, ticket)?;
        let taken = Self::with_ticket().ok_or(TicketError::BlockFull)?;
        NewcomersInBlock::<T>::put(taken);
        Self::welcome(account);
        let mut difficulty = Self::difficulty();
        difficulty.admitted = difficulty.admitted.saturating_add(1);
        TicketDifficulty::<T>::put(difficulty);
        Self::deposit_event(Event::Admitted {
            account: account.clone(),
        });
        Ok(())
    }

    /// Complexity: O(1).
    fn welcome(account: &T::AccountId) {
        if !Self::is_known(account) {
            System::<T>::inc_providers(account);
        }
        Admitted::<T>::insert(account, System::<T>::block_number());
    }

    /// Complexity: O(1).
    fn note_failed(account: &T::AccountId) {
        Self::bar_voucher(account);
    }

    /// Complexity: O(1).
    fn note_passed(account: &T::AccountId) {
        VouchedBy::<T>::remove(account);
    }
}

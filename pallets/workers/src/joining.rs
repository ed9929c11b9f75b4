// SPDX-License-Identifier: Apache-2.0
//! Registering without permission, by a [ticket](ergon_primitives::ticket), and being let in to register.
//!
//! The call is not signed as transactions are, for the chain may not know the account yet. Instead it authorizes itself, with a ticket
//! and a [signature](join_message) of everything in it. Since it costs no quota, all that can be wrong with it is found before it gets
//! into a block.
use crate::{Config, Endpoint, Error, HotKeys, Pallet, ServedModels, Sponsored};
use ergon_primitives::{
    quota::{Admission, Newcomers},
    ticket::{
        code::{ALREADY_SPONSORED, REGISTRATION_REFUSED, TICKET_EXPIRED, TICKET_FROM_THE_FUTURE, TOO_LITTLE_WORK},
        join_message, Ticket, TicketError,
    },
    H256,
};
use frame_support::{
    ensure,
    pallet_prelude::{DispatchResult, TransactionValidityWithRefund, Weight},
};
use frame_system::Pallet as System;
use sp_runtime::{
    traits::{Verify, Zero},
    transaction_validity::{InvalidTransaction, TransactionPriority, ValidTransaction},
};

/// After all that have earned a share of the chain and those that change their votes, to whom quotas give at least 2^47, and before
/// newcomers, to whom they give less than 2^46. In between, what the ticket shows beyond the target decides.
const PRIORITY: TransactionPriority = 1 << 46;

impl<T> From<TicketError> for Error<T> {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Expired => Self::TicketExpired,
            TicketError::FromTheFuture => Self::TicketFromTheFuture,
            TicketError::TooLittleWork => Self::TooLittleWork,
            TicketError::BlockFull => Self::TooManyJoined,
        }
    }
}

/// What the transaction pool hears about a ticket.
fn invalid(error: TicketError) -> InvalidTransaction {
    InvalidTransaction::Custom(match error {
        TicketError::Expired => TICKET_EXPIRED,
        TicketError::FromTheFuture => TICKET_FROM_THE_FUTURE,
        TicketError::TooLittleWork => TOO_LITTLE_WORK,
        // Not invalid: there is room in a later block, so the pool keeps it.
        TicketError::BlockFull => return InvalidTransaction::ExhaustsResources,
    })
}

impl<T: Config> Pallet<T> {
    /// Whether the call may do what it says. Cheapest checks first, for this is asked for whatever is sent to a node.
    pub(crate) fn authorize_join(
        operator: &T::AccountId,
        hot: &T::AccountId,
        endpoint: &Endpoint,
        models: &ServedModels,
        ticket: &Ticket,
        signature: &T::Signature,
    ) -> TransactionValidityWithRefund {
        let sponsored = Sponsored::<T>::contains_key(operator);
        ensure!(!sponsored, InvalidTransaction::Custom(ALREADY_SPONSORED));
        let worth = T::Admission::check(operator, ticket).map_err(invalid)?;
        Self::check_registration(operator, hot, endpoint, models)
            .map_err(|_| InvalidTransaction::Custom(REGISTRATION_REFUSED))?;
        let message = Self::join_message(operator, hot, endpoint, models, ticket);
        ensure!(
            signature.verify(message.as_bytes(), operator),
            InvalidTransaction::BadProof
        );
        let validity = ValidTransaction::with_tag_prefix("ergon/join")
            .priority(PRIORITY + worth.margin.min(PRIORITY - 1))
            .longevity(worth.blocks_left.into())
            .and_provides(operator)
            .propagate(true)
            .into();
        Ok((validity, Weight::zero()))
    }

    /// What `operator` signs.
    pub fn join_message(
        operator: &T::AccountId,
        hot: &T::AccountId,
        endpoint: &Endpoint,
        models: &ServedModels,
        ticket: &Ticket,
    ) -> H256 {
        let genesis = System::<T>::block_hash(frame_system::pallet_prelude::BlockNumberFor::<T>::zero());
        join_message(&genesis, operator, hot, endpoint, models, ticket)
    }

    pub(crate) fn do_join(
        operator: T::AccountId,
        hot: T::AccountId,
        endpoint: Endpoint,
        models: ServedModels,
        ticket: Ticket,
    ) -> DispatchResult {
        ensure!(!Sponsored::<T>::contains_key(&operator), Error::<T>::AlreadySponsored);
        Self::check_registration(&operator, &hot, &endpoint, &models)?;
        T::Admission::admit(&operator, &ticket).map_err(Error::<T>::from)?;
        Self::let_in(&operator);
        if HotKeys::<T>::contains_key(&operator) {
            Self::do_remove_hot_key(operator.clone(), operator.clone())?;
        }
        Self::enlist(operator, hot, endpoint, models)
    }
}

impl<T: Config> Newcomers<T::AccountId> for Pallet<T> {
    fn let_in(account: &T::AccountId) {
        Sponsored::<T>::insert(account, ());
        Self::begin_probation(account);
    }
}

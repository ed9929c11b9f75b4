// SPDX-License-Identifier: Apache-2.0
//! How the other pallets see quota: what replaces fees.
use crate::{
    ticket::{Ticket, TicketError},
    Units,
};

/// Compute that an account may still ask for.
pub trait Quota<AccountId> {
    /// Why an account may not ask for so much: the runtime's error type.
    type Error;

    /// Takes `units` from what `who` may still ask for; changes nothing if it can't.
    fn reserve(who: &AccountId, units: Units) -> Result<(), Self::Error>;

    /// Gives back what was reserved and not used: `reserved` is what [`reserve`](Self::reserve) took, and `used` what the job
    /// cost in the end; nothing if that is more. Call it once for each reservation, or never, to forfeit it.
    fn settle(who: &AccountId, reserved: Units, used: Units);
}

/// Letting accounts in without anybody's leave, by a [`Ticket`]. A ticket is good as long as it lives, so whoever calls this must let each
/// account in only once.
pub trait Admission<AccountId> {
    /// Whether `ticket` would let `account` in now, and for how many blocks after this one. Cheap enough for the transaction pool: it
    /// changes nothing and costs two hashes and a few reads.
    fn check(account: &AccountId, ticket: &Ticket) -> Result<u32, TicketError>;

    /// Checks `ticket` and lets `account` in for good: it may sign from now on. Changes nothing if it is refused.
    fn admit(account: &AccountId, ticket: &Ticket) -> Result<(), TicketError>;
}

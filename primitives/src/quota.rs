// SPDX-License-Identifier: Apache-2.0
//! How the other pallets see quota: what replaces fees.
use crate::{
    ticket::{Ticket, TicketError},
    Units,
};

/// Compute that an account may still ask for, and block space that its jobs take.
pub trait Quota<AccountId> {
    /// Why an account may not ask for so much: the runtime's error type.
    type Error;

    /// Whether `who` has no share of its own: neither weight nor a line that is worth more than being a newcomer. Cheap: a few reads.
    fn is_newcomer(who: &AccountId) -> bool;

    /// Takes `units` from what `who` may still ask for; changes nothing if it can't. Until they are [settled](Self::settle) they are
    /// missing, whatever the time: so nobody can let a bucket refill while its units wait in a queue, and get them back on top.
    fn reserve(who: &AccountId, units: Units) -> Result<(), Self::Error>;

    /// Ends a reservation: `reserved` is what [`reserve`](Self::reserve) took, and `used` what the job cost in the end, at most
    /// `reserved`. What is used comes back with time from now on, and the rest at once. Call it exactly once for each reservation, with
    /// the `who` of the reservation; to forfeit it, with all of it used.
    fn settle(who: &AccountId, reserved: Units, used: Units);

    /// Takes the block space that a job's life will take after its submission, `ref_time` picoseconds, from the points of `who`, and
    /// those of a newcomer from the newcomers' share of this block, too. It is never given back. Changes nothing if it can't.
    fn charge_life(who: &AccountId, ref_time: u64) -> Result<(), Self::Error>;
}

/// What a good ticket is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admissible {
    /// For how many blocks after this one it will be good.
    pub blocks_left: u32,
    /// How many times more work it shows than it must, in 1/65536: tickets that show more go first.
    pub margin: u64,
}

/// Letting accounts in: by a [`Ticket`], without permission, by vouching, and at genesis. A ticket is good as long as it lives, so its user
/// must let each account in only once.
pub trait Admission<AccountId> {
    /// What `ticket` would be worth now for `account`. Cheap enough for the transaction pool: it changes nothing and costs two hashes and a
    /// few reads.
    fn check(account: &AccountId, ticket: &Ticket) -> Result<Admissible, TicketError>;

    /// Checks `ticket` and lets `account` in for good: it may sign from now on. Changes nothing if it is refused.
    fn admit(account: &AccountId, ticket: &Ticket) -> Result<(), TicketError>;

    /// Lets `account` in at genesis.
    fn welcome(account: &AccountId);

    /// The probation of `account` begins again, by a fault that is certain. If somebody answers for it, that operator vouches for nobody for
    /// some epochs, and answers for it no longer.
    fn note_failed(account: &AccountId);

    /// The probation of `account` is over: nobody answers for it any longer.
    fn note_passed(account: &AccountId);
}

/// The registry, as far as it is told about those who were let in by vouching.
pub trait Newcomers<AccountId> {
    /// `account` may register as an operator from now on, on probation.
    fn let_in(account: &AccountId);
}

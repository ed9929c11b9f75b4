// SPDX-License-Identifier: Apache-2.0
//! Everything of the worker that talks to the node.
//!
//! | module | does |
//! |---|---|
//! | [`keystore`] | reads and writes secret keys |
//! | [`duty`] | plain types: what the chain wants from an operator, what the operator sends |
//! | [`client`] | connects, checks that node and worker understand each other, follows finalized blocks |
//! | [`reader`] | reads an operator's duties from the state of a finalized block |
//! | [`registration`] | brings the operator's entry on chain in line with the configuration |
//! | `joining` | registers an operator that nobody knows |
//! | `ticket` | makes the ticket for that |
//! | [`submitter`] | owns the nonce of the hot key: signs, submits and watches its transactions |
//! | `fate` | finds out what became of a transaction |
//!
//! Only `interface` knows the runtime's metadata; it is generated from `metadata.scale`, which `make metadata` brings up to date.

pub mod client;
pub mod duty;
mod fate;
mod interface;
mod joining;
pub mod keystore;
pub mod reader;
pub mod registration;
pub mod submitter;
mod ticket;

pub use client::{Client, ConnectError};
pub use duty::{BlockNumber, Call, Due, Duty, Fate, Status, Task, View};
pub use keystore::KeyError;
pub use subxt::{utils::AccountId32 as AccountId, Error as NodeError};
pub use subxt_signer::sr25519::Keypair;

/// The account of a key.
pub fn account(key: &Keypair) -> AccountId {
    key.public_key().to_account_id()
}

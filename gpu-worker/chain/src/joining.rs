// SPDX-License-Identifier: Apache-2.0
//! Registering an operator that the chain doesn't know, by `workers.join` with a [ticket](crate::ticket). One that another operator has
//! vouched for is known, and registers like any.
//!
//! The transaction has no signer, since the chain knows nobody who could be it, but a signature of the operator among its arguments.
//! Every attempt has a new signature, since a pool that has refused a transaction bans its bytes for a while.
use crate::{
    account,
    fate::{fate, Progress},
    interface,
    registration::{Registration, RegistrationError},
    submitter::{describe, refusal},
    ticket, AccountId, Client, Fate, Keypair,
};
use ergon_primitives::{
    ticket::{
        code::{REGISTRATION_REFUSED, TICKET_EXPIRED, TICKET_FROM_THE_FUTURE, TOO_LITTLE_WORK},
        join_message, Ticket,
    },
    ModelId,
};
use std::time::Duration;

/// The extrinsic.
const NAME: &str = "workers.join";
/// Pause after which the pool is asked again: a block or two.
const PAUSE: Duration = Duration::from_secs(6);
/// How often it is asked before the worker reconnects.
const ATTEMPTS: u32 = 8;

/// The arguments of `workers.join` but for the signature.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub operator: AccountId,
    pub hot: AccountId,
    pub endpoint: Vec<u8>,
    pub models: Vec<ModelId>,
    pub ticket: Ticket,
}

/// What to do about a refusal of the pool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Remedy {
    /// As many join in this block as may: ask again with the same ticket.
    Wait,
    /// The ticket is no good any more: make another one.
    AnotherTicket,
    /// Nothing that time would cure.
    None,
    /// Anything else, and that the account was let in meanwhile: look at the chain again.
    LookAgain,
}

fn remedy(refusal: &str) -> Remedy {
    let code = refusal
        .rsplit_once("Custom error: ")
        .and_then(|(_, code)| code.parse().ok());
    match code {
        Some(TICKET_EXPIRED | TICKET_FROM_THE_FUTURE | TOO_LITTLE_WORK) => Remedy::AnotherTicket,
        Some(REGISTRATION_REFUSED) => Remedy::None,
        // `ALREADY_SPONSORED` among them.
        Some(_) => Remedy::LookAgain,
        None if refusal.contains("exhaust the block") => Remedy::Wait,
        None => Remedy::LookAgain,
    }
}

/// Makes a ticket for the operator whose `key` this is, and registers it as `wanted`.
pub(crate) async fn join(client: &Client, wanted: &Registration, key: &Keypair) -> Result<(), RegistrationError> {
    let (operator, hot) = (account(key), account(&wanted.hot));
    if wanted.patience.is_zero() {
        return Err(RegistrationError::NoTicketWanted(operator));
    }
    // What would be refused in the end is found before the search.
    if hot != operator && interface::can_sign(&client.finalized().await?, &hot).await? {
        return Err(RegistrationError::HotKeyNotNew(hot));
    }
    tracing::info!(%operator, "the chain doesn't know the operator: joining it by a ticket");
    let mut join = Join {
        operator,
        hot,
        endpoint: wanted.endpoint.clone().unwrap_or_default().into_bytes(),
        models: wanted.models.clone(),
        ticket: ticket::make(client, &operator, wanted.patience).await?,
    };
    let mut reason = String::new();
    for _ in 0..ATTEMPTS {
        tracing::info!(call = NAME, %operator, "sending");
        reason = match send(client, &join, key).await? {
            Ok(progress) => return included(progress).await,
            Err(reason) => reason,
        };
        match remedy(&reason) {
            Remedy::Wait => tracing::info!("the block is full of newcomers: trying again"),
            Remedy::AnotherTicket => {
                tracing::warn!("the ticket is no good ({reason}): making another one");
                join.ticket = ticket::make(client, &operator, wanted.patience).await?;
                continue;
            }
            Remedy::None => {
                return Err(RegistrationError::Refused {
                    call: NAME,
                    reason: rules(&reason),
                })
            }
            Remedy::LookAgain => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(RegistrationError::Lost { call: NAME, reason })
}

/// Hands the transaction to the node's pool, which may refuse it for the reason returned.
async fn send(client: &Client, join: &Join, key: &Keypair) -> Result<Result<Progress, String>, RegistrationError> {
    let message = join_message(
        &client.genesis(),
        &join.operator,
        &join.hot,
        &join.endpoint,
        &join.models,
        &join.ticket,
    );
    let at = client.finalized().await?;
    let transaction = interface::join(&at, join, key.sign(message.as_bytes()).0).map_err(subxt::Error::from)?;
    match transaction.submit_and_watch().await {
        Ok(progress) => Ok(Ok(progress)),
        Err(error) => match refusal(&error) {
            Some(refusal) => Ok(Err(describe(refusal))),
            None => Err(subxt::Error::from(error).into()),
        },
    }
}

async fn included(progress: Progress) -> Result<(), RegistrationError> {
    match fate(progress).await {
        Fate::Done(block) => {
            tracing::info!(
                call = NAME,
                block,
                "finalized: the operator is registered, on probation"
            );
            Ok(())
        }
        Fate::Refused(_, reason) => Err(RegistrationError::Refused { call: NAME, reason }),
        Fate::Lost(reason) => Err(RegistrationError::Lost { call: NAME, reason }),
    }
}

/// The pool says only that a rule is broken.
fn rules(reason: &str) -> String {
    format!(
        "{reason}: the registration breaks a rule; check that the hot key is new (`ergon-worker key generate`), the endpoint valid and every \
         model active"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_primitives::ticket::code::ALREADY_SPONSORED;

    #[test]
    fn each_refusal_has_its_remedy() {
        let custom = |code: u8| remedy(&format!("Invalid Transaction: Custom error: {code}"));
        for code in [TICKET_EXPIRED, TICKET_FROM_THE_FUTURE, TOO_LITTLE_WORK] {
            assert_eq!(custom(code), Remedy::AnotherTicket);
        }
        assert_eq!(custom(ALREADY_SPONSORED), Remedy::LookAgain);
        assert_eq!(custom(REGISTRATION_REFUSED), Remedy::None);
        let full = "Invalid Transaction: Transaction would exhaust the block limits";
        assert_eq!(remedy(full), Remedy::Wait);
        assert_eq!(remedy("Transaction is temporarily banned"), Remedy::LookAgain);
    }

    #[test]
    fn what_time_does_not_mend_says_what_to_check() {
        let text = rules("Custom error: 14");
        assert!(
            text.starts_with("Custom error: 14") && text.contains("hot key is new"),
            "{text}"
        );
    }
}

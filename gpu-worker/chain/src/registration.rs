// SPDX-License-Identifier: Apache-2.0
//! Brings the operator's entry on chain in line with what its worker is told.
//!
//! What has to be done is decided by a pure function over the chain's state; the transactions are sent one after the other, and
//! each is waited for until it is finalized. The operator's key is needed to register, to add the hot key and to change models or
//! endpoint. An operator that the chain doesn't know registers by a ticket. One that drains stays so, since its owner has asked for it;
//! only one that drains for want of a hot key comes back with the new one. What is suspended comes back while the worker works, see [`Call::Resume`](crate::Call::Resume).
use crate::{
    account, fate::fate, interface, joining::join, submitter::Submitter, AccountId, Client, Fate, Keypair, Status,
};
use ergon_primitives::{ModelId, H256};
use std::time::Duration;

/// Longest endpoint that the chain takes, in bytes.
const MAX_ENDPOINT_BYTES: usize = 128;

/// An operator as it stands on chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub hot_keys: Vec<AccountId>,
    pub endpoint: Vec<u8>,
    pub models: Vec<ModelId>,
    pub status: Status,
}

/// A transaction about the operator's entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OperatorCall {
    Register {
        hot: AccountId,
        endpoint: Vec<u8>,
        models: Vec<ModelId>,
    },
    AddHotKey {
        hot: AccountId,
    },
    Update {
        endpoint: Vec<u8>,
        models: Vec<ModelId>,
    },
    Resume,
}

impl OperatorCall {
    fn name(&self) -> &'static str {
        match self {
            Self::Register { .. } => "workers.register",
            Self::AddHotKey { .. } => "workers.add_hot_key",
            Self::Update { .. } => "workers.update",
            Self::Resume => "workers.resume",
        }
    }

    fn needs_operator_key(&self) -> bool {
        !matches!(self, Self::Resume)
    }
}

/// What a worker is told about its registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Key of the worker.
    pub hot: Keypair,
    /// Key of its operator.
    pub operator: Option<Keypair>,
    /// What it serves.
    pub models: Vec<ModelId>,
    /// Where it can be reached; left as it is on chain if not given.
    pub endpoint: Option<String>,
    /// How long a ticket may take, if the chain doesn't know the operator.
    pub patience: Duration,
}

/// Why a worker can't work for its operator.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The hot key is nobody's, and there is no key to register it with.
    #[error("hot key {0} is not registered and no operator-key is given: give one, so that the worker can register")]
    NotRegistered(AccountId),
    /// The hot key works for somebody else.
    #[error(
        "hot key {hot} works for operator {owner}, not for {operator}: use a hot key of its own for each operator"
    )]
    KeyTaken {
        /// The hot key.
        hot: AccountId,
        /// Whom it works for on chain.
        owner: AccountId,
        /// Whose key was given.
        operator: AccountId,
    },
    /// The operator was found to be wrong.
    #[error("operator {0} is jailed and is given no work")]
    Jailed(AccountId),
    /// The entry has to be changed, but there is no key to do it with.
    #[error(
        "{call} is needed to bring the operator's entry in line with the configuration, but no operator-key is given"
    )]
    OperatorKeyNeeded {
        /// The extrinsic.
        call: &'static str,
    },
    /// Only a ticket would let the operator in.
    #[error(
        "operator {0} is not known to the chain, and ticket-seconds is 0: allow some seconds, so that the worker can make a ticket and join"
    )]
    NoTicketWanted(AccountId),
    /// A ticket takes too long.
    #[error(
        "a ticket takes about {expected} s of this core, and no more than {allowed} s are allowed: raise ticket-seconds, try again later \
         when fewer operators join, or ask an operator to vouch for this one (`quota.vouch`)"
    )]
    TicketTooHard {
        /// Seconds that it takes on average.
        expected: u64,
        /// Seconds that it may take.
        allowed: u64,
    },
    /// The chain has only its genesis block, which no ticket can be bound to.
    #[error("the chain has no blocks yet")]
    NoBlocks,
    /// The hot key may be somebody else's.
    #[error(
        "hot key {0} was on the chain before its operator, so it may be somebody else's: make a new one with `ergon-worker key generate`"
    )]
    HotKeyNotNew(AccountId),
    /// No address.
    #[error(
        "endpoint {0:?} can't be published: it must be at most {MAX_ENDPOINT_BYTES} characters of printable ASCII without spaces"
    )]
    InvalidEndpoint(String),
    /// No such model on chain.
    #[error("model {0:?} is not active on this chain: have it registered by governance, or serve another one")]
    UnknownModel(H256),
    /// The chain refuses.
    #[error("the chain refuses {call}: {reason}")]
    Refused {
        /// The extrinsic.
        call: &'static str,
        /// Pallet and error variant.
        reason: String,
    },
    /// The transaction is lost; it may be sent again.
    #[error("{call} did not get into a finalized block: {reason}")]
    Lost {
        /// The extrinsic.
        call: &'static str,
        /// What happened.
        reason: String,
    },
    /// The connection failed.
    #[error(transparent)]
    Node(#[from] Box<subxt::Error>),
}

impl RegistrationError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::NoBlocks | Self::Node(_))
    }
}

impl From<subxt::Error> for RegistrationError {
    fn from(error: subxt::Error) -> Self {
        Self::Node(Box::new(error))
    }
}

/// The operator that a hot key is to work for: `owner` as the chain says, and `operator` as configured.
fn operator_for(
    hot: &AccountId,
    owner: Option<AccountId>,
    operator: Option<AccountId>,
) -> Result<AccountId, RegistrationError> {
    match (owner, operator) {
        (Some(owner), Some(operator)) if owner != operator => Err(RegistrationError::KeyTaken {
            hot: *hot,
            owner,
            operator,
        }),
        (Some(operator), _) | (None, Some(operator)) => Ok(operator),
        (None, None) => Err(RegistrationError::NotRegistered(*hot)),
    }
}

/// What has to be sent for `operator` to serve `models` by `hot`, given its `entry`.
fn calls(
    operator: &AccountId,
    hot: &AccountId,
    entry: Option<&Entry>,
    models: &[ModelId],
    endpoint: Option<&str>,
) -> Result<Vec<OperatorCall>, RegistrationError> {
    let endpoint = endpoint.map(|endpoint| endpoint.as_bytes().to_vec());
    let Some(entry) = entry else {
        let (hot, models) = (*hot, models.to_vec());
        return Ok(vec![OperatorCall::Register {
            hot,
            endpoint: endpoint.unwrap_or_default(),
            models,
        }]);
    };
    if entry.status == Status::Jailed {
        return Err(RegistrationError::Jailed(*operator));
    }
    let mut calls = Vec::new();
    if !entry.hot_keys.contains(hot) {
        calls.push(OperatorCall::AddHotKey { hot: *hot });
    }
    let same_models = entry.models.len() == models.len() && models.iter().all(|model| entry.models.contains(model));
    let endpoint = endpoint.unwrap_or_else(|| entry.endpoint.clone());
    if !same_models || endpoint != entry.endpoint {
        calls.push(OperatorCall::Update {
            endpoint,
            models: models.to_vec(),
        });
    }
    if entry.hot_keys.is_empty() && entry.status == Status::Draining {
        calls.push(OperatorCall::Resume);
    }
    Ok(calls)
}

/// Whether the chain takes it; it would only say that it doesn't after a search for a ticket.
fn check_endpoint(endpoint: Option<&str>) -> Result<(), RegistrationError> {
    match endpoint {
        Some(text) if text.len() > MAX_ENDPOINT_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(RegistrationError::InvalidEndpoint(text.into()))
        }
        _ => Ok(()),
    }
}

impl Client {
    /// Makes sure that the worker is registered as told and returns its operator.
    pub async fn register(&self, wanted: &Registration) -> Result<AccountId, RegistrationError> {
        check_endpoint(wanted.endpoint.as_deref())?;
        let at = self.finalized().await?;
        let hot = account(&wanted.hot);
        let operator = operator_for(
            &hot,
            interface::operator_of(&at, &hot).await?,
            wanted.operator.as_ref().map(account),
        )?;
        for model in &wanted.models {
            if !interface::is_active_model(&at, model).await? {
                return Err(RegistrationError::UnknownModel(*model));
            }
        }
        let entry = interface::operator(&at, &operator).await?;
        if let (None, Some(key)) = (&entry, &wanted.operator) {
            if !interface::may_register(&at, &operator).await? {
                join(self, wanted, key).await?;
                return Ok(operator);
            }
        }
        let calls = calls(
            &operator,
            &hot,
            entry.as_ref(),
            &wanted.models,
            wanted.endpoint.as_deref(),
        )?;
        for call in calls {
            let key = match (&wanted.operator, call.needs_operator_key()) {
                (Some(key), true) => key,
                (None, true) => return Err(RegistrationError::OperatorKeyNeeded { call: call.name() }),
                (_, false) => &wanted.hot,
            };
            self.send(&call, key).await?;
        }
        Ok(operator)
    }

    async fn send(&self, call: &OperatorCall, key: &Keypair) -> Result<(), RegistrationError> {
        let name = call.name();
        tracing::info!(call = name, signer = %account(key), "sending");
        let progress = Submitter::new(self.clone(), key.clone())
            .submit(call)
            .await
            .map_err(|reason| RegistrationError::Lost { call: name, reason })?;
        match fate(progress).await {
            Fate::Done(block) => {
                tracing::info!(call = name, block, "finalized");
                Ok(())
            }
            Fate::Refused(_, reason) => Err(RegistrationError::Refused { call: name, reason }),
            Fate::Lost(reason) => Err(RegistrationError::Lost { call: name, reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> AccountId {
        AccountId::from([byte; 32])
    }

    fn model(byte: u8) -> ModelId {
        H256::repeat_byte(byte)
    }

    fn entry() -> Entry {
        Entry {
            hot_keys: vec![id(2)],
            endpoint: b"http://x".to_vec(),
            models: vec![model(1), model(2)],
            status: Status::Active,
        }
    }

    fn wanted(entry: Option<&Entry>, models: &[ModelId], endpoint: Option<&str>) -> Vec<OperatorCall> {
        calls(&id(1), &id(2), entry, models, endpoint).unwrap()
    }

    #[test]
    fn a_hot_key_belongs_to_one_operator() {
        assert_eq!(operator_for(&id(2), None, Some(id(1))).unwrap(), id(1));
        assert_eq!(operator_for(&id(2), Some(id(1)), None).unwrap(), id(1));
        assert_eq!(operator_for(&id(2), Some(id(1)), Some(id(1))).unwrap(), id(1));
        assert!(matches!(
            operator_for(&id(2), Some(id(3)), Some(id(1))),
            Err(RegistrationError::KeyTaken { .. })
        ));
        assert!(matches!(
            operator_for(&id(2), None, None),
            Err(RegistrationError::NotRegistered(_))
        ));
    }

    #[test]
    fn an_endpoint_that_the_chain_would_refuse_is_found_at_once() {
        let longest = "x".repeat(MAX_ENDPOINT_BYTES);
        for endpoint in [
            None,
            Some(""),
            Some("https://worker.example:8080/v1"),
            Some(longest.as_str()),
        ] {
            assert!(check_endpoint(endpoint).is_ok(), "{endpoint:?}");
        }
        let too_long = format!("{longest}x");
        for endpoint in ["http://a b", "http://ä", "http://a\n", &too_long] {
            let error = check_endpoint(Some(endpoint)).unwrap_err();
            assert!(matches!(error, RegistrationError::InvalidEndpoint(text) if text == endpoint));
        }
    }

    #[test]
    fn a_new_operator_registers() {
        let expected = OperatorCall::Register {
            hot: id(2),
            endpoint: vec![],
            models: vec![model(1)],
        };
        assert_eq!(wanted(None, &[model(1)], None), [expected]);
    }

    #[test]
    fn an_entry_that_fits_is_left_alone() {
        assert_eq!(wanted(Some(&entry()), &[model(2), model(1)], None), []);
        assert_eq!(wanted(Some(&entry()), &[model(1), model(2)], Some("http://x")), []);
    }

    #[test]
    fn other_models_another_endpoint_and_another_hot_key_are_brought_in_line() {
        let update = |endpoint: &[u8], models: &[ModelId]| OperatorCall::Update {
            endpoint: endpoint.to_vec(),
            models: models.to_vec(),
        };
        assert_eq!(
            wanted(Some(&entry()), &[model(1)], None),
            [update(b"http://x", &[model(1)])]
        );
        let both = [model(1), model(2)];
        assert_eq!(wanted(Some(&entry()), &both, Some("")), [update(b"", &both)]);
        let other_key = Entry {
            hot_keys: vec![id(9)],
            ..entry()
        };
        assert_eq!(
            wanted(Some(&other_key), &both, None),
            [OperatorCall::AddHotKey { hot: id(2) }]
        );
    }

    #[test]
    fn an_operator_that_its_owner_drained_is_left_alone() {
        let draining = Entry {
            status: Status::Draining,
            ..entry()
        };
        let both = [model(1), model(2)];
        assert_eq!(wanted(Some(&draining), &both, None), []);
        let another_worker = Entry {
            hot_keys: vec![id(9)],
            ..draining
        };
        assert_eq!(
            wanted(Some(&another_worker), &both, None),
            [OperatorCall::AddHotKey { hot: id(2) }]
        );
    }

    #[test]
    fn an_operator_that_drains_for_want_of_a_hot_key_comes_back_with_one() {
        let bare = Entry {
            hot_keys: vec![],
            status: Status::Draining,
            ..entry()
        };
        let expected = [OperatorCall::AddHotKey { hot: id(2) }, OperatorCall::Resume];
        assert_eq!(wanted(Some(&bare), &[model(1), model(2)], None), expected);
    }

    #[test]
    fn a_jailed_operator_is_told_so() {
        let jailed = Entry {
            status: Status::Jailed,
            ..entry()
        };
        let result = calls(&id(1), &id(2), Some(&jailed), &[model(1)], None);
        assert!(matches!(result, Err(RegistrationError::Jailed(operator)) if operator == id(1)));
    }
}

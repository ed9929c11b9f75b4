// SPDX-License-Identifier: Apache-2.0
//! What became of a transaction.
use crate::{BlockNumber, Fate};
use subxt::{
    client::OnlineClientAtBlockImpl,
    error::TransactionEventsError,
    tx::{TransactionInBlock, TransactionProgress},
    SubstrateConfig,
};

/// Errors by which the chain says that an earlier transaction, perhaps before a restart, did the same.
const ALREADY_DONE: [&str; 2] = ["Jobs::AlreadyAnswered", "Audits::AlreadyAttested"];

type AtSubmission = OnlineClientAtBlockImpl<SubstrateConfig>;

/// A transaction on its way.
pub(crate) type Progress = TransactionProgress<SubstrateConfig, AtSubmission>;

/// Waits until a transaction is finalized, or can't be any more.
pub(crate) async fn fate(progress: Progress) -> Fate {
    let found = match progress.wait_for_finalized().await {
        Ok(found) => outcome(&found).await,
        Err(error) => Err(error.into()),
    };
    found.unwrap_or_else(|error| Fate::Lost(error.to_string()))
}

async fn outcome(found: &TransactionInBlock<SubstrateConfig, AtSubmission>) -> Result<Fate, subxt::Error> {
    let number = found.at().await?.block_number() as BlockNumber;
    match found.wait_for_success().await {
        Ok(_) => Ok(Fate::Done(number)),
        Err(TransactionEventsError::ExtrinsicFailed(error)) => Ok(refused(number, error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// What a dispatch error means: that something is on chain already is as good as success.
fn refused(number: BlockNumber, reason: String) -> Fate {
    match ALREADY_DONE.iter().any(|name| reason.ends_with(name)) {
        true => Fate::Done(number),
        false => Fate::Refused(number, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_before_is_no_failure() {
        let refused = |reason: &str| refused(4, format!("Pallet error: {reason}"));
        assert_eq!(refused("Jobs::AlreadyAnswered"), Fate::Done(4));
        assert_eq!(refused("Audits::AlreadyAttested"), Fate::Done(4));
        assert!(
            matches!(refused("Jobs::WrongState"), Fate::Refused(4, reason) if reason.ends_with("Jobs::WrongState"))
        );
    }
}

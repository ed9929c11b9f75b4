// SPDX-License-Identifier: Apache-2.0
//! What became of a transaction.
use crate::{client::AtBlock, BlockNumber, Client, Fate};
use serde::Deserialize;
use subxt::{
    client::OnlineClientAtBlockImpl,
    config::Hasher,
    error::DispatchError,
    events::Phase,
    rpcs::{methods::legacy::Bytes, rpc_params},
    tx::{TransactionInBlock, TransactionProgress},
    utils::H256,
    SubstrateConfig,
};

/// Errors by which the chain says that an earlier transaction, perhaps before a restart, did the same.
const ALREADY_DONE: [&str; 2] = ["Jobs::AlreadyAnswered", "Audits::AlreadyAttested"];

/// A transaction on its way.
pub(crate) type Progress = TransactionProgress<SubstrateConfig, OnlineClientAtBlockImpl<SubstrateConfig>>;

/// The part of `chain_getBlock`'s answer that counts here.
#[derive(Deserialize)]
struct Answer {
    block: Block,
}

#[derive(Deserialize)]
struct Block {
    extrinsics: Vec<Extrinsic>,
}

/// An extrinsic as a node writes it: in hexadecimal if its block type is opaque, in numbers otherwise (which subxt's own type can't read).
#[derive(Deserialize)]
#[serde(untagged)]
enum Extrinsic {
    Hexadecimal(Bytes),
    Numbers(Vec<u8>),
}

impl Extrinsic {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Hexadecimal(bytes) => bytes,
            Self::Numbers(bytes) => bytes,
        }
    }
}

impl Client {
    /// Waits until a transaction is finalized, or can't be any more.
    pub(crate) async fn fate(&self, progress: Progress) -> Fate {
        let block = match progress.wait_for_finalized().await {
            Ok(block) => block,
            Err(error) => return Fate::Lost(error.to_string()),
        };
        match self.outcome(&block).await {
            Ok(fate) => fate,
            Err(error) => Fate::Lost(error.to_string()),
        }
    }

    async fn outcome(
        &self,
        found: &TransactionInBlock<SubstrateConfig, OnlineClientAtBlockImpl<SubstrateConfig>>,
    ) -> Result<Fate, subxt::Error> {
        let at = found.at().await?;
        let number = at.block_number() as u32;
        let Some(index) = self.index(&at, found.extrinsic_hash()).await? else {
            return Ok(Fate::Lost(format!("it is not in block {number}, where it should be")));
        };
        for event in at.events().fetch().await?.iter() {
            let event = event?;
            let failed = (event.pallet_name(), event.event_name()) == ("System", "ExtrinsicFailed");
            if failed && event.phase() == Phase::ApplyExtrinsic(index) {
                let reason = DispatchError::decode_from(event.field_bytes(), at.metadata())?.to_string();
                return Ok(refused(number, reason));
            }
        }
        Ok(Fate::Done(number))
    }

    /// Place of an extrinsic in a block.
    async fn index(&self, at: &AtBlock, extrinsic: H256) -> Result<Option<u32>, subxt::Error> {
        let answer: Answer = self.rpc.request("chain_getBlock", rpc_params![at.block_hash()]).await?;
        let index = answer
            .block
            .extrinsics
            .iter()
            .position(|found| at.hasher().hash(found.bytes()) == extrinsic);
        Ok(index.map(|index| index as u32))
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
    fn extrinsics_are_read_as_hexadecimal_and_as_numbers() {
        let text =
            r#"{"block": {"header": {}, "extrinsics": ["0x280501", [40, 5, 1]]}, "justifications": [[[70], [1]]]}"#;
        let answer: Answer = serde_json::from_str(text).unwrap();
        let bytes: Vec<_> = answer.block.extrinsics.iter().map(Extrinsic::bytes).collect();
        assert_eq!(bytes, [[40, 5, 1]; 2]);
    }

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

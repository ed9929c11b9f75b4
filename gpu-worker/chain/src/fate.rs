// SPDX-License-Identifier: Apache-2.0
//! What became of a transaction.
use crate::{client::AtBlock, Client, Fate};
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

/// A transaction on its way.
pub(crate) type Progress = TransactionProgress<SubstrateConfig, OnlineClientAtBlockImpl<SubstrateConfig>>;

/// The part of `chain_getBlock`'s answer that counts here. subxt's own type also reads the justifications, and fails at those of a node.
#[derive(Deserialize)]
struct Answer {
    block: Block,
}

#[derive(Deserialize)]
struct Block {
    extrinsics: Vec<Bytes>,
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
                return Ok(Fate::Refused(number, reason));
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
            .position(|bytes| at.hasher().hash(bytes) == extrinsic);
        Ok(index.map(|index| index as u32))
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Runs blocks in WebAssembly, as the node does.
use crate::{chain, lives::Lives, report::Block};
use codec::{Decode, Encode};
use ergon_runtime::System;
use sc_executor::WasmExecutor;
use sp_core::traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode};
use sp_io::{SubstrateHostFunctions, TestExternalities};
use sp_runtime::{
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    ApplyExtrinsicResult,
};
use std::time::{Duration, Instant};

/// The runtime that is measured.
pub struct Runtime {
    code: &'static [u8],
    executor: WasmExecutor<SubstrateHostFunctions>,
}

impl Runtime {
    /// The one with this code.
    pub fn new(code: &'static [u8]) -> Self {
        Self {
            code,
            executor: WasmExecutor::builder().build(),
        }
    }

    /// Runs the next block; as many transactions as fit are in it.
    pub fn run_block(&self, chain: &mut TestExternalities, lives: &mut Lives) -> Block {
        let mut block = Block::default();
        let (header, timestamp, _) = chain.execute_with(|| {
            let slot = chain::next_slot();
            chain::begin_block(slot, chain::first_validator(slot))
        });
        self.call(chain, "Core_initialize_block", &header.encode(), &mut block.time);
        block.hooks = chain.execute_with(|| System::block_weight().total());
        let timestamp = self.apply(chain, timestamp.encode(), &mut block);
        assert_eq!(timestamp, Ok(Ok(())), "the inherent");
        let mut steps = lives.next_steps();
        while let Some(step) = steps.pop_front() {
            let transaction = chain.execute_with(|| step.sign());
            match self.apply(chain, transaction.encode(), &mut block) {
                Ok(_) => block.transactions += 1,
                Err(TransactionValidityError::Invalid(InvalidTransaction::ExhaustsResources)) => {
                    block.is_full = true;
                    steps.push_front(step);
                    break;
                }
                Err(error) => panic!("a transaction was refused: {error:?}"),
            }
        }
        lives.put_back(steps);
        self.call(chain, "BlockBuilder_finalize_block", &[], &mut block.time);
        chain.execute_with(|| {
            block.weight = System::block_weight();
            block.counts = lives.follow_events();
        });
        chain.commit_all().expect("a state in memory");
        block
    }

    fn apply(&self, chain: &mut TestExternalities, extrinsic: Vec<u8>, block: &mut Block) -> ApplyExtrinsicResult {
        let applied = self.call(chain, "BlockBuilder_apply_extrinsic", &extrinsic, &mut block.time);
        block.bytes += extrinsic.len();
        ApplyExtrinsicResult::decode(&mut &applied[..]).expect("the result of a transaction")
    }

    fn call(&self, chain: &mut TestExternalities, method: &str, input: &[u8], time: &mut Duration) -> Vec<u8> {
        let fetcher = WrappedRuntimeCode(self.code.into());
        let code = RuntimeCode {
            code_fetcher: &fetcher,
            heap_pages: None,
            hash: b"the only one".to_vec(),
        };
        let begin = Instant::now();
        let context = CallContext::Offchain;
        let (output, _) = self.executor.call(&mut chain.ext(), &code, method, input, context);
        *time += begin.elapsed();
        output.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

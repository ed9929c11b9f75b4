// SPDX-License-Identifier: Apache-2.0
//! What blocks took, beside what they may take.
use crate::{
    lives::{self, Counts},
    network,
};
use ergon_primitives::traits::Parameters;
use ergon_runtime::{parameters::InForce, quota, timing, Runtime};
use ergon_runtime_api::{PromptLength, Subject};
use frame_support::{
    dispatch::DispatchClass,
    traits::Get,
    weights::{constants::WEIGHT_REF_TIME_PER_MILLIS, Weight},
};
use frame_system::ConsumedWeight;
use pallet_quota::QuotaParameters;
use std::time::Duration;

/// What one block took.
#[derive(Default)]
pub struct Block {
    /// Weight of what is done at its start.
    pub hooks: Weight,
    /// Weight of all, by class.
    pub weight: ConsumedWeight,
    /// Time in the runtime, on this machine.
    pub time: Duration,
    /// Length of the extrinsics.
    pub bytes: usize,
    /// Transactions in it.
    pub transactions: u32,
    /// Whether a transaction found no room.
    pub is_full: bool,
    /// What became of jobs.
    pub counts: Counts,
}

/// The blocks that were measured.
#[derive(Default)]
pub struct Report {
    blocks: Vec<Block>,
}

impl Report {
    /// One more.
    pub fn add(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Whole lives in a block: jobs settled, or forgotten if these were fewer, on average.
    pub fn lives(&self) -> u32 {
        self.settled().min(self.forgotten()) as u32
    }

    fn settled(&self) -> f64 {
        self.mean(|block| block.counts.settled.into())
    }

    /// Those submitted after the first block that aren't kept in addition to those of that block.
    fn forgotten(&self) -> f64 {
        let ([first, others @ ..], [.., last]) = (&self.blocks[..], &self.blocks[..]) else {
            return 0.0;
        };
        let submitted: u32 = others.iter().map(|block| block.counts.submitted).sum();
        let left = f64::from(first.counts.kept) + f64::from(submitted) - f64::from(last.counts.kept);
        left / others.len().max(1) as f64
    }

    fn mean(&self, of: impl Fn(&Block) -> f64) -> f64 {
        self.blocks.iter().map(of).sum::<f64>() / self.blocks.len().max(1) as f64
    }

    /// Whether most blocks had no room for what was to go into them.
    fn are_full(&self) -> bool {
        self.mean(|block| block.is_full.into()) > 0.5
    }

    /// Prints the means, and what bounds them.
    pub fn print(&self) {
        let limits = <Runtime as frame_system::Config>::BlockWeights::get();
        let lengths = <Runtime as frame_system::Config>::BlockLength::get();
        let most: u32 = <Runtime as pallet_jobs::Config>::MaxAssignmentsPerBlock::get();
        let block = millis(limits.max_block);
        let normal = limits.get(DispatchClass::Normal).max_total.map_or(block, millis);
        let length = f64::from(*lengths.max.get(DispatchClass::Normal));
        let of_class = |class| self.mean(|block| millis(*block.weight.get(class)));
        let weight = self.mean(|block| millis(block.weight.total()));
        let rows = [
            (
                "assignments",
                self.mean(|block| block.counts.assigned.into()),
                most.into(),
            ),
            ("jobs settled", self.settled(), f64::NAN),
            ("jobs forgotten", self.forgotten(), f64::NAN),
            ("transactions", self.mean(|block| block.transactions.into()), f64::NAN),
            (
                "weight, its start, ms",
                self.mean(|block| millis(block.hooks)),
                block / 2.0,
            ),
            ("weight, normal, ms", of_class(DispatchClass::Normal), normal),
            ("weight, operational, ms", of_class(DispatchClass::Operational), block),
            ("weight, mandatory, ms", of_class(DispatchClass::Mandatory), block),
            ("weight, ms", weight, block),
            (
                "length, KiB",
                self.mean(|block| block.bytes as f64) / 1024.0,
                length / 1024.0,
            ),
            (
                "time here, ms",
                self.mean(|block| block.time.as_secs_f64() * 1e3),
                block,
            ),
            (
                "lives for which weights have room",
                self.settled() * block / weight,
                f64::NAN,
            ),
            ("lives that vote weight pays for", paid_for(), f64::NAN),
        ];
        println!("{:34} {:>10} {:>10}", "a block, on average", "takes", "may take");
        for (name, takes, may_take) in rows {
            let may_take = Some(may_take).filter(|most| !most.is_nan());
            println!(
                "{name:34} {takes:>10.1} {:>10}",
                may_take.map_or(String::new(), |most| format!("{most:.1}"))
            );
        }
        let limit = if self.are_full() { "weight" } else { "assignments" };
        let per_second = f64::from(self.lives()) * 1e3 / timing::SLOT_MILLISECONDS as f64;
        println!(
            "bench-chain: lives/block={} jobs/s={per_second:.1} limit={limit}",
            self.lives()
        );
    }
}

/// Jobs like those sent here that all operators together can send in a block for ever, by nothing but their vote weight.
fn paid_for() -> f64 {
    let QuotaParameters { weight_points, .. } = InForce::get();
    let job = Subject::Job {
        model: network::model(),
        prompt: PromptLength::Bytes(lives::prompt(0).len() as u32),
        max_tokens: lives::MAX_TOKENS,
    };
    let points = quota::estimate(job).expect("such jobs were sent").points;
    weight_points as f64 / f64::from(timing::REFILL_BLOCKS) / points as f64
}

fn millis(weight: Weight) -> f64 {
    weight.ref_time() as f64 / WEIGHT_REF_TIME_PER_MILLIS as f64
}

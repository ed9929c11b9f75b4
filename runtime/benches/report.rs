// SPDX-License-Identifier: Apache-2.0
//! What blocks took, beside what they may take.
use crate::lives::Counts;
use ergon_primitives::traits::Parameters;
use ergon_runtime::{configs::LifeWeight, parameters::InForce, timing, Quota, Runtime};
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

    /// Whole lives in a block: jobs settled, on average.
    pub fn lives(&self) -> u32 {
        self.mean(|block| f64::from(block.counts.settled)) as u32
    }

    fn mean(&self, of: impl Fn(&Block) -> f64) -> f64 {
        self.blocks.iter().map(of).sum::<f64>() / self.blocks.len().max(1) as f64
    }

    /// Prints the means, and what bounds them.
    pub fn print(&self) {
        let limits = <Runtime as frame_system::Config>::BlockWeights::get();
        let length = <Runtime as frame_system::Config>::BlockLength::get();
        let normal = limits.get(DispatchClass::Normal).max_total.unwrap_or(limits.max_block);
        let assigned: u32 = <Runtime as pallet_jobs::Config>::MaxAssignmentsPerBlock::get();
        let QuotaParameters { weight_points, .. } = InForce::get();
        let earned = weight_points as f64 / f64::from(timing::REFILL_BLOCKS);
        let life = Quota::points_in(LifeWeight::get()) as f64;
        let full = self.mean(|block| f64::from(block.is_full));
        println!("{:36} {:>12} {:>12}", "a block, on average", "takes", "may take");
        row(
            "assignments",
            self.mean(|block| f64::from(block.counts.assigned)),
            Some(assigned.into()),
        );
        row("lives", self.mean(|block| f64::from(block.counts.settled)), None);
        row("transactions", self.mean(|block| f64::from(block.transactions)), None);
        row(
            "weight of its start, ms",
            self.mean(|block| millis(block.hooks)),
            Some(millis(limits.max_block) / 2.0),
        );
        for (name, class, limit) in [
            ("weight, normal, ms", DispatchClass::Normal, Some(millis(normal))),
            (
                "weight, operational, ms",
                DispatchClass::Operational,
                Some(millis(limits.max_block)),
            ),
            ("weight, mandatory, ms", DispatchClass::Mandatory, None),
        ] {
            row(name, self.mean(|block| millis(*block.weight.get(class))), limit);
        }
        row(
            "weight, ms",
            self.mean(|block| millis(block.weight.total())),
            Some(millis(limits.max_block)),
        );
        let bytes = f64::from(*length.max.get(DispatchClass::Normal));
        row(
            "length, KiB",
            self.mean(|block| block.bytes as f64) / 1024.0,
            Some(bytes / 1024.0),
        );
        row(
            "time here, ms",
            self.mean(|block| block.time.as_secs_f64() * 1e3),
            Some(millis(limits.max_block)),
        );
        row("a life is charged, ms", life / 1e3, None);
        row("lives that weight alone pays for", earned / life, None);
        row("blocks without room for more, %", full * 100.0, None);
        let limit = if full > 0.5 { "weight" } else { "assignments" };
        let lives = self.lives();
        let per_second = f64::from(lives) * 1e3 / timing::SLOT_MILLISECONDS as f64;
        println!("bench-chain: lives/block={lives} jobs/s={per_second:.1} limit={limit}");
    }
}

fn millis(weight: Weight) -> f64 {
    weight.ref_time() as f64 / WEIGHT_REF_TIME_PER_MILLIS as f64
}

fn row(name: &str, takes: f64, may: Option<f64>) {
    let may = may.map_or(String::new(), |may| format!("{may:.1}"));
    println!("{name:36} {takes:>12.1} {may:>12}");
}

// SPDX-License-Identifier: Apache-2.0
//! Where the time of a pass goes, and how near each operator comes to what its adapter can do: the roofline model (Williams, Waterman and
//! Patterson, 2009, "Roofline: an insightful visual performance model for multicore architectures").
//!
//! An operator has to move bytes and to add up products. [`Bounds`] says how many of both the adapter does in a second, measured there by a
//! kernel that only reads and by the faster of two that only multiply: bytes by dot products, or mantissas of 16 bits by products of 32. What an
//! operator could take at best is the longer of its two times; [`OperatorTime::roofline`] is that time over the one that it took.
//!
//! The bytes are those that can't be saved: every weight, key, value and row once a pass. Time is the least of several runs over all layers
//! one after the other, so that weights come from memory as they do in a pass.
//!
//! What stays under half of its bound does so for one of three reasons. Operators of one row a token (norms, gates, heads, joining, choice)
//! move little and wait for their launch and for the barriers of their reductions; no bound counts those. In software a load or store of a lane is
//! code of its own with a check of its bounds, 20 times what a multiplication takes, and the matrix kernels there spend most of their time in
//! them although they share each load between eight tokens. And attention emulates a 64-bit product for every score.
use super::{
    cache::{encode, WgpuCache, MOST_ROWS},
    device::Device,
    kernels::Probes,
    plan::Launch,
    GpuError, WgpuBackend,
};
use crate::backend::{Cache, Error, Run, PAGE};
use ergon_primitives::manifest::Dimensions;
use std::time::Instant;

/// Bytes that are read to measure the first bound: too many for most caches.
const READ: u64 = 64 << 20;

/// What an adapter can do at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes read in a second.
    pub bytes_a_second: f64,
    /// Products of bytes added up in a second.
    pub products_a_second: f64,
}

impl Bounds {
    /// The same, raised to what `operator` did: a probe can be slower than a kernel, and what was done can be done.
    pub fn raised_by(self, operator: &OperatorTime) -> Self {
        let a_second = |count: u64| count as f64 / operator.seconds;
        Self {
            bytes_a_second: self.bytes_a_second.max(a_second(operator.bytes)),
            products_a_second: self.products_a_second.max(a_second(operator.products)),
        }
    }
}

/// An operator's part of a pass.
#[derive(Clone, Copy, Debug)]
pub struct OperatorTime {
    /// Name of the kernel.
    pub operator: &'static str,
    /// Launches in a pass.
    pub launches: usize,
    /// Tokens that each launch has: only the last one goes on to the logits.
    pub tokens: usize,
    /// Seconds of all of them.
    pub seconds: f64,
    /// Bytes that they have to read or write.
    pub bytes: u64,
    /// Products of bytes that they have to add up; an int16 activation has two bytes.
    pub products: u64,
}

impl OperatorTime {
    /// Seconds that no kernel on this adapter could stay under.
    pub fn bound(&self, bounds: &Bounds) -> f64 {
        let [bytes, products] = [self.bytes, self.products].map(|count| count as f64);
        (bytes / bounds.bytes_a_second).max(products / bounds.products_a_second)
    }

    /// What was achieved of what is possible; 1 is all of it.
    pub fn roofline(&self, bounds: &Bounds) -> f64 {
        self.bound(bounds) / self.seconds
    }
}

/// A pass, operator by operator.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What the adapter can do.
    pub bounds: Bounds,
    /// The operators in the order in which a pass meets them.
    pub operators: Vec<OperatorTime>,
    /// Seconds of a whole pass, its submissions and readback with it.
    pub pass: f64,
}

/// Rows of a pass and their place.
#[derive(Clone, Copy)]
struct Shape<'a> {
    d: &'a Dimensions,
    /// Position of the first row.
    position: u64,
    tokens: u64,
}

impl WgpuBackend {
    /// Measures a pass of `tokens` tokens, as many as one pass has room for at most, after `position` others of one sequence; the last one's output is
    /// wanted. Everything is measured `runs` times, at least once.
    pub fn profile(&self, position: usize, tokens: usize, runs: usize) -> Result<Profile, Error> {
        let device = &self.core.device;
        let tokens = tokens.clamp(1, MOST_ROWS as usize);
        let pages: Vec<u32> = (0..(position + tokens).div_ceil(PAGE) as u32).collect();
        let mut cache = WgpuCache::new(self.core.clone(), pages.len())?;
        let tokens = tokens.min(cache.most_rows);
        let mut forward = |first, tokens: &[u32], wanted| {
            cache.forward(&[Run {
                pages: &pages,
                first,
                tokens,
                wanted,
                logits: false,
            }])
        };
        forward(0, &vec![0; position], 0)?;
        let last = vec![0; tokens];
        let pass = least(runs, || forward(position, &last, 1).map(drop))?;
        let shape = Shape {
            d: self.core.model.dimensions(),
            position: position as u64,
            tokens: tokens as u64,
        };
        Ok(Profile {
            bounds: bounds(device, runs)?,
            operators: operators(device, &cache, shape, runs)?,
            pass,
        })
    }
}

/// Seconds of the fastest of several runs.
fn least<E>(runs: usize, mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut least = f64::INFINITY;
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        run()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}

fn bounds(device: &Device, runs: usize) -> Result<Bounds, GpuError> {
    let probes = Probes::new(device)?;
    let [width, rounds] = [Probes::WIDTH, Probes::ROUNDS].map(u64::from);
    let invocations = READ / 16 / rounds;
    let buffers = [
        &device.storage("probe", READ)?,
        &device.storage("probe", invocations * 16)?,
    ];
    let time = |kernel| {
        let launch = Launch::probe(device, kernel, &buffers);
        let run = || time_launches(device, &[&launch], (invocations / width) as u32);
        // The first time some drivers still compile.
        run()?;
        least(runs, run)
    };
    let dots = time(&probes.dots)?.min(time(&probes.multiplications)?);
    Ok(Bounds {
        bytes_a_second: READ as f64 / time(&probes.reads)?,
        products_a_second: (invocations * rounds * 64) as f64 / dots,
    })
}

fn operators(device: &Device, cache: &WgpuCache, shape: Shape<'_>, runs: usize) -> Result<Vec<OperatorTime>, GpuError> {
    let mut groups: Vec<(&'static str, u64, Vec<&Launch>)> = Vec::new();
    let of_pass = cache.embed.iter().chain(cache.layers.iter().flatten());
    let rows = of_pass.map(|launch| (launch, shape.tokens));
    for (launch, rows) in rows.chain(cache.outputs.launches.iter().map(|launch| (launch, 1))) {
        let name = launch.kernel_for(rows as u32).name;
        match groups
            .iter_mut()
            .find(|(other, count, _)| (*other, *count) == (name, rows))
        {
            Some((_, _, launches)) => launches.push(launch),
            None => groups.push((name, rows, vec![launch])),
        }
    }
    let time = |(operator, rows, launches): (&'static str, u64, Vec<&Launch>)| {
        let shape = Shape { tokens: rows, ..shape };
        let costs = launches.iter().map(|launch| cost(launch, shape));
        let (bytes, products) = costs.fold((0, 0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1));
        Ok(OperatorTime {
            operator,
            launches: launches.len(),
            tokens: rows as usize,
            seconds: least(runs, || time_launches(device, &launches, rows as u32))?,
            bytes,
            products,
        })
    };
    groups.into_iter().map(time).collect()
}

fn time_launches(device: &Device, launches: &[&Launch], rows: u32) -> Result<(), GpuError> {
    device.guard("a profile", || {
        let mut encoder = device.device.create_command_encoder(&Default::default());
        encode(&mut encoder, launches.iter().copied(), rows);
        device.queue.submit([encoder.finish()]);
        device.wait()
    })
}

/// Bytes that a launch has to read or write, and products that it has to add up.
fn cost(launch: &Launch, shape: Shape<'_>) -> (u64, u64) {
    let d = shape.d;
    let [hidden, inner, heads, kv, dim] = [d.hidden, d.feed_forward, d.heads, d.kv_heads, d.head_dim].map(u64::from);
    let tokens = shape.tokens;
    let cached = kv * (2 * dim + 8);
    match launch.kernel.name {
        "embed" => (tokens * hidden * 5, 0),
        "residual_norm" => (hidden * 4 + tokens * hidden * 14, 0),
        "heads" => (
            tokens * ((heads + 2 * kv) * dim * 4 + heads * dim * 2 + cached + dim * 2),
            0,
        ),
        "attention" => {
            let seen: u64 = (1..=tokens).map(|row| shape.position + row).sum();
            let row = heads * dim * 6;
            let bytes = (shape.position + tokens) * cached + tokens * row;
            (bytes, seen * heads * dim * 3)
        }
        "join_heads" => (tokens * heads * dim * 6, 0),
        "gate" => (tokens * inner * 10, 0),
        "likeliest" => (tokens * u64::from(d.vocabulary) * 4, 0),
        // A matrix: weights, scales, rows of x and of y.
        _ => {
            let [weights, scales] = [0, 1].map(|i| launch.buffers[i].size());
            let rows = scales / 8;
            let columns = weights / rows.next_multiple_of(32);
            (
                weights + scales + tokens * (columns * 2 + rows * 4),
                tokens * rows * columns * 2,
            )
        }
    }
}

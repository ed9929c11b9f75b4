// SPDX-License-Identifier: Apache-2.0
//! The report: everything that was measured, as JSON and as a table.
use crate::{compare::Measure, machine::Machine};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// One run of the benchmark.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// The model.
    pub model: Model,
    /// Our sides, as they call themselves.
    pub ours: Vec<String>,
    /// The peer's sides.
    pub peers: Vec<String>,
    /// Rounds of each comparison.
    pub rounds: usize,
    /// `rows`' ratios by key.
    pub ratios: BTreeMap<&'static str, f64>,
    /// Comparisons with the peer.
    pub rows: Vec<Row>,
    /// What is compared with nothing but its bound: the lower the better.
    pub limits: Vec<Limit>,
    /// Memory with models of several sizes.
    pub memory: Vec<Footprint>,
    /// Rates over batch and context.
    pub sweeps: Vec<Sweep>,
    /// What kernels reach of what the device can do.
    pub roofline: Vec<Roof>,
}

/// The model that both sides run.
#[derive(Debug, Serialize)]
pub struct Model {
    /// Its weights root.
    pub weights_root: String,
    /// Size of our artifact.
    pub artifact_bytes: u64,
    /// Size of the peer's file.
    pub peer_bytes: u64,
}

/// A rate of both sides, tokens a second.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Key among the ratios.
    pub key: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Our rate in every round.
    pub ours: Vec<f64>,
    /// The peer's rate in every round.
    pub peer: Vec<f64>,
    /// Median of ours.
    pub ours_median: f64,
    /// Median of the peer's.
    pub peer_median: f64,
    /// Ours over the peer's.
    pub ratio: f64,
    /// Least ratio.
    pub bar: f64,
    /// Wished ratio.
    pub aim: f64,
}

impl Row {
    /// Row of a measure with the rates of every round.
    pub fn new(measure: &Measure, ours: Vec<f64>, peer: Vec<f64>) -> Self {
        let (ours_median, peer_median) = (median(&ours), median(&peer));
        Self {
            key: measure.key,
            title: measure.title,
            ours,
            peer,
            ours_median,
            peer_median,
            ratio: ours_median / peer_median,
            bar: measure.bar,
            aim: measure.aim,
        }
    }
}

/// A quotient that should be small.
#[derive(Debug, Serialize)]
pub struct Limit {
    /// Its key.
    pub key: String,
    /// What it is.
    pub title: String,
    /// The quotient.
    pub value: f64,
    /// Most that it may be.
    pub bar: f64,
    /// What it is wished to be.
    pub aim: f64,
}

/// Most that the peak memory may be over the artifact's size.
pub const MEMORY_BAR: f64 = 1.3;

/// Memory that a process takes to load a model and to answer.
#[derive(Debug, Serialize)]
pub struct Footprint {
    /// The backend.
    pub device: &'static str,
    /// Name of the model, or of the one whose shape it has.
    pub model: &'static str,
    /// Size of the artifact.
    pub artifact_bytes: u64,
    /// Bytes after the same work with a model of a few kilobytes.
    pub before: u64,
    /// Most bytes of all.
    pub most: u64,
    /// Most bytes of the peer with its node, for the same work with the same model; `None` if it wasn't asked.
    pub peer: Option<u64>,
}

impl Footprint {
    /// The peak over the artifact's size.
    pub fn quotient(&self) -> f64 {
        self.most as f64 / self.artifact_bytes as f64
    }

    /// What the quotient is to be compared with, of the model that the peer has too.
    pub fn note(&self) -> Option<String> {
        let (device, model, peer) = (self.device, self.model, self.peer?);
        let [before, most, peer_most] = [self.before, self.most, peer].map(|bytes| bytes >> 20);
        let times = peer as f64 / self.most as f64;
        Some(format!(
            "{device}: of {most} MiB with {model}, {before} MiB are the program, the driver and compiled kernels; llama.cpp takes {peer_most} MiB, {times:.1} \
             times as much"
        ))
    }

    /// The quotient with what it should be.
    pub fn limit(&self) -> Limit {
        let (device, model, size) = (self.device, self.model, self.artifact_bytes >> 20);
        Limit {
            key: format!("memory_{device}_{model}"),
            title: format!("{device}: peak memory over artifact, {model} ({size} MiB)"),
            value: self.quotient(),
            bar: MEMORY_BAR,
            aim: 1.1,
        }
    }
}

/// Tokens a second over something.
#[derive(Debug, Serialize)]
pub struct Sweep {
    /// What it shows.
    pub title: String,
    /// What goes from left to right.
    pub axis: String,
    /// Its points.
    pub points: Vec<Point>,
}

/// Medians of both sides at one place.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// The place.
    pub at: f64,
    /// Our rate.
    pub ours: f64,
    /// The peer's rate.
    pub peer: f64,
}

/// What a kernel reaches in a pass.
#[derive(Debug, Serialize)]
pub struct Roof {
    /// The device, and what kind of pass.
    pub pass: String,
    /// The kernel.
    pub kernel: String,
    /// Milliseconds of all its launches.
    pub milliseconds: f64,
    /// Bytes that it has to move.
    pub bytes: u64,
    /// Products of bytes that it has to add up.
    pub products: u64,
    /// Milliseconds that no kernel could stay under, by what was measured in the same run.
    pub bound: f64,
    /// Why it stays under half of its bound, if it does.
    pub reason: Option<&'static str>,
}

impl Roof {
    /// What it reaches of what is possible.
    pub fn part(&self) -> f64 {
        self.bound / self.milliseconds
    }
}

/// The reasons of kernels that stay under half of their bounds, each with those that it holds for.
pub fn reasons(roofline: &[Roof]) -> Vec<(&'static str, Vec<String>)> {
    let mut reasons: Vec<(&str, Vec<String>)> = vec![];
    for roof in roofline {
        let Some(reason) = roof.reason else { continue };
        let name = format!("{}: {}", roof.pass, roof.kernel);
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    reasons
}

/// The middle of some numbers, the mean of both middle ones if their count is even.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    (below + above) / 2.0
}

fn verdict(reached: impl Fn(f64) -> bool, bar: f64, aim: f64) -> &'static str {
    match () {
        () if reached(aim) => "aim reached",
        () if reached(bar) => "bar reached",
        () => "below the bar",
    }
}

impl Row {
    /// What the ratio amounts to.
    pub fn verdict(&self) -> &'static str {
        verdict(|least| self.ratio >= least, self.bar, self.aim)
    }
}

impl Limit {
    /// What the quotient amounts to.
    pub fn verdict(&self) -> &'static str {
        verdict(|most| self.value <= most, self.bar, self.aim)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "machine  {}", self.machine)?;
        writeln!(f, "ours     {}", self.ours.join("; "))?;
        writeln!(f, "peer     {}", self.peers.join("; "))?;
        let head = ["tokens/s, medians", "ours", "peer", "ratio", "bar", "aim"];
        writeln!(
            f,
            "\n{:<44} {:>9} {:>9} {:>7} {:>7} {:>7}",
            head[0], head[1], head[2], head[3], head[4], head[5]
        )?;
        for row in &self.rows {
            let (ours, peer, ratio) = (row.ours_median, row.peer_median, row.ratio);
            write!(f, "{:<44} {ours:>9.1} {peer:>9.1} {ratio:>6.2}x", row.title)?;
            writeln!(f, " {:>6.1}x {:>6.1}x  {}", row.bar, row.aim, row.verdict())?;
        }
        for limit in &self.limits {
            write!(f, "{:<67} {:>7.4}", limit.title, limit.value)?;
            writeln!(f, " {:>7.3} {:>7.3}  {}", limit.bar, limit.aim, limit.verdict())?;
        }
        for note in self.memory.iter().filter_map(Footprint::note) {
            writeln!(f, "{note}")?;
        }
        if !self.roofline.is_empty() {
            writeln!(
                f,
                "\n{:<64} {:>9} {:>9} {:>7}",
                "roofline, milliseconds a pass", "bound", "taken", "part"
            )?;
        }
        for roof in &self.roofline {
            let (name, taken) = (format!("{}: {}", roof.pass, roof.kernel), roof.milliseconds);
            writeln!(f, "{name:<64} {:>9.3} {taken:>9.3} {:>7.2}", roof.bound, roof.part())?;
        }
        for (reason, kernels) in reasons(&self.roofline) {
            writeln!(f, "\nunder half of the bound: {}\n  {reason}", kernels.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_both_middle_ones() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn a_ratio_is_of_medians_and_is_judged_by_bar_and_aim() {
        let measure = Measure {
            key: "k",
            title: "t",
            rate: |rates| rates.decode,
            bar: 1.0,
            aim: 1.5,
        };
        let row = |ours| Row::new(&measure, ours, vec![10.0, 1.0, 20.0]);
        assert_eq!(row(vec![15.0, 99.0, 0.0]).ratio, 1.5);
        assert_eq!(row(vec![15.0, 99.0, 0.0]).verdict(), "aim reached");
        assert_eq!(row(vec![10.0]).verdict(), "bar reached");
        assert_eq!(row(vec![9.9]).verdict(), "below the bar");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Both sides in turns, so that what else the machine does meets both.
use crate::{
    report::{Point, Row, Sweep},
    work::{Rates, Side, Work},
};

/// What a measure is called in the report and what it has to reach, as a ratio to the peer's.
pub struct Measure {
    /// Key among the report's ratios.
    pub key: &'static str,
    /// What it is, to show.
    pub title: &'static str,
    /// Which of the rates it is.
    pub rate: fn(Rates) -> f64,
    /// Least ratio.
    pub bar: f64,
    /// Wished ratio.
    pub aim: f64,
}

/// Does the work `rounds` times on both sides in turns, each beginning every other round, after one round that only warms up.
pub fn compare(
    measures: &[Measure],
    work: &Work,
    rounds: usize,
    ours: &mut dyn Side,
    peer: &mut dyn Side,
) -> anyhow::Result<Vec<Row>> {
    let warm = Work {
        decode: work.decode[..1].to_vec(),
        prompt: work.prompt[..work.prompt.len().min(32)].to_vec(),
        sequences: work.sequences,
    };
    turn(&warm, 0, ours, peer)?;
    let mut rates = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let (our, their) = turn(work, round, ours, peer)?;
        eprintln!(
            "bench: {} x {} after {}, round {}/{rounds}: decode {:.1} against {:.1}, prefill {:.1} against {:.1} tokens/s",
            work.sequences,
            work.decode.len(),
            work.prompt.len(),
            round + 1,
            our.decode,
            their.decode,
            our.prefill,
            their.prefill,
        );
        rates.push((our, their));
    }
    let row = |measure: &Measure| {
        let (ours, peer) = rates
            .iter()
            .map(|(our, their)| ((measure.rate)(*our), (measure.rate)(*their)))
            .unzip();
        Row::new(measure, ours, peer)
    };
    Ok(measures.iter().map(row).collect())
}

/// One turn of each side, ours first in even rounds.
fn turn(work: &Work, round: usize, ours: &mut dyn Side, peer: &mut dyn Side) -> anyhow::Result<(Rates, Rates)> {
    if round.is_multiple_of(2) {
        let our = work.rates(ours.measure(work)?);
        Ok((our, work.rates(peer.measure(work)?)))
    } else {
        let their = work.rates(peer.measure(work)?);
        Ok((work.rates(ours.measure(work)?), their))
    }
}

/// Rates over pieces of work, each done `rounds` times on both sides in turns; medians.
pub fn sweep(
    title: &str,
    axis: &str,
    works: &[(f64, Work)],
    rounds: usize,
    ours: &mut dyn Side,
    peer: &mut dyn Side,
) -> anyhow::Result<Sweep> {
    let rate = Measure {
        key: "",
        title: "",
        rate: |rates| rates.decode,
        bar: 0.0,
        aim: 0.0,
    };
    let mut points = Vec::with_capacity(works.len());
    for (at, work) in works {
        let row = &compare(std::slice::from_ref(&rate), work, rounds, ours, peer)?[0];
        points.push(Point {
            at: *at,
            ours: row.ours_median,
            peer: row.peer_median,
        });
    }
    Ok(Sweep {
        title: title.into(),
        axis: axis.into(),
        points,
    })
}

// SPDX-License-Identifier: Apache-2.0
//! The report as a page: one HTML file that needs nothing else.
use crate::{
    plot::{bars, escaped, lines, Line},
    report::{reasons, Footprint, Limit, Report, Roof, Row, Sweep, MEMORY_BAR},
};

const STYLE: &str = "
:root { color-scheme: light dark; --ours: #2a7de1; --peer: #d9822b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #8884; }
td:first-child, th:first-child { text-align: left; }
svg { max-width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
.grid { stroke: #8884; } .line { fill: none; stroke-width: 2; } .mark { stroke: currentColor; stroke-width: 2; }
.ours { stroke: var(--ours); fill: var(--ours); } .peer { stroke: var(--peer); fill: var(--peer); }
.bar { stroke: currentColor; fill: currentColor; } .line.ours, .line.peer, .line.bar { fill: none; }";

/// The page of a report.
pub fn page(report: &Report) -> String {
    let rows: String = report.rows.iter().map(row).collect();
    let limits: String = report.limits.iter().map(limit).collect();
    let sweeps: String = report.sweeps.iter().map(sweep).collect();
    let notes = report.memory.iter().filter_map(Footprint::note);
    let notes: String = notes.map(|note| format!("<li>{}.", escaped(&note))).collect();
    let reasons: String = reasons(&report.roofline).iter().map(reason).collect();
    format!(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Ergon: benchmark</title><style>{STYLE}</style>\
         <h1>Benchmark</h1><p>{}<br>ours: {}<br>peer: {}<br>weights root {}, medians of {} rounds in turns</p>\
         <h2>Tokens a second</h2><table><tr><th>measure<th>ours<th>peer<th>ratio<th>bar<th>aim<th></tr>{rows}</table>\
         <h2>Limits</h2><table><tr><th>quotient<th>value<th>bar<th>aim<th></tr>{limits}</table>\
         <h2>Over batch and context</h2>{sweeps}\
         <h2>Roofline</h2><p>Part of what the device can do, measured in the same run, that a kernel reaches; the mark is all of it.</p>{}<ul>{reasons}</ul>\
         <h2>Memory</h2><p>Peak memory over the artifact's size.</p>{}<ul>{notes}</ul></html>\n",
        escaped(&report.machine.to_string()),
        escaped(&report.ours.join("; ")),
        escaped(&report.peers.join("; ")),
        escaped(&report.model.weights_root),
        report.rounds,
        bars(&report.roofline.iter().map(roof).collect::<Vec<_>>(), ""),
        memory(&report.memory),
    )
}

fn row(row: &Row) -> String {
    format!(
        "<tr><td>{}<td>{:.1}<td>{:.1}<td>{:.2}x<td>{}x<td>{}x<td>{}</tr>",
        escaped(row.title),
        row.ours_median,
        row.peer_median,
        row.ratio,
        row.bar,
        row.aim,
        row.verdict(),
    )
}

fn limit(limit: &Limit) -> String {
    format!(
        "<tr><td>{}<td>{:.4}<td>{}<td>{}<td>{}</tr>",
        escaped(&limit.title),
        limit.value,
        limit.bar,
        limit.aim,
        limit.verdict(),
    )
}

fn sweep(sweep: &Sweep) -> String {
    let line = |name, class, rate: fn(&crate::report::Point) -> f64| Line {
        name,
        class,
        points: sweep.points.iter().map(|point| (point.at, rate(point))).collect(),
    };
    let both = [
        line("ours", "ours", |point| point.ours),
        line("llama.cpp", "peer", |point| point.peer),
    ];
    format!("<h3>{}</h3>{}", escaped(&sweep.title), lines(&sweep.axis, &both))
}

fn memory(footprints: &[Footprint]) -> String {
    let size = |footprint: &Footprint| (footprint.artifact_bytes >> 20) as f64;
    let line = |device, class| Line {
        name: device,
        class,
        points: footprints
            .iter()
            .filter(|footprint| footprint.device == device)
            .map(|footprint| (size(footprint), footprint.quotient()))
            .collect(),
    };
    let (cpu, wgpu) = (line("cpu", "peer"), line("wgpu", "ours"));
    let bar = Line {
        name: "bar",
        class: "bar",
        points: wgpu.points.iter().map(|(size, _)| (*size, MEMORY_BAR)).collect(),
    };
    lines("size of the artifact, MiB", &[wgpu, cpu, bar])
}

fn roof(roof: &Roof) -> (String, f64, f64) {
    (format!("{}: {}", roof.pass, roof.kernel), roof.part(), 1.0)
}

fn reason((reason, kernels): &(&str, Vec<String>)) -> String {
    let kernels = escaped(&kernels.join("; "));
    format!(
        "<li>Under half of the bound: {kernels}. The reason: {}.",
        escaped(reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine::Machine, report};

    #[test]
    fn a_page_shows_every_row_limit_sweep_and_roof() {
        let report = Report {
            machine: Machine::this(),
            model: report::Model {
                weights_root: "0x12".into(),
                artifact_bytes: 1,
                peer_bytes: 1,
            },
            ours: vec!["us".into()],
            peers: vec!["them".into()],
            rounds: 3,
            ratios: Default::default(),
            rows: vec![],
            limits: vec![Limit {
                key: "bookkeeping".into(),
                title: "cpu: <bookkeeping>".into(),
                value: 0.001,
                bar: 0.01,
                aim: 0.002,
            }],
            memory: vec![Footprint {
                device: "wgpu",
                model: "small",
                artifact_bytes: 777 << 20,
                before: 1,
                most: 800 << 20,
                peer: Some(1600 << 20),
            }],
            sweeps: vec![Sweep {
                title: "a sweep".into(),
                axis: "sequences".into(),
                points: [1.0, 2.0].map(|at| report::Point { at, ours: at, peer: at }).into(),
            }],
            roofline: vec![Roof {
                pass: "cpu, decode".into(),
                kernel: "matrices".into(),
                milliseconds: 20.0,
                bytes: 5,
                products: 5,
                bound: 10.0,
                reason: Some("it & that"),
            }],
        };
        let page = page(&report);
        for part in [
            "0x12",
            "us",
            "them",
            "aim reached",
            "cpu: &lt;bookkeeping&gt;",
            ">777<",
            "llama.cpp takes 1600 MiB, 2.0 times as much",
            "a sweep",
            "cpu, decode: matrices",
            "0.5 of 1",
            "cpu, decode: matrices. The reason: it &amp; that",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(!page.contains("http"), "the page loads nothing");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! All that is measured, in order.
use crate::{
    bookkeeping,
    compare::{compare, sweep, Measure},
    machine::Machine,
    memory::{self, Memory},
    ours::Ours,
    peer::{Device, Peer},
    report::{self, Limit, Report, Roof, Row, Sweep},
    roofline,
    work::{Side, Work},
    Arguments,
};
use ergon_engine::{
    cpu::CpuBackend,
    gpu::{self, Kind, WgpuBackend},
    Backend, Model,
};
use std::{fs, sync::Arc};

/// Prompt of the comparisons.
const PROMPT: usize = 256;
/// Sequences that decode together.
const BATCH: usize = 8;
/// Prompt of what measures memory: short, since it only has to touch every weight.
pub const MEMORY_PROMPT: usize = 32;

const CPU: [Measure; 2] = [
    Measure {
        key: "cpu_decode",
        title: "cpu, decode after 256",
        rate: |rates| rates.decode,
        bar: 1.0,
        aim: 1.3,
    },
    Measure {
        key: "cpu_prefill",
        title: "cpu, prefill of 256",
        rate: |rates| rates.prefill,
        bar: 0.5,
        aim: 1.0,
    },
];
const CPU_BATCH: [Measure; 1] = [Measure {
    key: "cpu_batch8",
    title: "cpu, 8 concurrent decodes after 256, total",
    rate: |rates| rates.decode,
    bar: 1.0,
    aim: 1.5,
}];
const WGPU: [Measure; 2] = [
    Measure {
        key: "wgpu_decode",
        title: "wgpu, decode after 256",
        rate: |rates| rates.decode,
        bar: 3.0,
        aim: 6.0,
    },
    Measure {
        key: "wgpu_prefill",
        title: "wgpu, prefill of 256",
        rate: |rates| rates.prefill,
        bar: 2.0,
        aim: 5.0,
    },
];

/// What grows as the suite goes on.
struct Suite<'a> {
    arguments: &'a Arguments,
    model: Arc<Model>,
    ours: Vec<String>,
    peers: Vec<String>,
    rows: Vec<Row>,
    limits: Vec<Limit>,
    sweeps: Vec<Sweep>,
    roofline: Vec<Roof>,
}

/// Measures everything.
pub fn run(arguments: &Arguments, model: Arc<Model>) -> anyhow::Result<Report> {
    let machine = Machine::this();
    eprintln!("bench: {machine}");
    let mut suite = Suite {
        arguments,
        model: model.clone(),
        ours: vec![],
        peers: vec![],
        rows: vec![],
        limits: vec![],
        sweeps: vec![],
        roofline: vec![],
    };
    suite.cpu()?;
    suite.wgpu()?;
    Ok(Report {
        machine,
        model: report::Model {
            weights_root: format!("{:?}", model.manifest.weights_root),
            artifact_bytes: fs::metadata(&arguments.model)?.len(),
            peer_bytes: fs::metadata(&arguments.gguf)?.len(),
        },
        ours: suite.ours,
        peers: suite.peers,
        rounds: arguments.rounds,
        ratios: suite.rows.iter().map(|row| (row.key, row.ratio)).collect(),
        rows: suite.rows,
        limits: suite.limits,
        sweeps: suite.sweeps,
        roofline: suite.roofline,
    })
}

impl Suite<'_> {
    fn cpu(&mut self) -> anyhow::Result<()> {
        let backend = CpuBackend::new(self.model.clone());
        let mut ours = Ours(&backend);
        let mut peer = self.peer(Device::Cpu, BATCH, 1024 + 64)?;
        self.introduce(&ours, &peer);
        let rounds = self.arguments.rounds;
        let (one, eight) = (self.work(PROMPT, 32, 1), self.work(PROMPT, 16, BATCH));
        self.rows.extend(compare(&CPU, &one, rounds, &mut ours, &mut peer)?);
        self.rows
            .extend(compare(&CPU_BATCH, &eight, rounds, &mut ours, &mut peer)?);
        let batches = [1, 2, 4, BATCH].map(|batch| (batch as f64, self.work(64, 16, batch)));
        let contexts = [64, 256, 512, 1024].map(|context| (context as f64, self.work(context, 16, 1)));
        for (title, axis, works) in [
            ("cpu: decode, tokens/s in total", "sequences at once", &batches),
            ("cpu: decode, tokens/s", "tokens before", &contexts),
        ] {
            self.sweeps
                .push(sweep(title, axis, works, rounds, &mut ours, &mut peer)?);
        }
        eprintln!("bench: roofline of the cpu backend");
        self.roofline.extend(roofline::cpu(&backend, 5));
        self.limit_bookkeeping(&backend, 64)?;
        self.limit_memory("cpu", ["memory_cpu", "memory_cpu_beyond"])
    }

    fn wgpu(&mut self) -> anyhow::Result<()> {
        let adapter = gpu::select(&self.arguments.adapter)?;
        let software = adapter.kind == Kind::Software;
        let backend = WgpuBackend::new(self.model.clone(), &adapter)?;
        let mut ours = Ours(&backend);
        let mut peer = self.peer(Device::Vulkan { software }, 1, 512)?;
        self.introduce(&ours, &peer);
        let work = self.work(PROMPT, if software { 8 } else { 64 }, 1);
        let rows = compare(&WGPU, &work, self.arguments.rounds, &mut ours, &mut peer)?;
        self.rows.extend(rows);
        eprintln!("bench: roofline of the wgpu backend");
        self.roofline.extend(roofline::wgpu(&backend, 3)?);
        self.limit_memory("wgpu", ["memory_wgpu", "memory_wgpu_beyond"])
    }

    fn work(&self, prompt: usize, decode: usize, sequences: usize) -> Work {
        Work::new(prompt, decode, sequences, self.model.dimensions().vocabulary)
    }

    fn peer(&self, device: Device, sequences: usize, context: usize) -> anyhow::Result<Peer> {
        let Arguments { peer, gguf, .. } = self.arguments;
        Peer::start(peer, gguf, device, sequences, context)
    }

    fn introduce(&mut self, ours: &Ours<'_>, peer: &Peer) {
        eprintln!("bench: {} against {}", ours.name(), peer.name());
        self.ours.push(ours.name());
        self.peers.push(peer.name());
    }

    fn limit_bookkeeping(&mut self, backend: &dyn Backend, tokens: u32) -> anyhow::Result<()> {
        let shares = (0..self.arguments.rounds).map(|_| bookkeeping::share(backend, PROMPT, tokens));
        let shares = shares.collect::<Result<Vec<_>, _>>()?;
        self.limits.push(Limit {
            key: "bookkeeping",
            title: format!(
                "{}: choice, commitment and bookkeeping, part of decoding",
                backend.name()
            ),
            value: report::median(&shares),
            bar: 0.01,
            aim: 0.002,
        });
        Ok(())
    }

    fn limit_memory(&mut self, device: &str, keys: [&'static str; 2]) -> anyhow::Result<()> {
        eprintln!("bench: peak memory on {device}");
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--memory-of", device]);
        let Some(Memory { before, most }) = memory::of_child(&arguments)? else {
            return Ok(());
        };
        let size = fs::metadata(&self.arguments.model)?.len();
        let title = format!("{device}: peak memory over the artifact's size");
        let beyond = format!("{title}, beyond {} MiB without it", before >> 20);
        for (key, title, bytes) in [(keys[0], title, most), (keys[1], beyond, most.saturating_sub(before))] {
            self.limits.push(Limit {
                key,
                title,
                value: bytes as f64 / size as f64,
                bar: 1.3,
                aim: 1.1,
            });
        }
        Ok(())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! All that is measured, in order.
use crate::{
    bookkeeping,
    compare::{compare, sweep, Measure},
    machine::Machine,
    memory::{self, Memory},
    ours::Ours,
    peer::{Device, Peer},
    report::{self, Footprint, Limit, Report, Roof, Row, Sweep},
    roofline,
    work::{Side, Work},
    Arguments,
};
use ergon_engine::{
    cpu::CpuBackend,
    gpu::{self, Kind, WgpuBackend},
    Backend, Model,
};
use std::{fs, path::Path, sync::Arc};

/// Prompt of the comparisons.
const PROMPT: usize = 256;
/// Sequences that decode together.
const BATCH: usize = 8;

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
    memory: Vec<Footprint>,
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
        memory: vec![],
        sweeps: vec![],
        roofline: vec![],
    };
    suite.cpu()?;
    suite.wgpu()?;
    suite.memory()?;
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
        limits: suite
            .limits
            .into_iter()
            .chain(suite.memory.iter().map(Footprint::limit))
            .collect(),
        memory: suite.memory,
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
        self.limit_bookkeeping(&backend, 64)
    }

    fn wgpu(&mut self) -> anyhow::Result<()> {
        let adapter = gpu::select(&self.arguments.adapter)?;
        let software = adapter.kind == Kind::Software;
        let backend = WgpuBackend::new(self.model.clone(), &adapter)?;
        let mut ours = Ours(&backend);
        let mut peer = self.peer(Device::Vulkan(&adapter.name), 1, if software { 512 } else { 1024 + 64 })?;
        self.introduce(&ours, &peer);
        let work = self.work(PROMPT, if software { 8 } else { 64 }, 1);
        let rows = compare(&WGPU, &work, self.arguments.rounds, &mut ours, &mut peer)?;
        self.rows.extend(rows);
        // In software llama.cpp takes seconds for a few tokens.
        let (contexts, tokens, rounds) = match software {
            true => (&[32, 64, 128][..], 8, 1),
            false => (&[64, 256, 512, 1024][..], 16, self.arguments.rounds),
        };
        let works: Vec<_> = contexts
            .iter()
            .map(|context| (*context as f64, self.work(*context, tokens, 1)))
            .collect();
        let title = "wgpu: decode, tokens/s";
        self.sweeps
            .push(sweep(title, "tokens before", &works, rounds, &mut ours, &mut peer)?);
        eprintln!("bench: roofline of the wgpu backend");
        self.roofline.extend(roofline::wgpu(&backend, &adapter, 3)?);
        Ok(())
    }

    fn work(&self, prompt: usize, decode: usize, sequences: usize) -> Work {
        Work::new(prompt, decode, sequences, self.model.dimensions().vocabulary)
    }

    fn peer(&self, device: Device<'_>, sequences: usize, context: usize) -> anyhow::Result<Peer> {
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
            key: "bookkeeping".into(),
            title: format!(
                "{}: commitment, stop strings and bookkeeping, part of decoding",
                backend.name()
            ),
            value: report::median(&shares),
            bar: 0.01,
            aim: 0.002,
        });
        Ok(())
    }

    /// Memory of both backends and the peer with the model of the other measures, then of both backends with larger ones.
    fn memory(&mut self) -> anyhow::Result<()> {
        let arguments = self.arguments;
        for mut footprint in footprints("SmolLM2-135M", &arguments.model)? {
            footprint.peer = self.memory_of_peer(footprint.device)?;
            self.memory.push(footprint);
        }
        fs::create_dir_all(&arguments.out)?;
        let folder = tempfile::tempdir_in(&arguments.out)?;
        for (name, dimensions) in &memory::SHAPES {
            let artifact = folder.path().join("model.ergon");
            memory::write_artifact(&artifact, dimensions)?;
            self.memory.extend(footprints(name, &artifact)?);
        }
        Ok(())
    }

    fn memory_of_peer(&self, device: &str) -> anyhow::Result<Option<u64>> {
        let adapter = gpu::select(&self.arguments.adapter)?;
        let device = match device {
            "cpu" => Device::Cpu,
            _ => Device::Vulkan(&adapter.name),
        };
        let peer = self.peer(device, 1, memory::CONTEXT)?;
        eprintln!("bench: peak memory of {}", peer.name());
        memory::of_peer(peer, self.model.dimensions().vocabulary)
    }
}

/// Memory of both backends with a model; none where the system doesn't tell.
fn footprints(model: &'static str, artifact: &Path) -> anyhow::Result<Vec<Footprint>> {
    let artifact_bytes = fs::metadata(artifact)?.len();
    let mut footprints = vec![];
    for device in ["cpu", "wgpu"] {
        eprintln!("bench: peak memory on {device}, {model}");
        if let Some(Memory { before, most }) = memory::of_child(artifact, device)? {
            footprints.push(Footprint {
                device,
                model,
                artifact_bytes,
                before,
                most,
                peer: None,
            });
        }
    }
    Ok(footprints)
}

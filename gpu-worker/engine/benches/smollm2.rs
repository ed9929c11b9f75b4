// SPDX-License-Identifier: Apache-2.0
//! Time of the real model on the CPU: prefill of 256 tokens, and decoding after them. `ERGON_MODEL` names the artifact.
use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};
use ergon_engine::{
    artifact::{Artifact, Verify},
    cpu::CpuBackend,
    testing::Random,
    Backend,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

const PROMPT: usize = 256;

fn smollm2(criterion: &mut Criterion) {
    let path = std::env::var_os("ERGON_MODEL").map(PathBuf::from);
    let path = path.expect("ERGON_MODEL names the artifact; `make bench` sets it");
    let model = Artifact::load(&path, Verify::Skip).expect("the artifact can be loaded");
    let prompt = Random::new(1).tokens(PROMPT, model.dimensions().vocabulary);
    let backend = CpuBackend::new(Arc::new(model));
    let mut group = criterion.benchmark_group(format!("smollm2 on {}", backend.name()));
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(PROMPT as u64));
    group.bench_function("prefill 256", |bencher| {
        let sequence = || backend.sequence(PROMPT).expect("within the context");
        bencher.iter_batched(
            sequence,
            |mut sequence| sequence.forward(&prompt, 1),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    let mut sequence = backend.sequence(PROMPT + 1).expect("within the context");
    sequence.forward(&prompt, 0).expect("room for the prompt");
    group.bench_function("decode after 256", |bencher| {
        bencher.iter(|| {
            sequence.truncate(PROMPT);
            sequence.forward(&prompt[..1], 1)
        });
    });
    group.finish();
}

criterion_group!(benches, smollm2);
criterion_main!(benches);

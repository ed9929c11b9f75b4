// SPDX-License-Identifier: Apache-2.0
//! Time of the real model on the CPU and on every adapter that the system lists: prefill, and decoding after it. `ERGON_MODEL` names the
//! artifact.
use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};
use ergon_engine::{
    artifact::{Artifact, Verify},
    cpu::CpuBackend,
    gpu::{adapters, Kind, WgpuBackend},
    testing::Random,
    Backend,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

fn smollm2(criterion: &mut Criterion) {
    let path = std::env::var_os("ERGON_MODEL").map(PathBuf::from);
    let path = path.expect("ERGON_MODEL names the artifact; `make bench` sets it");
    let model = Arc::new(Artifact::load(&path, Verify::Skip).expect("the artifact can be loaded"));
    measure(criterion, &CpuBackend::new(model.clone()), 256);
    for adapter in adapters() {
        let backend = WgpuBackend::new(model.clone(), &adapter).expect("the adapter has room for the model");
        measure(
            criterion,
            &backend,
            if adapter.kind == Kind::Software { 64 } else { 256 },
        );
    }
}

fn measure(criterion: &mut Criterion, backend: &dyn Backend, prompt: usize) {
    let tokens = Random::new(1).tokens(prompt, backend.model().dimensions().vocabulary);
    let mut group = criterion.benchmark_group(format!("smollm2 on {}", backend.name()));
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(prompt as u64));
    group.bench_function(format!("prefill {prompt}"), |bencher| {
        let sequence = || backend.sequence(prompt).expect("within the context");
        bencher.iter_batched(
            sequence,
            |mut sequence| sequence.forward(&tokens, 1),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("decode after {prompt}"), |bencher| {
        let mut sequence = backend.sequence(prompt + 1).expect("within the context");
        sequence.forward(&tokens, 0).expect("room for the prompt");
        bencher.iter(|| {
            sequence.truncate(prompt);
            sequence.forward(&tokens[..1], 1)
        });
    });
    group.finish();
}

criterion_group!(benches, smollm2);
criterion_main!(benches);

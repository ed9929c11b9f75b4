// SPDX-License-Identifier: Apache-2.0
//! A server on every backend and adapter gives the answers that the CPU gives to each request alone.
use ergon_engine::{
    cpu::CpuBackend,
    generate::{execute, Request},
    gpu::{testing::vulkan_adapters, WgpuBackend},
    serving::{Config, Server, Submission},
    testing::{model, Random, DIMENSIONS},
    Backend,
};
use ergon_primitives::{request::DecodeSettings, H256};
use std::{ops::ControlFlow, sync::Arc};

#[test]
fn every_backend_serves_the_answers_of_each_request_alone() {
    let model = Arc::new(model(DIMENSIONS, true, 7));
    let cpu = Arc::new(CpuBackend::new(model.clone()));
    let beginning = Random::new(1).tokens(70, DIMENSIONS.vocabulary);
    let requests: Vec<Request> = [
        (70, 3, 20),
        (0, 1, 30),
        (64, 1, 12),
        (70, 90, 5),
        (33, 40, 9),
        (0, 64, 1),
    ]
    .into_iter()
    .zip(2..)
    .map(|((shared, own, max_tokens), seed)| Request {
        prompt: [
            &beginning[..shared],
            &Random::new(seed).tokens(own, DIMENSIONS.vocabulary),
        ]
        .concat(),
        settings: DecodeSettings {
            temperature_milli: 1000,
            top_k: 20,
            ..DecodeSettings::greedy(max_tokens)
        },
        sampling_key: H256::repeat_byte(seed as u8),
    })
    .collect();
    let answers: Vec<_> = requests
        .iter()
        .map(|request| execute(&*cpu, request, &[], &mut |_| ControlFlow::Continue(())).unwrap())
        .collect();
    let mut backends: Vec<Arc<dyn Backend>> = vec![cpu];
    for adapter in vulkan_adapters() {
        backends.push(Arc::new(WgpuBackend::new(model.clone(), &adapter).unwrap()));
    }
    for backend in backends {
        let config = Config {
            kv_bytes: 1 << 18,
            most_running: 3,
            step_tokens: 50,
            ..Config::default()
        };
        let name = backend.name();
        let server = Server::start(backend, config).unwrap();
        // Twice, so that the second time pages are taken over; with hints, right and wrong ones.
        for hinted in [false, true] {
            let submit = |(request, i): (&Request, usize)| {
                let hint = if hinted { answers[i / 2].tokens.clone() } else { vec![] };
                let submission = Submission {
                    hint,
                    ..request.clone().into()
                };
                server.submit(submission).unwrap()
            };
            let handles: Vec<_> = requests.iter().zip(0..).map(submit).collect();
            for (handle, answer) in handles.into_iter().zip(&answers) {
                assert!(handle.wait().unwrap() == *answer, "{name}");
            }
        }
        assert!(server.stats().shared_tokens > 0, "{name}");
    }
}

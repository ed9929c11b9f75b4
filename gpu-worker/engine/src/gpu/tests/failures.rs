// SPDX-License-Identifier: Apache-2.0
//! Small bindings, and devices that fail.
use super::devices;
use crate::{
    backend::Error,
    gpu::WgpuBackend,
    testing::{model, reference, Random},
    Backend,
};
use ergon_primitives::manifest::Dimensions;
use std::sync::Arc;

/// Its embedding takes 64 KiB, its rows at most 1.5 KiB.
const SHAPE: Dimensions = Dimensions {
    layers: 2,
    hidden: 256,
    feed_forward: 128,
    heads: 4,
    kv_heads: 4,
    head_dim: 32,
    vocabulary: 256,
    context: 128,
};

#[test]
fn a_model_cut_over_many_bindings_gives_the_same_bits() {
    let model = Arc::new(model(SHAPE, true, 3));
    let tokens = Random::new(3).tokens(40, SHAPE.vocabulary);
    let expected = reference(&model, &tokens);
    for mut device in devices() {
        device.max_binding = 32 << 10;
        let backend = WgpuBackend::on(device, model.clone()).unwrap();
        let mut sequence = backend.sequence(64).unwrap();
        let found = sequence.forward(&tokens, tokens.len()).unwrap();
        assert!(found == expected, "{}", backend.name());
    }
}

#[test]
fn what_can_not_be_cut_is_refused_with_numbers() {
    let model = Arc::new(model(SHAPE, true, 3));
    for mut device in devices() {
        device.max_binding = 12 << 10;
        let backend = WgpuBackend::on(device, model.clone()).unwrap();
        assert!(backend.sequence(32).is_ok());
        // Keys and values of four heads, 32 bytes and an exponent each, at 128 positions.
        let Err(Error::Device(message)) = backend.sequence(128).map(drop) else {
            panic!("a cache of 128 positions takes no more than the binding");
        };
        assert!(message.contains("36864 bytes are needed"), "{message}");
    }
    for mut device in devices() {
        device.max_binding = 4 << 10;
        let error = WgpuBackend::on(device, model.clone()).map(drop).unwrap_err();
        assert!(error.to_string().contains("8192 bytes are needed"), "{error}");
    }
}

#[test]
fn a_lost_device_is_an_error() {
    let model = Arc::new(model(SHAPE, true, 3));
    for device in devices() {
        let backend = WgpuBackend::on(device, model.clone()).unwrap();
        let mut sequence = backend.sequence(16).unwrap();
        let before = sequence.forward(&[1, 2], 1).unwrap();
        assert_eq!(before.len(), 1);
        backend.core.device.device.destroy();
        for _ in 0..2 {
            let error = sequence.forward(&[3], 1).unwrap_err();
            assert!(matches!(error, Error::DeviceLost(_)), "{error}");
            assert!(error.to_string().contains("was lost"), "{error}");
        }
        assert_eq!(sequence.len(), 2);
        assert!(matches!(backend.sequence(16).map(drop), Err(Error::DeviceLost(_))));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The profile of a pass.
use super::devices;
use crate::{
    backend::Error,
    gpu::WgpuBackend,
    testing::{model, DIMENSIONS},
};
use std::sync::Arc;

#[test]
fn a_profile_has_every_operator_with_its_bytes_and_products() {
    let model = Arc::new(model(DIMENSIONS, true, 3));
    for device in devices() {
        let backend = WgpuBackend::on(device, model.clone()).unwrap();
        let profile = backend.profile(3, 5, 1).unwrap();
        let found: Vec<_> = profile
            .operators
            .iter()
            .map(|found| (found.operator, found.launches))
            .collect();
        let layers = DIMENSIONS.layers as usize;
        let expected = [
            ("embed", 1),
            ("residual_norm", 2 * layers),
            ("linear_tile", 4 * layers),
            ("heads", layers),
            ("attention", layers),
            ("join_heads", layers),
            ("gate", layers),
            ("residual_norm", 1),
            ("linear", 1),
            ("likeliest", 1),
        ];
        assert_eq!(found, expected);
        let [hidden, vocabulary] = [DIMENSIONS.hidden, DIMENSIONS.vocabulary].map(u64::from);
        let [.., logits, _] = &profile.operators[..] else {
            panic!("there are {} operators", profile.operators.len());
        };
        assert_eq!(logits.products, 2 * hidden * vocabulary);
        // Weights, scales, x and y.
        assert_eq!(
            logits.bytes,
            hidden * vocabulary + 8 * vocabulary + 2 * hidden + 4 * vocabulary
        );
        assert!(profile
            .operators
            .iter()
            .all(|found| found.roofline(&profile.bounds) > 0.0));
        assert!(profile.pass > 0.0);
    }
}

#[test]
fn a_profile_beyond_the_context_is_refused() {
    let model = Arc::new(model(DIMENSIONS, true, 3));
    for device in devices() {
        let backend = WgpuBackend::on(device, model.clone()).unwrap();
        let refused = backend.profile(DIMENSIONS.context as usize, 1, 1).map(drop);
        assert!(matches!(refused, Err(Error::CacheFull { .. })));
    }
}

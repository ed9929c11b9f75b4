// SPDX-License-Identifier: Apache-2.0
//! Operators of encoders on extreme rows, and whole encoders.
use super::{exponents, extreme_rows, on_every_adapter, pack16, Rig};
use crate::{
    encoder::Encoder,
    gpu::{kernels::EncoderKernels, testing::vulkan_adapters, weights, WgpuEncoder},
    testing::{
        encoder::{model, reference, DIMENSIONS},
        Random,
    },
};
use ergon_exact::{bias, gelu, norm, residual, RESIDUAL_EXPONENT};
use std::sync::Arc;

/// What a matrix may give, at most 2^30 + 1 in size.
fn outputs(random: &mut Random, width: usize) -> Vec<Vec<i32>> {
    let most = (1 << 30) + 1;
    let mut rows = extreme_rows(random, width);
    rows.iter_mut()
        .flatten()
        .for_each(|value| *value = (*value).clamp(-most, most));
    rows
}

fn constants(random: &mut Random, width: usize) -> Vec<i32> {
    let most = bias::BOUND - 1;
    (0..width)
        .map(|i| [most, -most, 0, random.next() as i32 >> 3, random.next() as i32 >> 13][i % 5])
        .collect()
}

fn check_post_norm(rig: &Rig, [output, output_bias, norm_bias, gain]: [i32; 4], epsilon: &[u64; 32]) {
    let random = &mut Random::new(21);
    let width = rig.d.hidden as usize;
    let (y, mut h) = (outputs(random, width), extreme_rows(random, width));
    h.rotate_left(7);
    let x_exponents = exponents(random, y.len(), 40);
    let gains: Vec<i32> = (0..width).map(|_| random.next() as i32 >> 9).collect();
    let [first, second] = [0, 1].map(|_| constants(random, width));
    let residual_rows = rig.upload(&h.concat());
    let out = rig.packed_room(y.len(), width);
    let buffers = [
        &rig.upload(&y.concat()),
        &rig.upload(&x_exponents),
        &rig.upload(&[&first[..], &gains, &second].concat()),
        &residual_rows,
        &out.0,
        &out.1,
        &rig.uniform(&[output, output_bias, norm_bias, gain]),
        &weights::tables(&rig.device, epsilon),
    ];
    let kernels = EncoderKernels::new(&rig.device, &rig.d).unwrap();
    rig.run(&kernels.post_norm, &buffers, (y.len() as u32, 1));
    for ((y, h), x_exponent) in y.iter().zip(&mut h).zip(&x_exponents) {
        let (mut y, mut normed) = (y.clone(), vec![0; width]);
        let exponent = bias::add(&mut y, x_exponent + output, &first, -output_bias);
        residual::add(h, &y, exponent);
        let exponent = norm::layer_norm(h, &gains, gain, epsilon, &mut normed);
        let exponent = bias::add(&mut normed, exponent, &second, -norm_bias);
        residual::replace(h, &normed, exponent);
    }
    assert_eq!(rig.read_i32(&residual_rows), h.concat(), "{}", rig.device.name);
    rig.assert_packed(&out, h.into_iter().map(|row| (row, RESIDUAL_EXPONENT)));
}

#[test]
fn the_end_of_a_block_equals_exact() {
    on_every_adapter(|rig| {
        check_post_norm(rig, [-7, -20, -28, 19], &[1; 32]);
        check_post_norm(rig, [3, -64, 5, -17], &std::array::from_fn(|i| (1 << 40) >> i));
        check_post_norm(rig, [-30, 0, -64, 21], &[(1 << 62) - 1; 32]);
    });
}

#[test]
fn gelu_equals_exact() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(22);
        let width = rig.d.feed_forward as usize;
        let y = outputs(random, width);
        let x_exponents = exponents(random, y.len(), 45);
        let constants = constants(random, width);
        let out = rig.packed_room(y.len(), width);
        let mut phi = [0u32; 81 * 4];
        phi[..gelu::PHI.len()].copy_from_slice(&gelu::PHI);
        let buffers = [
            &rig.upload(&y.concat()),
            &rig.upload(&x_exponents),
            &rig.upload(&constants),
            &out.0,
            &out.1,
            &rig.uniform(&[-6, -27]),
            &rig.uniform(&phi),
        ];
        let kernels = EncoderKernels::new(&rig.device, &rig.d).unwrap();
        rig.run(&kernels.gelu, &buffers, (y.len() as u32, 1));
        let activated = y.iter().zip(&x_exponents).map(|(y, x_exponent)| {
            let mut y = y.clone();
            let exponent = bias::add(&mut y, x_exponent - 6, &constants, 27);
            let (a, shift) = pack16(&y);
            let exponent = gelu::gelu(&a, exponent + shift, &mut y);
            (y, exponent)
        });
        rig.assert_packed(&out, activated);
    });
}

#[test]
fn embeddings_equal_the_reference_on_every_adapter() {
    let model = Arc::new(model(DIMENSIONS, 5));
    for adapter in vulkan_adapters() {
        let encoder = WgpuEncoder::new(model.clone(), &adapter).unwrap();
        // A long text first, of which a shorter one must find nothing.
        for length in [64, 1, 2, 3, 9, 33, 64] {
            let tokens = Random::new(length as u64).tokens(length, DIMENSIONS.vocabulary);
            let found = encoder.encode(&tokens).unwrap();
            assert!(
                found == reference(&model, &tokens),
                "{length} tokens on {}",
                encoder.name()
            );
        }
        assert!(encoder.encode(&[1; 65]).is_err() && encoder.encode(&[]).is_err());
    }
}

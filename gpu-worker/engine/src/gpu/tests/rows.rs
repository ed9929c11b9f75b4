// SPDX-License-Identifier: Apache-2.0
//! Operators on rows: residual and norm, gate, joining heads, choice.
use super::{exponents, extreme_rows, on_every_adapter, pack16, Rig};
use crate::{gpu::weights, testing::Random};
use ergon_exact::{attention, gate, norm, residual, sampling};

fn check_norm(rig: &Rig, random: &mut Random, most: i32, epsilon: &[u64; 32]) {
    let width = rig.d.hidden as usize;
    let (y, mut rows) = (extreme_rows(random, width), extreme_rows(random, width));
    rows.rotate_left(7);
    let x_exponents = exponents(random, y.len(), most);
    let limit = (1 << 23) - 1;
    let gain: Vec<i32> = (0..width)
        .map(|i| [limit, -limit, 0, random.next() as i32 >> 9][i % 4])
        .collect();
    let padded = width.next_multiple_of(16);
    let out = (rig.room(rows.len() * padded / 2), rig.room(rows.len()));
    let h = rig.upload(&rows.concat());
    let buffers = [
        &h,
        &rig.upload(&y.concat()),
        &rig.upload(&x_exponents),
        &rig.upload(&gain),
        &out.0,
        &out.1,
        &rig.uniform(&[-17, -7]),
        &weights::tables(&rig.device, epsilon),
    ];
    rig.run(&rig.kernels.residual_norm, &buffers, (rows.len() as u32, 1));
    for ((h, y), exponent) in rows.iter_mut().zip(&y).zip(&x_exponents) {
        residual::add(h, y, exponent - 7);
    }
    assert_eq!(rig.read_i32(&h), rows.concat(), "{}", rig.device.name);
    let (found, exponents) = (rig.read_rows(&out.0, width), rig.read_i32(&out.1));
    for (i, row) in rows.iter().enumerate() {
        let mut expected = vec![0; width];
        let exponent = norm::rms_norm(row, &gain, -17, epsilon, &mut expected);
        let (expected, shift) = pack16(&expected);
        let name = &rig.device.name;
        assert_eq!(
            (exponents[i], &found[i]),
            (exponent + shift, &expected),
            "{name}, row {i}"
        );
    }
}

#[test]
fn residual_and_rms_norm_equal_exact() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(1);
        check_norm(rig, random, 12, &[1; 32]);
        check_norm(rig, random, 40, &[(1 << 62) - 1; 32]);
        check_norm(rig, random, 100, &std::array::from_fn(|i| (1 << 40) >> i));
    });
}

#[test]
fn gate_equals_exact() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(2);
        let width = rig.d.feed_forward as usize;
        let (a, mut b) = (extreme_rows(random, width), extreme_rows(random, width));
        b.rotate_left(5);
        let x_exponents = exponents(random, a.len(), 60);
        let y: Vec<i32> = a.iter().zip(&b).flat_map(|(a, b)| [a, b]).flatten().copied().collect();
        let padded = width.next_multiple_of(16);
        let out = (rig.room(a.len() * padded / 2), rig.room(a.len()));
        let buffers = [
            &rig.upload(&y),
            &rig.upload(&x_exponents),
            &out.0,
            &out.1,
            &rig.uniform(&[-9, 4]),
            &rig.tables(),
        ];
        rig.run(&rig.kernels.gate, &buffers, (a.len() as u32, 1));
        let (found, found_exponents) = (rig.read_rows(&out.0, width), rig.read_i32(&out.1));
        for i in 0..a.len() {
            let ((a, a_shift), (b, b_shift)) = (pack16(&a[i]), pack16(&b[i]));
            let mut products = vec![0; width];
            let (a_exponent, b_exponent) = (x_exponents[i] - 9 + a_shift, x_exponents[i] + 4 + b_shift);
            let exponent = gate::gate(&a, a_exponent, &b, b_exponent, &mut products);
            let (expected, shift) = pack16(&products);
            let name = &rig.device.name;
            assert_eq!(
                (found_exponents[i], &found[i]),
                (exponent + shift, &expected),
                "{name}, row {i}"
            );
        }
    });
}

#[test]
fn join_heads_equals_exact() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(4);
        let (heads, width) = (rig.d.heads as usize, (rig.d.heads * rig.d.head_dim) as usize);
        let rows = extreme_rows(random, width);
        let padded = width.next_multiple_of(16);
        for most in [0, 3, 40, 500] {
            let head_exponents = exponents(random, rows.len() * heads, most);
            let out = (rig.room(rows.len() * padded / 2), rig.room(rows.len()));
            let buffers = [
                &rig.upload(&rows.concat()),
                &rig.upload(&head_exponents),
                &out.0,
                &out.1,
            ];
            rig.run(&rig.kernels.join_heads, &buffers, (rows.len() as u32, 1));
            let (found, found_exponents) = (rig.read_rows(&out.0, width), rig.read_i32(&out.1));
            for (i, (row, exponents)) in rows.iter().zip(head_exponents.chunks(heads)).enumerate() {
                let mut row = row.clone();
                let exponent = attention::join_heads(&mut row, exponents);
                let (expected, shift) = pack16(&row);
                let name = &rig.device.name;
                assert_eq!(
                    (found_exponents[i], &found[i]),
                    (exponent + shift, &expected),
                    "{name}, row {i}"
                );
            }
        }
    });
}

#[test]
fn the_likeliest_token_is_the_lowest_with_the_highest_logit() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(5);
        let mut rows = extreme_rows(random, rig.d.vocabulary as usize);
        let reversed: Vec<Vec<i32>> = rows.iter().map(|row| row.iter().rev().copied().collect()).collect();
        rows.extend(reversed);
        let out = rig.room(rows.len());
        let buffers = [&rig.upload(&rows.concat()), &out];
        rig.run(&rig.kernels.likeliest, &buffers, (rows.len() as u32, 1));
        let expected: Vec<i32> = rows.iter().map(|row| sampling::greedy(row) as i32).collect();
        assert_eq!(rig.read_i32(&out), expected, "{}", rig.device.name);
    });
}

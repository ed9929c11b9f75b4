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
    let out = rig.packed_room(rows.len(), width);
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
    let normed = rows.iter().map(|row| {
        let mut normed = vec![0; width];
        let exponent = norm::rms_norm(row, &gain, -17, epsilon, &mut normed);
        (normed, exponent)
    });
    rig.assert_packed(&out, normed);
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
        let out = rig.packed_room(a.len(), width);
        let buffers = [
            &rig.upload(&y),
            &rig.upload(&x_exponents),
            &out.0,
            &out.1,
            &rig.uniform(&[-9, 4]),
            &rig.tables(),
        ];
        rig.run(&rig.kernels.gate, &buffers, (a.len() as u32, 1));
        let gated = a.iter().zip(&b).zip(&x_exponents).map(|((a, b), x_exponent)| {
            let ((a, a_shift), (b, b_shift)) = (pack16(a), pack16(b));
            let mut products = vec![0; width];
            let exponent = gate::gate(
                &a,
                x_exponent - 9 + a_shift,
                &b,
                x_exponent + 4 + b_shift,
                &mut products,
            );
            (products, exponent)
        });
        rig.assert_packed(&out, gated);
    });
}

#[test]
fn join_heads_equals_exact() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(4);
        let (heads, width) = (rig.d.heads as usize, (rig.d.heads * rig.d.head_dim) as usize);
        let rows = extreme_rows(random, width);
        for most in [0, 3, 40, 500] {
            let head_exponents = exponents(random, rows.len() * heads, most);
            let out = rig.packed_room(rows.len(), width);
            let buffers = [
                &rig.upload(&rows.concat()),
                &rig.upload(&head_exponents),
                &out.0,
                &out.1,
            ];
            rig.run(&rig.kernels.join_heads, &buffers, (rows.len() as u32, 1));
            let joined = rows.iter().zip(head_exponents.chunks(heads)).map(|(row, exponents)| {
                let mut row = row.clone();
                let exponent = attention::join_heads(&mut row, exponents);
                (row, exponent)
            });
            rig.assert_packed(&out, joined);
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

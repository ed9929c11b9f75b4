// SPDX-License-Identifier: Apache-2.0
//! Attention.
use super::{mantissa, on_every_adapter, planes, Paged, Rig, SCALE};
use crate::testing::Random;
use ergon_exact::attention::{attend, Cached, Scale};

/// Keys and values of all heads, and the exponents of both.
struct Caches {
    keys: Vec<i8>,
    values: Vec<i8>,
    exponents: Vec<i32>,
}

impl Caches {
    /// Words of the cache, with what no kernel should read where no position is.
    fn paged(&self, paged: &Paged, capacity: usize) -> Vec<i32> {
        let mut words = vec![0x5a5a_5a5a; paged.words()];
        let dim = paged.d.head_dim as usize;
        for (is_value, mantissas) in [(false, &self.keys), (true, &self.values)] {
            let exponents = self
                .exponents
                .chunks(self.exponents.len() / 2)
                .nth(usize::from(is_value));
            for (i, (mantissas, exponent)) in mantissas.chunks(dim).zip(exponents.unwrap()).enumerate() {
                let (at, at_exponent) = paged.at(is_value, i / capacity, i % capacity);
                bytemuck::cast_slice_mut(&mut words[at..at + dim / 4]).copy_from_slice(mantissas);
                words[at_exponent] = *exponent;
            }
        }
        words
    }
}

fn between(random: &mut Random, low: i32, high: i32) -> i32 {
    low + (random.next() % (high - low + 1) as u64) as i32
}

/// `level` and `spread`: the exponents' middle, and how far they are from it.
fn caches(rig: &Rig, random: &mut Random, capacity: usize, (level, spread): (i32, i32)) -> Caches {
    let positions = rig.d.kv_heads as usize * capacity;
    let byte = |random: &mut Random| match random.next() % 8 {
        0 => 127,
        1 => -127,
        _ => between(random, -127, 127) as i8,
    };
    let bytes = positions * rig.d.head_dim as usize;
    Caches {
        keys: (0..bytes).map(|_| byte(random)).collect(),
        values: (0..bytes).map(|_| byte(random)).collect(),
        exponents: (0..2 * positions)
            .map(|_| level + between(random, -spread, spread))
            .collect(),
    }
}

/// Runs the kernel for tokens at `position..position + tokens` and compares every head of each.
fn check(rig: &Rig, random: &mut Random, position: usize, tokens: usize, exponents: (i32, i32)) {
    let [heads, kv, dim] = [rig.d.heads, rig.d.kv_heads, rig.d.head_dim].map(|size| size as usize);
    let capacity = position + tokens + 3;
    let caches = caches(rig, random, capacity, exponents);
    let queries: Vec<Vec<i16>> = (0..tokens * heads)
        .map(|_| (0..dim).map(|_| mantissa(random)).collect())
        .collect();
    let query_exponents: Vec<i32> = (0..tokens * heads).map(|_| between(random, -20, 0)).collect();
    let out = (rig.room(tokens * heads * dim), rig.room(tokens * heads));
    let paged = Paged::new(rig.d, capacity);
    let buffers = [
        &rig.upload(&planes(&queries, dim.next_multiple_of(16))),
        &rig.upload(&query_exponents),
        &rig.upload(&caches.paged(&paged, capacity)),
        &rig.upload(&paged.table(position..position + tokens)),
        &rig.room(tokens * heads * capacity),
        &out.0,
        &out.1,
        &rig.uniform(&[tokens as u32, capacity as u32]),
        &rig.tables(),
    ];
    rig.run(&rig.kernels.attention, &buffers, (heads as u32, tokens as u32));
    let (found, found_exponents) = (rig.read_i32(&out.0), rig.read_i32(&out.1));
    for (i, found) in found.chunks(dim).enumerate() {
        let count = position + i / heads + 1;
        let first = (i % heads) / (heads / kv) * capacity;
        let cached = |mantissas: &'static str| {
            let (mantissas, first_exponent) = match mantissas {
                "keys" => (&caches.keys, first),
                _ => (&caches.values, kv * capacity + first),
            };
            Cached {
                mantissas: &mantissas[first * dim..][..count * dim],
                exponents: &caches.exponents[first_exponent..][..count],
            }
        };
        let scale = Scale {
            mantissa: SCALE.0,
            shift: SCALE.1,
        };
        let mut expected = vec![0; dim];
        let mut weights = vec![0; count];
        let exponent = attend(
            &queries[i],
            query_exponents[i],
            cached("keys"),
            cached("values"),
            scale,
            &mut weights,
            &mut expected,
        );
        let name = &rig.device.name;
        assert_eq!(
            (found_exponents[i], found),
            (exponent, &expected[..]),
            "{name}: row {i} at {position}, exponents {exponents:?}"
        );
    }
}

#[test]
fn attention_equals_exact() {
    on_every_adapter(|rig| {
        let random = &mut Random::new(6);
        for exponents in [(-10, 0), (-10, 2), (-10, 12), (-10, 60), (100, 20)] {
            check(rig, random, 0, 5, exponents);
            check(rig, random, 62, 4, exponents);
            check(rig, random, 300, 1, exponents);
        }
    });
}

#[test]
fn a_long_context_of_equal_scores_equals_exact() {
    on_every_adapter(|rig| {
        // Exponents so low that every score is 0.
        check(rig, &mut Random::new(7), 3000, 1, (-200, 0));
    });
}

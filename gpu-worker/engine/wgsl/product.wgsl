// SPDX-License-Identifier: Apache-2.0
// What both shapes of LINEAR share.
//
// weight  int8 rows in blocks of 32, so that neighbours in a workgroup read neighbouring memory: vector k (16 columns) of row r lies at
//         vector ((r / 32) * columns + k) * 32 + r % 32. Columns up to a multiple of 16 and rows up to one of 32 are filled with 0.
// scale   (mantissa, shift) [rows]
// x       int16 rows as byte planes, [tokens, 2, columns] vectors of 16
// y       i32 [tokens, outputs]; this shard writes columns first..first+rows
struct Shard {
    columns: u32,  // vectors in a row of one plane
    rows: u32,
    first: u32,
    outputs: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scale: array<vec2<i32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<i32>;
@group(0) @binding(4) var<uniform> shard: Shard;

const BLOCK = 32u;
// Invocations that share a block; each has the rows r, r + 8, r + 16 and r + 24 of it.
const LANES = 8u;

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

// (256 * high + low) * mantissa / 2^shift, which fits 32 bits by the choice of shift.
fn rescale(high: i32, low: i32, by: vec2<i32>) -> i32 {
    let product = add64(shl64(mul_i32(high, by.x), 8u), mul_i32(low, by.x));
    return bitcast<i32>(shift_round64(product, u32(by.y)).x);
}

// SPDX-License-Identifier: Apache-2.0
// GATE: silu(gate) * up, packed as the int16 row that the down projection reads.
//
// y            i32 [tokens, 2, FEED_FORWARD]: outputs of the gate matrix, then of the up matrix; the products replace the former
// x_exponents  i32 [tokens]: of the row that the matrices read
// planes       u32 [tokens, 2, words]: byte planes as in residual_norm.wgsl
// exponents    i32 [tokens]
// One workgroup a token.
struct Projections {
    gate: i32,  // what the matrices add to the exponent
    up: i32,
}

@group(0) @binding(0) var<storage, read_write> y: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(2) var<storage, read_write> planes: array<u32>;
@group(0) @binding(3) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(4) var<uniform> projections: Projections;
@group(0) @binding(5) var<uniform> tables: Tables;

const QUADS = FEED_FORWARD / 4u;
const WORDS = (FEED_FORWARD + 15u) / 16u * 4u;
const LOG2E_Q30 = 1549082005;

// a * sigmoid(a * 2^exponent) * b: a times the Q15 sigmoid, shifted by 14.
fn product(a: i32, b: i32, shift: i32) -> i32 {
    let power = exp2_negative(bitcast<u32>(clamp(mul_shift(abs(a), LOG2E_Q30, shift), 0, 0x40000000)));
    let sigmoid = select(power << 15u, 0x80000000u, a >= 0) / (65536u + power);
    return shift_round(a * bitcast<i32>(sigmoid), 14) * b;
}

@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let token = workgroup.x;
    let gate = token * 2u * QUADS;
    let up = gate + QUADS;
    var gate_top = 0u;
    var up_top = 0u;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        gate_top = max(gate_top, largest(y[gate + quad]));
        up_top = max(up_top, largest(y[up + quad]));
    }
    let gate_pack = pack16_shift(workgroup_max(gate_top, invocation));
    let up_pack = pack16_shift(workgroup_max(up_top, invocation));
    let gate_exponent = x_exponents[token] + projections.gate + gate_pack;
    let up_exponent = x_exponents[token] + projections.up + up_pack;

    var top = 0u;
    let shift = 14 - gate_exponent;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        let a = shift_round4(y[gate + quad], gate_pack);
        let b = shift_round4(y[up + quad], up_pack);
        let products = vec4<i32>(product(a.x, b.x, shift), product(a.y, b.y, shift), product(a.z, b.z, shift), product(a.w, b.w, shift));
        y[gate + quad] = products;
        top = max(top, largest(products));
    }
    let pack = pack16_shift(workgroup_max(top, invocation));
    for (var word = invocation; word < WORDS; word += ROW_WIDTH) {
        var pair = vec2<u32>(0u);
        if (word < QUADS) {
            pair = byte_planes(shift_round4(y[gate + word], pack));
        }
        planes[token * 2u * WORDS + word] = pair.x;
        planes[(token * 2u + 1u) * WORDS + word] = pair.y;
    }
    if (invocation == 0u) {
        exponents[token] = gate_exponent + up_exponent - 1 + pack;
    }
}

// SPDX-License-Identifier: Apache-2.0
// An encoder's end of a block: BIAS of the matrix, RESIDUAL, LAYERNORM and its BIAS, REPLACE, and the packed row for the next matrix.
//
// y            i32 [tokens, HIDDEN]
// x_exponents  i32 [tokens]: of the row that the matrix of y read
// constants    i32 [3, HIDDEN]: bias of the matrix, gain and bias of the norm
// h            i32 [tokens, HIDDEN]
// planes       u32 [tokens, 2, words]: byte planes as in residual_norm.wgsl
// exponents    i32 [tokens]
// One workgroup a token.
struct Block {
    output: i32,       // what the matrix adds to the exponent
    output_bias: i32,  // exponents of the biases
    norm_bias: i32,
    gain: i32,         // what the gain takes off the exponent
}

@group(0) @binding(0) var<storage, read> y: array<i32>;
@group(0) @binding(1) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(2) var<storage, read> constants: array<i32>;
@group(0) @binding(3) var<storage, read_write> h: array<i32>;
@group(0) @binding(4) var<storage, read_write> planes: array<u32>;
@group(0) @binding(5) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(6) var<uniform> block: Block;
@group(0) @binding(7) var<uniform> tables: Tables;

const WORDS = (HIDDEN + 15u) / 16u * 4u;
const SUM_WIDTH = ROW_WIDTH;

fn negated(value: vec2<u32>) -> vec2<u32> {
    return add64(~value, vec2<u32>(1u, 0u));
}

fn bit_length64(value: vec2<u32>) -> i32 {
    return select(bit_length(value.x), 32 + bit_length(value.y), value.y != 0u);
}

// HIDDEN times the difference to the mean.
fn centered(value: i32, total: vec2<u32>) -> vec2<u32> {
    return add64(mul_i32_u32(value, HIDDEN), negated(total));
}

fn size64(value: vec2<u32>) -> vec2<u32> {
    return select(value, negated(value), bitcast<i32>(value.y) < 0);
}

@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let token = workgroup.x;
    let first = token * HIDDEN;

    let own = x_exponents[token] + block.output;
    let sum_exponent = max(own, block.output_bias);
    let shift_own = min(sum_exponent - own, 31);
    let shift_bias = min(sum_exponent - block.output_bias, 31);
    var sum = vec2<u32>(0u);
    for (var i = invocation; i < HIDDEN; i += ROW_WIDTH) {
        let value = shift_round(y[first + i], shift_own) + shift_round(constants[i], shift_bias);
        let added = saturating_add(h[first + i], mul_shift(value, 1, -sum_exponent - 12));
        h[first + i] = added;
        sum = add64(sum, vec2<u32>(bitcast<u32>(added), bitcast<u32>(added >> 31u)));
    }
    let total = workgroup_sum(sum, invocation);

    var bits = 0u;
    for (var i = invocation; i < HIDDEN; i += ROW_WIDTH) {
        bits = max(bits, u32(bit_length64(size64(centered(h[first + i], total)))));
    }
    let shift = max(0, i32(workgroup_max(bits, invocation)) - 22);
    var squares = vec2<u32>(0u);
    for (var i = invocation; i < HIDDEN; i += ROW_WIDTH) {
        let x = bitcast<i32>(shift_round64(centered(h[first + i], total), u32(shift)).x);
        squares = add64(squares, square(x));
    }
    let power = add64(workgroup_sum(squares, invocation), tables.epsilon[shift].xy);
    let zeros = even_zeros(power);
    let inverse = inverse_root(power, zeros);

    let normed_exponent = i32(zeros / 2u) - 16 - block.gain;
    let exponent = max(normed_exponent, block.norm_bias);
    let shift_normed = min(exponent - normed_exponent, 31);
    let shift_constant = min(exponent - block.norm_bias, 31);
    var top = 0u;
    for (var i = invocation; i < HIDDEN; i += ROW_WIDTH) {
        let x = bitcast<i32>(shift_round64(centered(h[first + i], total), u32(shift)).x);
        let normed = normalize(x, constants[HIDDEN + i], inverse);
        let value = shift_round(normed, shift_normed) + shift_round(constants[2u * HIDDEN + i], shift_constant);
        let replaced = mul_shift(value, 1, -exponent - 12);
        h[first + i] = replaced;
        top = max(top, bitcast<u32>(abs(replaced)));
    }
    let pack = pack16_shift(workgroup_max(top, invocation));
    storageBarrier();
    for (var word = invocation; word < WORDS; word += ROW_WIDTH) {
        var pair = vec2<u32>(0u);
        if (word < HIDDEN / 4u) {
            let at = first + 4u * word;
            pair = byte_planes(shift_round4(vec4<i32>(h[at], h[at + 1u], h[at + 2u], h[at + 3u]), pack));
        }
        planes[token * 2u * WORDS + word] = pair.x;
        planes[(token * 2u + 1u) * WORDS + word] = pair.y;
    }
    if (invocation == 0u) {
        exponents[token] = pack - 12;
    }
}

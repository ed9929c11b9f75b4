// SPDX-License-Identifier: Apache-2.0
// RESIDUAL, RMSNORM and packing: h += y * 2^(exponent + 12), rounded, both saturated; then the int16 row of h that the next matrix reads.
//
// h            i32 [tokens, HIDDEN]
// y            i32 [tokens, HIDDEN]: what the block before gave
// x_exponents  i32 [tokens]: of the row that the matrix of y read
// gain         i32 [HIDDEN], gain * sqrt(HIDDEN) = mantissa * 2^-exponent
// planes       u32 [tokens, 2, words]: word w of plane 0 holds the high bytes of elements 4w..4w+4, plane 1 the low bytes; words is HIDDEN / 4
//              up to a multiple of 4, what is beyond is 0
// exponents    i32 [tokens]
// One workgroup a token.
struct Norm {
    gain: i32,    // what the gain takes off the exponent
    matrix: i32,  // what the matrix of y adds to the exponent
}

@group(0) @binding(0) var<storage, read_write> h: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> y: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(3) var<storage, read> gain: array<vec4<i32>>;
@group(0) @binding(4) var<storage, read_write> planes: array<u32>;
@group(0) @binding(5) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(6) var<uniform> norm: Norm;
@group(0) @binding(7) var<uniform> tables: Tables;

const QUADS = HIDDEN / 4u;
const WORDS = (HIDDEN + 15u) / 16u * 4u;

const SUM_WIDTH = ROW_WIDTH;

fn sum(h: i32, y: i32, shift: i32) -> i32 {
    return saturating_add(h, mul_shift(y, 1, shift));
}

fn normalize4(at: u32, quad: u32, shift: i32, inverse: u32) -> vec4<i32> {
    let x = shift_round4(h[at], shift);
    let g = gain[quad];
    return vec4<i32>(normalize(x.x, g.x, inverse), normalize(x.y, g.y, inverse), normalize(x.z, g.z, inverse), normalize(x.w, g.w, inverse));
}

// Every invocation reads of h only what it wrote itself.
@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let token = workgroup.x;
    let first = token * QUADS;
    let by = -(x_exponents[token] + norm.matrix) - 12;
    var top = 0u;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        let a = h[first + quad];
        let b = y[first + quad];
        let added = vec4<i32>(sum(a.x, b.x, by), sum(a.y, b.y, by), sum(a.z, b.z, by), sum(a.w, b.w, by));
        h[first + quad] = added;
        top = max(top, largest(added));
    }
    let shift = max(0, bit_length(workgroup_max(top, invocation)) - 22);

    var squares = vec2<u32>(0u);
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        let x = shift_round4(h[first + quad], shift);
        squares = add64(squares, add64(add64(square(x.x), square(x.y)), add64(square(x.z), square(x.w))));
    }
    let power = add64(workgroup_sum(squares, invocation), tables.epsilon[shift].xy);
    let zeros = even_zeros(power);
    let inverse = inverse_root(power, zeros);

    var widest = 0u;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        widest = max(widest, largest(normalize4(first + quad, quad, shift, inverse)));
    }
    let pack = pack16_shift(workgroup_max(widest, invocation));
    for (var word = invocation; word < WORDS; word += ROW_WIDTH) {
        var pair = vec2<u32>(0u);
        if (word < QUADS) {
            pair = byte_planes(shift_round4(normalize4(first + word, word, shift, inverse), pack));
        }
        planes[token * 2u * WORDS + word] = pair.x;
        planes[(token * 2u + 1u) * WORDS + word] = pair.y;
    }
    if (invocation == 0u) {
        exponents[token] = i32(zeros / 2u) - 16 - norm.gain + pack;
    }
}

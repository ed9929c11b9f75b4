// SPDX-License-Identifier: Apache-2.0
// JOIN HEADS: aligns the heads of a token to their largest exponent and packs them as one int16 row.
//
// heads        i32 [tokens, HEADS, HEAD_DIM]
// h_exponents  i32 [tokens, HEADS]
// planes       u32 [tokens, 2, words]: byte planes as in residual_norm.wgsl
// exponents    i32 [tokens]
// One workgroup a token.
@group(0) @binding(0) var<storage, read> heads: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> h_exponents: array<i32>;
@group(0) @binding(2) var<storage, read_write> planes: array<u32>;
@group(0) @binding(3) var<storage, read_write> exponents: array<i32>;

const QUADS = HEADS * HEAD_DIM / 4u;
const WORDS = (HEADS * HEAD_DIM + 15u) / 16u * 4u;

fn aligned(token: u32, quad: u32, exponent: i32) -> vec4<i32> {
    let own = h_exponents[token * HEADS + quad / (HEAD_DIM / 4u)];
    return shift_round4(heads[token * QUADS + quad], min(exponent - own, 31));
}

@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let token = workgroup.x;
    var exponent = h_exponents[token * HEADS];
    for (var head = 1u; head < HEADS; head++) {
        exponent = max(exponent, h_exponents[token * HEADS + head]);
    }
    var top = 0u;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        top = max(top, largest(aligned(token, quad, exponent)));
    }
    let pack = pack16_shift(workgroup_max(top, invocation));
    for (var word = invocation; word < WORDS; word += ROW_WIDTH) {
        var pair = vec2<u32>(0u);
        if (word < QUADS) {
            pair = byte_planes(shift_round4(aligned(token, word, exponent), pack));
        }
        planes[token * 2u * WORDS + word] = pair.x;
        planes[(token * 2u + 1u) * WORDS + word] = pair.y;
    }
    if (invocation == 0u) {
        exponents[token] = exponent + pack;
    }
}

// SPDX-License-Identifier: Apache-2.0
// EMBED: the residual row of every token, h = q * scale * 2^(12 - f), rounded and saturated.
//
// tokens     u32 [tokens]
// weight     rows first..first+rows of the embedding, in blocks of 32 rows as linear.wgsl describes
// scale      (mantissa, -) [rows of this shard]
// h          i32 [tokens, HIDDEN]
// Invocation (x, token) writes 16 elements if the token's row is in this shard.
struct Shard {
    first: u32,
    rows: u32,
    shift: i32,  // f - 12
}

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> scale: array<vec2<i32>>;
@group(0) @binding(3) var<storage, read_write> h: array<vec4<i32>>;
@group(0) @binding(4) var<uniform> shard: Shard;

const VECTORS = (HIDDEN + 15u) / 16u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = tokens[id.y] - shard.first;
    if (row >= shard.rows || id.x >= VECTORS) {
        return;
    }
    let words = weight[((row / 32u) * VECTORS + id.x) * 32u + row % 32u];
    let mantissa = scale[row].x;
    for (var i = 0u; i < 4u; i++) {
        let column = id.x * 4u + i;
        if (column < HIDDEN / 4u) {
            let q = unpack4xI8(words[i]);
            h[id.y * (HIDDEN / 4u) + column] = vec4<i32>(
                mul_shift(q.x, mantissa, shard.shift),
                mul_shift(q.y, mantissa, shard.shift),
                mul_shift(q.z, mantissa, shard.shift),
                mul_shift(q.w, mantissa, shard.shift),
            );
        }
    }
}

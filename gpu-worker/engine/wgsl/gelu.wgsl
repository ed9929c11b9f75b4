// SPDX-License-Identifier: Apache-2.0
// GELU: BIAS of the first matrix of a feed-forward block, PACK16, x * phi(x), and the packed row that the second matrix reads.
//
// y            i32 [tokens, FEED_FORWARD]; the products replace it
// x_exponents  i32 [tokens]: of the row that the matrix read
// bias         i32 [FEED_FORWARD]
// planes       u32 [tokens, 2, words]: byte planes as in residual_norm.wgsl
// exponents    i32 [tokens]
// phi_table    phi(i / 64) in Q16, i in 0..=320, four to a vector
// One workgroup a token; an invocation has whole quads.
struct Projection {
    output: i32,  // what the matrix adds to the exponent
    bias: i32,    // exponent of the bias
}

@group(0) @binding(0) var<storage, read_write> y: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read_write> planes: array<u32>;
@group(0) @binding(4) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(5) var<uniform> projection: Projection;
@group(0) @binding(6) var<uniform> phi_table: array<vec4<u32>, 81>;

const QUADS = FEED_FORWARD / 4u;
const WORDS = (FEED_FORWARD + 15u) / 16u * 4u;

fn phi(x: u32) -> u32 {
    let at = min(x >> 10u, 319u);
    let low = phi_table[at / 4u][at % 4u];
    let next = at + 1u;
    let high = phi_table[next / 4u][next % 4u];
    return select(low + (((high - low) * (x & 1023u) + 512u) >> 10u), 65536u, x >= 327680u);
}

fn product(a: i32, shift: i32) -> i32 {
    let power = bitcast<i32>(phi(bitcast<u32>(min(mul_shift(abs(a), 1, shift), 327680))));
    return a * select(65536 - power, power, a >= 0);
}

@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let token = workgroup.x;
    let first = token * QUADS;
    let own = x_exponents[token] + projection.output;
    let sum_exponent = max(own, projection.bias);
    let shift_own = min(sum_exponent - own, 31);
    let shift_bias = min(sum_exponent - projection.bias, 31);
    var top = 0u;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        let value = shift_round4(y[first + quad], shift_own) + shift_round4(bias[quad], shift_bias);
        y[first + quad] = value;
        top = max(top, largest(value));
    }
    let pack = pack16_shift(workgroup_max(top, invocation));
    let exponent = sum_exponent + pack;
    let shift = -16 - exponent;
    top = 0u;
    for (var quad = invocation; quad < QUADS; quad += ROW_WIDTH) {
        let a = shift_round4(y[first + quad], pack);
        let products = vec4<i32>(product(a.x, shift), product(a.y, shift), product(a.z, shift), product(a.w, shift));
        y[first + quad] = products;
        top = max(top, largest(products));
    }
    let last = pack16_shift(workgroup_max(top, invocation));
    for (var word = invocation; word < WORDS; word += ROW_WIDTH) {
        var pair = vec2<u32>(0u);
        if (word < QUADS) {
            pair = byte_planes(shift_round4(y[first + word], last));
        }
        planes[token * 2u * WORDS + word] = pair.x;
        planes[(token * 2u + 1u) * WORDS + word] = pair.y;
    }
    if (invocation == 0u) {
        exponents[token] = exponent - 16 + last;
    }
}

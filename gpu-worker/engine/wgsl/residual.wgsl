// SPDX-License-Identifier: Apache-2.0
// RESIDUAL: h += y * 2^(exponent + 12), rounded, both saturated.
//
// y            i32 [tokens, HIDDEN]
// x_exponents  i32 [tokens]: of the row that the matrix of y read
// h            i32 [tokens, HIDDEN]
// Invocation (x, token) has four elements.
struct Projection {
    exponent: i32,  // what the matrix adds to the exponent
}

@group(0) @binding(0) var<storage, read> y: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(2) var<storage, read_write> h: array<vec4<i32>>;
@group(0) @binding(3) var<uniform> projection: Projection;

fn sum(h: i32, y: i32, shift: i32) -> i32 {
    return saturating_add(h, mul_shift(y, 1, shift));
}

@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= HIDDEN / 4u) {
        return;
    }
    let at = id.y * (HIDDEN / 4u) + id.x;
    let shift = -(x_exponents[id.y] + projection.exponent) - 12;
    let a = h[at];
    let b = y[at];
    h[at] = vec4<i32>(sum(a.x, b.x, shift), sum(a.y, b.y, shift), sum(a.z, b.z, shift), sum(a.w, b.w, shift));
}

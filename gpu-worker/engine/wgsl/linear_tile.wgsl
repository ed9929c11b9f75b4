// SPDX-License-Identifier: Apache-2.0
// LINEAR for four tokens at a time: y = W x, layout in product.wgsl.
//
// Workgroup (block, tile): an invocation has four rows, a to d, every SPLITS-th vector of them, and four tokens. Components are tokens.
// What rows of x beyond the last token give is not written.
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> shares: array<array<vec4<i32>, 8>, LANES * SPLITS>;

fn dot_tokens(row: vec4<u32>, x0: vec4<u32>, x1: vec4<u32>, x2: vec4<u32>, x3: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot16(row, x0), dot16(row, x1), dot16(row, x2), dot16(row, x3));
}

fn write(row: u32, token: u32, high: vec4<i32>, low: vec4<i32>) {
    if (row < shard.rows) {
        let by = scale[row];
        for (var i = 0u; i < min(4u, step.tokens - token); i++) {
            y[(token + i) * shard.outputs + shard.first + row] = rescale(high[i], low[i], by);
        }
    }
}

@compute @workgroup_size(LANES, SPLITS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let split = local.y % SPLITS;
    let token = workgroup.y * 4u;
    let plane = shard.columns;
    var a_high = vec4<i32>(0);
    var a_low = vec4<i32>(0);
    var b_high = vec4<i32>(0);
    var b_low = vec4<i32>(0);
    var c_high = vec4<i32>(0);
    var c_low = vec4<i32>(0);
    var d_high = vec4<i32>(0);
    var d_low = vec4<i32>(0);
    for (var k = split; k < plane; k += SPLITS) {
        let start = (workgroup.x * plane + k) * BLOCK + local.x;
        let a = weight[start];
        let b = weight[start + LANES];
        let c = weight[start + 2u * LANES];
        let d = weight[start + 3u * LANES];
        let at = token * 2u * plane + k;
        let h0 = x[at];
        let h1 = x[at + 2u * plane];
        let h2 = x[at + 4u * plane];
        let h3 = x[at + 6u * plane];
        a_high += dot_tokens(a, h0, h1, h2, h3);
        b_high += dot_tokens(b, h0, h1, h2, h3);
        c_high += dot_tokens(c, h0, h1, h2, h3);
        d_high += dot_tokens(d, h0, h1, h2, h3);
        let l0 = x[at + plane];
        let l1 = x[at + 3u * plane];
        let l2 = x[at + 5u * plane];
        let l3 = x[at + 7u * plane];
        a_low += dot_tokens(a, l0, l1, l2, l3);
        b_low += dot_tokens(b, l0, l1, l2, l3);
        c_low += dot_tokens(c, l0, l1, l2, l3);
        d_low += dot_tokens(d, l0, l1, l2, l3);
    }
    if (SPLITS > 1u) {
        shares[split * LANES + local.x] = array<vec4<i32>, 8>(a_high, a_low, b_high, b_low, c_high, c_low, d_high, d_low);
        workgroupBarrier();
        for (var i = 1u; i < SPLITS && split == 0u; i++) {
            let other = i * LANES + local.x;
            a_high += shares[other][0];
            a_low += shares[other][1];
            b_high += shares[other][2];
            b_low += shares[other][3];
            c_high += shares[other][4];
            c_low += shares[other][5];
            d_high += shares[other][6];
            d_low += shares[other][7];
        }
    }
    if (split == 0u) {
        let row = workgroup.x * BLOCK + local.x;
        write(row, token, a_high, a_low);
        write(row + LANES, token, b_high, b_low);
        write(row + 2u * LANES, token, c_high, c_low);
        write(row + 3u * LANES, token, d_high, d_low);
    }
}

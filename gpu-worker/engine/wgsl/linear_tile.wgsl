// SPDX-License-Identifier: Apache-2.0
// LINEAR for four tokens at a time: y = W x, layout in product.wgsl.
//
// Workgroup (block, tile): an invocation has one row, every SPLITS-th vector of it, and four tokens. Rows of x up to a multiple of 4
// exist; what they hold is not written.
@group(0) @binding(5) var<uniform> step: Step;

var<workgroup> partial: array<array<vec4<i32>, 2>, BLOCK * SPLITS>;

@compute @workgroup_size(BLOCK, SPLITS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let split = local.y % SPLITS;
    let token = workgroup.y * 4u;
    let plane = shard.columns;
    var high = vec4<i32>(0);
    var low = vec4<i32>(0);
    for (var k = split; k < plane; k += SPLITS) {
        let a = weight[(workgroup.x * plane + k) * BLOCK + local.x];
        let at = token * 2u * plane + k;
        high += vec4<i32>(dot16(a, x[at]), dot16(a, x[at + 2u * plane]), dot16(a, x[at + 4u * plane]), dot16(a, x[at + 6u * plane]));
        low += vec4<i32>(dot16(a, x[at + plane]), dot16(a, x[at + 3u * plane]), dot16(a, x[at + 5u * plane]), dot16(a, x[at + 7u * plane]));
    }
    if (SPLITS > 1u) {
        partial[split * BLOCK + local.x] = array<vec4<i32>, 2>(high, low);
        workgroupBarrier();
        for (var i = 1u; i < SPLITS && split == 0u; i++) {
            high += partial[i * BLOCK + local.x][0];
            low += partial[i * BLOCK + local.x][1];
        }
    }
    let row = workgroup.x * BLOCK + local.x;
    if (split == 0u && row < shard.rows) {
        let by = scale[row];
        for (var i = 0u; i < min(4u, step.tokens - token); i++) {
            y[(token + i) * shard.outputs + shard.first + row] = rescale(high[i], low[i], by);
        }
    }
}

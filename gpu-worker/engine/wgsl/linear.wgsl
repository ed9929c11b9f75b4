// SPDX-License-Identifier: Apache-2.0
// LINEAR for one token: y = W x, layout in product.wgsl.
//
// Workgroup (block, token): an invocation has four rows and every SPLITS-th vector of them. Components are rows.
var<workgroup> shares: array<array<vec4<i32>, 2>, LANES * SPLITS>;

@compute @workgroup_size(LANES, SPLITS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let split = local.y % SPLITS;
    let planes = workgroup.y * 2u * shard.columns;
    var high = vec4<i32>(0);
    var low = vec4<i32>(0);
    for (var k = split; k < shard.columns; k += SPLITS) {
        let at = (workgroup.x * shard.columns + k) * BLOCK + local.x;
        let a = weight[at];
        let b = weight[at + LANES];
        let c = weight[at + 2u * LANES];
        let d = weight[at + 3u * LANES];
        let x_high = x[planes + k];
        let x_low = x[planes + shard.columns + k];
        high += vec4<i32>(dot16(a, x_high), dot16(b, x_high), dot16(c, x_high), dot16(d, x_high));
        low += vec4<i32>(dot16(a, x_low), dot16(b, x_low), dot16(c, x_low), dot16(d, x_low));
    }
    if (SPLITS > 1u) {
        shares[split * LANES + local.x] = array<vec4<i32>, 2>(high, low);
        workgroupBarrier();
        for (var i = 1u; i < SPLITS && split == 0u; i++) {
            high += shares[i * LANES + local.x][0];
            low += shares[i * LANES + local.x][1];
        }
    }
    for (var i = 0u; i < 4u && split == 0u; i++) {
        let row = workgroup.x * BLOCK + i * LANES + local.x;
        if (row < shard.rows) {
            y[workgroup.y * shard.outputs + shard.first + row] = rescale(high[i], low[i], scale[row]);
        }
    }
}

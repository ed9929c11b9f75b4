// SPDX-License-Identifier: Apache-2.0
// LINEAR for one token: y = W x, layout in product.wgsl.
//
// Workgroup (block, token): an invocation has one row and every SPLITS-th vector of it.
var<workgroup> partial: array<vec2<i32>, BLOCK * SPLITS>;

@compute @workgroup_size(BLOCK, SPLITS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let split = local.y % SPLITS;
    let planes = workgroup.y * 2u * shard.columns;
    var high = 0;
    var low = 0;
    for (var k = split; k < shard.columns; k += SPLITS) {
        let a = weight[(workgroup.x * shard.columns + k) * BLOCK + local.x];
        high += dot16(a, x[planes + k]);
        low += dot16(a, x[planes + shard.columns + k]);
    }
    if (SPLITS > 1u) {
        partial[split * BLOCK + local.x] = vec2<i32>(high, low);
        workgroupBarrier();
        for (var i = 1u; i < SPLITS && split == 0u; i++) {
            high += partial[i * BLOCK + local.x].x;
            low += partial[i * BLOCK + local.x].y;
        }
    }
    let row = workgroup.x * BLOCK + local.x;
    if (split == 0u && row < shard.rows) {
        y[workgroup.y * shard.outputs + shard.first + row] = rescale(high, low, scale[row]);
    }
}

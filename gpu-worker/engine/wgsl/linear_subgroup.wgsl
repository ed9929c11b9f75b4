// SPDX-License-Identifier: Apache-2.0
// LINEAR for one token where a load costs much and a subgroup has eight invocations or more: y = W x, layout in product.wgsl.
//
// Workgroup (block, token): an invocation has four rows. For four vectors of x, lanes 0 to 3 load the high bytes and lanes 4 to 7 the low
// ones, and broadcast them. Mantissas are put together again: one multiplication in place of two.
@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(subgroup_invocation_id) invocation: u32,
) {
    let planes = (workgroup.y * 2u + (invocation % LANES) / 4u) * shard.columns;
    var high = vec4<i32>(0);
    var low = vec4<i32>(0);
    for (var first = 0u; first < shard.columns; first += 4u) {
        let k = first + invocation % 4u;
        let packed = select(vec4<u32>(0u), x[planes + k], k < shard.columns);
        let x0 = signed_bytes(packed.x);
        let x1 = signed_bytes(packed.y);
        let x2 = signed_bytes(packed.z);
        let x3 = signed_bytes(packed.w);
        let at = (workgroup.x * shard.columns + first) * BLOCK + local.x;
        // At most 64 products below 2^22.
        let sums = products(
            at,
            mantissas(subgroupBroadcast(x0, 0u), subgroupBroadcast(x0, 4u)),
            mantissas(subgroupBroadcast(x1, 0u), subgroupBroadcast(x1, 4u)),
            mantissas(subgroupBroadcast(x2, 0u), subgroupBroadcast(x2, 4u)),
            mantissas(subgroupBroadcast(x3, 0u), subgroupBroadcast(x3, 4u)),
        ) + products(
            at + BLOCK,
            mantissas(subgroupBroadcast(x0, 1u), subgroupBroadcast(x0, 5u)),
            mantissas(subgroupBroadcast(x1, 1u), subgroupBroadcast(x1, 5u)),
            mantissas(subgroupBroadcast(x2, 1u), subgroupBroadcast(x2, 5u)),
            mantissas(subgroupBroadcast(x3, 1u), subgroupBroadcast(x3, 5u)),
        ) + products(
            at + 2u * BLOCK,
            mantissas(subgroupBroadcast(x0, 2u), subgroupBroadcast(x0, 6u)),
            mantissas(subgroupBroadcast(x1, 2u), subgroupBroadcast(x1, 6u)),
            mantissas(subgroupBroadcast(x2, 2u), subgroupBroadcast(x2, 6u)),
            mantissas(subgroupBroadcast(x3, 2u), subgroupBroadcast(x3, 6u)),
        ) + products(
            at + 3u * BLOCK,
            mantissas(subgroupBroadcast(x0, 3u), subgroupBroadcast(x0, 7u)),
            mantissas(subgroupBroadcast(x1, 3u), subgroupBroadcast(x1, 7u)),
            mantissas(subgroupBroadcast(x2, 3u), subgroupBroadcast(x2, 7u)),
            mantissas(subgroupBroadcast(x3, 3u), subgroupBroadcast(x3, 7u)),
        );
        high += sums >> vec4<u32>(8u);
        low += sums & vec4<i32>(255);
    }
    for (var i = 0u; i < 4u; i++) {
        let row = workgroup.x * BLOCK + i * LANES + local.x;
        if (row < shard.rows) {
            y[workgroup.y * shard.outputs + shard.first + row] = rescale(high[i], low[i], scale[row]);
        }
    }
}

fn mantissas(high: vec4<i32>, low: vec4<i32>) -> vec4<i32> {
    return high * 256 + low;
}

// Of four rows with a vector of x.
fn products(at: u32, x0: vec4<i32>, x1: vec4<i32>, x2: vec4<i32>, x3: vec4<i32>) -> vec4<i32> {
    return vec4<i32>(
        dot_mantissas(weight[at], x0, x1, x2, x3),
        dot_mantissas(weight[at + LANES], x0, x1, x2, x3),
        dot_mantissas(weight[at + 2u * LANES], x0, x1, x2, x3),
        dot_mantissas(weight[at + 3u * LANES], x0, x1, x2, x3),
    );
}

fn dot_mantissas(row: vec4<u32>, x0: vec4<i32>, x1: vec4<i32>, x2: vec4<i32>, x3: vec4<i32>) -> i32 {
    return dot(signed_bytes(row.x), x0) + dot(signed_bytes(row.y), x1) + dot(signed_bytes(row.z), x2) + dot(signed_bytes(row.w), x3);
}

// SPDX-License-Identifier: Apache-2.0
// LINEAR for eight tokens at a time where a load costs much and a subgroup has eight invocations or more: y = W x, layout in product.wgsl.
//
// Workgroup (block, tile): an invocation has four rows, a to d, and all eight tokens. Lane i loads token i, puts its mantissas together, which
// takes one multiplication in place of two, and broadcasts them. What rows of x beyond the last token give is not written.
@group(0) @binding(5) var<uniform> step: Step;

// Vectors whose products, 16 below 2^22 each, fit an i32 together.
const CHUNK = 31u;

// A row's values for eight tokens.
struct Row {
    first: vec4<i32>,
    second: vec4<i32>,
}

// A row's sums of the mantissas' products: those of this chunk, and 256 * high + low of the chunks before.
struct Sums {
    chunk: Row,
    high: Row,
    low: Row,
}

// Four columns of eight tokens.
struct Columns {
    x0: vec4<i32>,
    x1: vec4<i32>,
    x2: vec4<i32>,
    x3: vec4<i32>,
    x4: vec4<i32>,
    x5: vec4<i32>,
    x6: vec4<i32>,
    x7: vec4<i32>,
}

fn broadcast(high: u32, low: u32) -> Columns {
    let x = signed_bytes(high) * 256 + signed_bytes(low);
    return Columns(
        subgroupBroadcast(x, 0u),
        subgroupBroadcast(x, 1u),
        subgroupBroadcast(x, 2u),
        subgroupBroadcast(x, 3u),
        subgroupBroadcast(x, 4u),
        subgroupBroadcast(x, 5u),
        subgroupBroadcast(x, 6u),
        subgroupBroadcast(x, 7u),
    );
}

fn add_products(row: ptr<function, Sums>, weights: u32, x: Columns) {
    let w = signed_bytes(weights);
    (*row).chunk.first += vec4<i32>(dot(w, x.x0), dot(w, x.x1), dot(w, x.x2), dot(w, x.x3));
    (*row).chunk.second += vec4<i32>(dot(w, x.x4), dot(w, x.x5), dot(w, x.x6), dot(w, x.x7));
}

fn end_chunk(row: ptr<function, Sums>) {
    let sums = (*row).chunk;
    (*row).chunk = Row();
    (*row).high.first += sums.first >> vec4<u32>(8u);
    (*row).high.second += sums.second >> vec4<u32>(8u);
    (*row).low.first += sums.first & vec4<i32>(255);
    (*row).low.second += sums.second & vec4<i32>(255);
}

fn write(row: u32, token: u32, sums: Sums) {
    if (row < shard.rows) {
        let by = scale[row];
        for (var i = 0u; i < min(4u, step.tokens - token); i++) {
            y[(token + i) * shard.outputs + shard.first + row] = rescale(sums.high.first[i], sums.low.first[i], by);
        }
        for (var i = 4u; i < min(8u, step.tokens - token); i++) {
            y[(token + i) * shard.outputs + shard.first + row] = rescale(sums.high.second[i - 4u], sums.low.second[i - 4u], by);
        }
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(subgroup_invocation_id) invocation: u32,
) {
    let token = workgroup.y * 8u;
    let planes = (token + invocation % LANES) * 2u * shard.columns;
    var a = Sums();
    var b = Sums();
    var c = Sums();
    var d = Sums();
    for (var start = 0u; start < shard.columns; start += CHUNK) {
        for (var k = start; k < min(start + CHUNK, shard.columns); k++) {
            let at = (workgroup.x * shard.columns + k) * BLOCK + local.x;
            let row_a = weight[at];
            let row_b = weight[at + LANES];
            let row_c = weight[at + 2u * LANES];
            let row_d = weight[at + 3u * LANES];
            let high = x[planes + k];
            let low = x[planes + shard.columns + k];
            let columns_x = broadcast(high.x, low.x);
            add_products(&a, row_a.x, columns_x);
            add_products(&b, row_b.x, columns_x);
            add_products(&c, row_c.x, columns_x);
            add_products(&d, row_d.x, columns_x);
            let columns_y = broadcast(high.y, low.y);
            add_products(&a, row_a.y, columns_y);
            add_products(&b, row_b.y, columns_y);
            add_products(&c, row_c.y, columns_y);
            add_products(&d, row_d.y, columns_y);
            let columns_z = broadcast(high.z, low.z);
            add_products(&a, row_a.z, columns_z);
            add_products(&b, row_b.z, columns_z);
            add_products(&c, row_c.z, columns_z);
            add_products(&d, row_d.z, columns_z);
            let columns_w = broadcast(high.w, low.w);
            add_products(&a, row_a.w, columns_w);
            add_products(&b, row_b.w, columns_w);
            add_products(&c, row_c.w, columns_w);
            add_products(&d, row_d.w, columns_w);
        }
        end_chunk(&a);
        end_chunk(&b);
        end_chunk(&c);
        end_chunk(&d);
    }
    let row = workgroup.x * BLOCK + local.x;
    write(row, token, a);
    write(row + LANES, token, b);
    write(row + 2u * LANES, token, c);
    write(row + 3u * LANES, token, d);
}

// SPDX-License-Identifier: Apache-2.0
// ATTENTION of one query head over all positions up to its own, in fixed passes: maxima first, then sums aligned to them.
//
// queries       [tokens, HEADS, 2, HEAD_VECTORS] vectors of 16 bytes: byte planes, filled up with 0
// q_exponents   i32 [tokens, HEADS]
// cache, table  see pages.wgsl; here the cache is seen as vectors
// scores        i32 [tokens, HEADS, capacity]: scratch; an invocation's own until the last pass
// out           i32 [tokens, HEADS, HEAD_DIM]
// o_exponents   i32 [tokens, HEADS]
// Workgroup (head, token).
@group(0) @binding(0) var<storage, read> queries: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> q_exponents: array<i32>;
@group(0) @binding(2) var<storage, read> cache: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> scores: array<i32>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<i32>>;
@group(0) @binding(6) var<storage, read_write> o_exponents: array<i32>;
@group(0) @binding(7) var<uniform> step: Step;
@group(0) @binding(8) var<uniform> tables: Tables;

const QUADS = HEAD_DIM / 4u;
// The last pass cuts the positions into as many parts as the workgroup has invocations, and workgroup memory has room, for.
const PARTS = min(ATTENTION_WIDTH, max(128u, HEAD_VECTORS)) / HEAD_VECTORS;

var<workgroup> total: atomic<u32>;
var<workgroup> shares: array<array<vec4<i32>, 4>, PARTS * HEAD_VECTORS>;

// Sum over the workgroup; `total` is 0 before, which the barriers of an earlier maximum guarantee.
fn workgroup_sum(value: u32) -> u32 {
    atomicAdd(&total, value);
    workgroupBarrier();
    return atomicLoad(&total);
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

fn exponent_at(word: u32) -> i32 {
    return bitcast<i32>(cache[word / 4u][word % 4u]);
}

@compute @workgroup_size(ATTENTION_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let head = workgroup.x;
    let token = workgroup.y;
    let row = token * HEADS + head;
    let kv_head = head / (HEADS / KV_HEADS);
    let first_score = row * step.capacity;
    let count = position_of(token) + 1u;
    let pages = first_page(token);

    if (invocation == 0u) {
        atomicStore(&total, 0u);
    }
    var query: array<vec4<u32>, 2u * HEAD_VECTORS>;
    for (var i = 0u; i < 2u * HEAD_VECTORS; i++) {
        query[i] = queries[row * 2u * HEAD_VECTORS + i];
    }
    let q_exponent = q_exponents[row];
    var top = -0x40000000;
    var top_exponent = bitcast<i32>(0x80000000u);
    for (var t = invocation; t < count; t += ATTENTION_WIDTH) {
        let page = page_in(pages, t);
        let key = (page + key_in_page(kv_head, t)) / 4u;
        var high = 0;
        var low = 0;
        for (var i = 0u; i < HEAD_VECTORS; i++) {
            let k = cache[key + i];
            high += dot16(query[i], k);
            low += dot16(query[HEAD_VECTORS + i], k);
        }
        let exponent = page + exponent_in_page(kv_head, t);
        let shift = SCALE_SHIFT - 16 - (q_exponent + exponent_at(exponent));
        let score = clamp(mul_shift(high * 256 + low, SCALE_MANTISSA, shift), -0x40000000, 0x40000000);
        scores[first_score + t] = score;
        top = max(top, score);
        top_exponent = max(top_exponent, exponent_at(exponent + VALUE_EXPONENT));
    }
    top = workgroup_max_i32(top, invocation);
    top_exponent = workgroup_max_i32(top_exponent, invocation);

    var sum = 0u;
    for (var t = invocation; t < count; t += ATTENTION_WIDTH) {
        let power = exp2_negative(bitcast<u32>(top - scores[first_score + t]));
        scores[first_score + t] = bitcast<i32>(power);
        sum += power;
    }
    let inverse = divide_power(47u, workgroup_sum(sum));

    for (var t = invocation; t < count; t += ATTENTION_WIDTH) {
        let weight = shift_round64(mul_u32(bitcast<u32>(scores[first_score + t]), inverse), 24u).x;
        let exponent = page_in(pages, t) + exponent_in_page(kv_head, t) + VALUE_EXPONENT;
        let align = min(top_exponent - exponent_at(exponent), 31);
        scores[first_score + t] = shift_round(bitcast<i32>(weight), align);
    }
    storageBarrier();

    if (invocation < PARTS * HEAD_VECTORS) {
        let vector = invocation % HEAD_VECTORS;
        var sums = array<vec4<i32>, 4>();
        for (var t = invocation / HEAD_VECTORS; t < count; t += PARTS) {
            let weight = scores[first_score + t];
            let value = cache[(page_in(pages, t) + key_in_page(kv_head, t) + VALUE) / 4u + vector];
            sums[0] += weight * unpack4xI8(value.x);
            sums[1] += weight * unpack4xI8(value.y);
            sums[2] += weight * unpack4xI8(value.z);
            sums[3] += weight * unpack4xI8(value.w);
        }
        shares[invocation] = sums;
    }
    workgroupBarrier();
    for (var quad = invocation; quad < QUADS; quad += ATTENTION_WIDTH) {
        var sums = vec4<i32>(0);
        for (var part = 0u; part < PARTS; part++) {
            sums += shares[part * HEAD_VECTORS + quad / 4u][quad % 4u];
        }
        out[row * QUADS + quad] = sums;
    }
    if (invocation == 0u) {
        o_exponents[row] = top_exponent - 23;
    }
}

// SPDX-License-Identifier: Apache-2.0
// ATTENTION of one query head over all positions up to its own, in fixed passes: maxima first, then sums aligned to them.
//
// queries       u32 [tokens, HEADS, 2, HEAD_DIM / 4]: byte planes
// q_exponents   i32 [tokens, HEADS]
// cache, table  see pages.wgsl
// scores        i32 [tokens, HEADS, capacity]: scratch; an invocation's own until the last pass
// out           i32 [tokens, HEADS, HEAD_DIM]
// o_exponents   i32 [tokens, HEADS]
// Workgroup (head, token).
@group(0) @binding(0) var<storage, read> queries: array<u32>;
@group(0) @binding(1) var<storage, read> q_exponents: array<i32>;
@group(0) @binding(2) var<storage, read> cache: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> scores: array<i32>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<i32>>;
@group(0) @binding(6) var<storage, read_write> o_exponents: array<i32>;
@group(0) @binding(7) var<uniform> step: Step;
@group(0) @binding(8) var<uniform> tables: Tables;

const WORDS = HEAD_DIM / 4u;
// The last pass cuts the positions into as many parts as the workgroup has room for.
const PARTS = ATTENTION_WIDTH / WORDS;

var<workgroup> total: atomic<u32>;
var<workgroup> shares: array<vec4<i32>, ATTENTION_WIDTH>;

// Sum over the workgroup; `total` is 0 before, which the barriers of an earlier maximum guarantee.
fn workgroup_sum(value: u32) -> u32 {
    atomicAdd(&total, value);
    workgroupBarrier();
    return atomicLoad(&total);
}

fn query_dot_key(query: u32, key: u32) -> i32 {
    var high = 0;
    var low = 0;
    for (var word = 0u; word < WORDS; word++) {
        let k = cache[key + word];
        high += dot4I8Packed(queries[query + word], k);
        low += dot4I8Packed(queries[query + WORDS + word], k);
    }
    return high * 256 + low;
}

@compute @workgroup_size(ATTENTION_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let head = workgroup.x;
    let token = workgroup.y;
    let row = token * HEADS + head;
    let kv_head = head / (HEADS / KV_HEADS);
    let first_score = row * step.capacity;
    let count = position_of(token) + 1u;

    if (invocation == 0u) {
        atomicStore(&total, 0u);
    }
    var top = -0x40000000;
    var top_exponent = bitcast<i32>(0x80000000u);
    for (var t = invocation; t < count; t += ATTENTION_WIDTH) {
        let page = page_of(token, t);
        let exponent = page + exponent_in_page(kv_head, t);
        let dot = query_dot_key(row * 2u * WORDS, page + key_in_page(kv_head, t));
        let shift = SCALE_SHIFT - 16 - (q_exponents[row] + bitcast<i32>(cache[exponent]));
        let score = clamp(mul_shift(dot, SCALE_MANTISSA, shift), -0x40000000, 0x40000000);
        scores[first_score + t] = score;
        top = max(top, score);
        top_exponent = max(top_exponent, bitcast<i32>(cache[exponent + VALUE_EXPONENT]));
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
        let exponent = page_of(token, t) + exponent_in_page(kv_head, t) + VALUE_EXPONENT;
        let align = min(top_exponent - bitcast<i32>(cache[exponent]), 31);
        scores[first_score + t] = shift_round(bitcast<i32>(weight), align);
    }
    storageBarrier();

    let word = invocation % WORDS;
    var sums = vec4<i32>(0);
    if (invocation < PARTS * WORDS) {
        for (var t = invocation / WORDS; t < count; t += PARTS) {
            let value = page_of(token, t) + key_in_page(kv_head, t) + VALUE;
            sums += scores[first_score + t] * unpack4xI8(cache[value + word]);
        }
    }
    shares[invocation] = sums;
    workgroupBarrier();
    if (invocation < WORDS) {
        for (var part = 1u; part < PARTS; part++) {
            sums += shares[part * WORDS + word];
        }
        out[row * WORDS + word] = sums;
    }
    if (invocation == 0u) {
        o_exponents[row] = top_exponent - 23;
    }
}

// SPDX-License-Identifier: Apache-2.0
// HEADS: cuts the outputs of the query, key and value matrices into heads, rotates queries and keys, packs all.
//
// y             i32 [tokens, (HEADS + 2 * KV_HEADS) * HEAD_DIM]: queries, keys, values
// x_exponents   i32 [tokens]: of the row that the matrices read; a matrix adds its own constant
// rope          u32 [positions, HEAD_DIM / 2]: cosine in the low half, sine in the high half, int16 Q14
// queries       u32 [tokens, HEADS, 2, HEAD_WORDS]: byte planes as in rmsnorm.wgsl, filled up with 0
// q_exponents   i32 [tokens, HEADS]
// cache, table  see pages.wgsl
// Workgroup (head, token), heads counted through queries, keys, values.
struct Projections {
    q: i32,  // what the matrices add to the exponent
    k: i32,
    v: i32,
}

@group(0) @binding(0) var<storage, read> y: array<i32>;
@group(0) @binding(1) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(2) var<storage, read> rope: array<u32>;
@group(0) @binding(3) var<storage, read_write> queries: array<u32>;
@group(0) @binding(4) var<storage, read_write> q_exponents: array<i32>;
@group(0) @binding(5) var<storage, read_write> cache: array<u32>;
@group(0) @binding(6) var<storage, read> table: array<u32>;
@group(0) @binding(7) var<uniform> projections: Projections;

const HALF = HEAD_DIM / 2u;
const WORDS = HEAD_DIM / 4u;

var<workgroup> row: array<i32, HEAD_DIM>;

fn quad(word: u32) -> vec4<i32> {
    return vec4<i32>(row[4u * word], row[4u * word + 1u], row[4u * word + 2u], row[4u * word + 3u]);
}

// Packs the row to int16 and rotates its pairs (i, i + HALF); gives the largest size of this invocation's results.
fn rotate(position: u32, pack: i32, invocation: u32) -> u32 {
    var top = 0u;
    for (var i = invocation; i < HALF; i += HEAD_WIDTH) {
        let turn = rope[position * HALF + i];
        let cosine = bitcast<i32>(turn << 16u) >> 16u;
        let sine = bitcast<i32>(turn) >> 16u;
        let a = shift_round(row[i], pack);
        let b = shift_round(row[i + HALF], pack);
        let first = a * cosine - b * sine;
        let second = b * cosine + a * sine;
        row[i] = first;
        row[i + HALF] = second;
        top = max(top, bitcast<u32>(max(abs(first), abs(second))));
    }
    return top;
}

@compute @workgroup_size(HEAD_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let head = workgroup.x;
    let token = workgroup.y;
    let position = position_of(token);
    let is_query = head < HEADS;
    let is_value = head >= HEADS + KV_HEADS;

    var top = 0u;
    for (var i = invocation; i < HEAD_DIM; i += HEAD_WIDTH) {
        let value = y[(token * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM + i];
        row[i] = value;
        top = max(top, bitcast<u32>(abs(value)));
    }
    top = workgroup_max(top, invocation);
    var exponent = x_exponents[token];
    var widest = top;
    if (!is_value) {
        let pack = pack16_shift(top);
        exponent += pack - 14 + select(projections.k, projections.q, is_query);
        widest = rotate(position, pack, invocation);
    } else {
        exponent += projections.v;
    }
    widest = workgroup_max(widest, invocation);

    if (is_query) {
        let pack = pack16_shift(widest);
        let at = token * HEADS + head;
        for (var word = invocation; word < HEAD_WORDS; word += HEAD_WIDTH) {
            var pair = vec2<u32>(0u);
            if (word < WORDS) {
                pair = byte_planes(shift_round4(quad(word), pack));
            }
            queries[at * 2u * HEAD_WORDS + word] = pair.x;
            queries[(at * 2u + 1u) * HEAD_WORDS + word] = pair.y;
        }
        if (invocation == 0u) {
            q_exponents[at] = exponent + pack;
        }
        return;
    }
    let pack = pack8_shift(widest);
    let kv_head = head - HEADS - select(0u, KV_HEADS, is_value);
    let page = page_in(first_page(token), position);
    let at = page + key_in_page(kv_head, position) + select(0u, VALUE, is_value);
    for (var word = invocation; word < WORDS; word += HEAD_WIDTH) {
        cache[at + word] = pack4xI8(shift_round4(quad(word), pack));
    }
    if (invocation == 0u) {
        let at = page + exponent_in_page(kv_head, position) + select(0u, VALUE_EXPONENT, is_value);
        cache[at] = bitcast<u32>(exponent + pack);
    }
}

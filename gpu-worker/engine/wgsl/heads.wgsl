// SPDX-License-Identifier: Apache-2.0
// HEADS: cuts the outputs of the query, key and value matrices into heads, adds their biases, norms and rotates queries and keys, packs
// all. Of biases there are BIASES, norms are there where HEAD_NORMS.
//
// y             i32 [tokens, (HEADS + 2 * KV_HEADS) * HEAD_DIM]: queries, keys, values
// x_exponents   i32 [tokens]: of the row that the matrices read; a matrix adds its own constant
// rope          u32 [positions, HEAD_DIM / 2]: cosine in the low half, sine in the high half, int16 Q14
// queries       u32 [tokens, HEADS, 2, HEAD_WORDS]: byte planes as in residual_norm.wgsl, filled up with 0
// q_exponents   i32 [tokens, HEADS]
// cache, table  see pages.wgsl
// parameters    i32: biases [BIASES], of the outputs in their order, then gains [2, HEAD_DIM] of queries and keys; of both only what is there
// Workgroup (head, token), heads counted through queries, keys, values.
struct Projections {
    outputs: vec3<i32>,  // what the matrices of queries, keys, values add to the exponent
    epsilon: i32,        // epsilon * HEAD_DIM = epsilon * 2^-epsilon_shift
    biases: vec3<i32>,   // exponents of their biases
    epsilon_shift: i32,
    gains: vec2<i32>,    // what the gains of queries and keys take off the exponent
}

@group(0) @binding(0) var<storage, read> y: array<i32>;
@group(0) @binding(1) var<storage, read> x_exponents: array<i32>;
@group(0) @binding(2) var<storage, read> rope: array<u32>;
@group(0) @binding(3) var<storage, read_write> queries: array<u32>;
@group(0) @binding(4) var<storage, read_write> q_exponents: array<i32>;
@group(0) @binding(5) var<storage, read_write> cache: array<u32>;
@group(0) @binding(6) var<storage, read> table: array<u32>;
@group(0) @binding(7) var<storage, read> parameters: array<i32>;
@group(0) @binding(8) var<uniform> projections: Projections;

const HALF = HEAD_DIM / 2u;
const WORDS = HEAD_DIM / 4u;
const SUM_WIDTH = HEAD_WIDTH;

var<workgroup> row: array<i32, HEAD_DIM>;

fn quad(word: u32) -> vec4<i32> {
    return vec4<i32>(row[4u * word], row[4u * word + 1u], row[4u * word + 2u], row[4u * word + 3u]);
}

// Epsilon among the squares of mantissas of this exponent.
fn epsilon_at(exponent: i32) -> vec2<u32> {
    let n = projections.epsilon_shift + 2 * exponent;
    let mantissa = bitcast<u32>(projections.epsilon);
    let rounded = max(1u, shift_round_u32(mantissa, clamp(n, 0, 31)));
    let exact = shl64(vec2<u32>(mantissa, 0u), u32(clamp(-n, 0, 32)));
    return select(vec2<u32>(rounded, 0u), exact, n < 0 && mantissa > 0u);
}

// A head's own share of a row's norm, in place: the row's new exponent and the largest size of this invocation's results. `top` is the
// largest size in the row, `kind` 0 for a query, 1 for a key.
fn norm(exponent: i32, top: u32, kind: u32, invocation: u32) -> vec2<i32> {
    let shift = max(0, bit_length(top) - 22);
    var sum = vec2<u32>(0u);
    for (var i = invocation; i < HEAD_DIM; i += HEAD_WIDTH) {
        sum = add64(sum, square(shift_round(row[i], shift)));
    }
    let total = add64(workgroup_sum(sum, invocation), epsilon_at(exponent + shift));
    let zeros = even_zeros(total);
    let inverse = inverse_root(total, zeros);
    var widest = 0;
    for (var i = invocation; i < HEAD_DIM; i += HEAD_WIDTH) {
        let value = normalize(shift_round(row[i], shift), parameters[BIASES + kind * HEAD_DIM + i], inverse);
        row[i] = value;
        widest = max(widest, abs(value));
    }
    return vec2<i32>(i32(zeros / 2u) - 16 - projections.gains[kind], widest);
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

    let kind = select(select(0u, 1u, !is_query), 2u, is_value);

    var exponent = x_exponents[token] + projections.outputs[kind];
    let larger = select(exponent, max(exponent, projections.biases[kind]), BIASES > 0u);
    let own = min(larger - exponent, 31);
    let other = min(larger - projections.biases[kind], 31);
    exponent = larger;
    var top = 0u;
    for (var i = invocation; i < HEAD_DIM; i += HEAD_WIDTH) {
        var value = y[(token * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM + i];
        if (BIASES > 0u) {
            value = shift_round(value, own) + shift_round(parameters[head * HEAD_DIM + i], other);
        }
        row[i] = value;
        top = max(top, bitcast<u32>(abs(value)));
    }
    top = workgroup_max(top, invocation);
    if (HEAD_NORMS && !is_value) {
        let normed = norm(exponent, top, kind, invocation);
        exponent = normed.x;
        top = workgroup_max(bitcast<u32>(normed.y), invocation);
    }
    var widest = top;
    if (!is_value) {
        let pack = pack16_shift(top);
        exponent += pack - 14;
        widest = rotate(position, pack, invocation);
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

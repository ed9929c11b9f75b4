// SPDX-License-Identifier: Apache-2.0
// What the norms share: a sum of squares over a workgroup of SUM_WIDTH, and division by its root.
var<workgroup> shares: array<vec2<u32>, SUM_WIDTH>;

fn square(value: i32) -> vec2<u32> {
    let size = bitcast<u32>(abs(value));
    return mul_u32(size, size);
}

// Every invocation has to call it, where control flow is uniform.
fn workgroup_sum(value: vec2<u32>, invocation: u32) -> vec2<u32> {
    // Of an earlier sum, all have read the result.
    workgroupBarrier();
    shares[invocation] = value;
    for (var half = SUM_WIDTH / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (invocation < half) {
            shares[invocation] = add64(shares[invocation], shares[invocation + half]);
        }
    }
    workgroupBarrier();
    return shares[0];
}

// floor(sqrt(value)), value >= 2^62.
fn square_root(value: vec2<u32>) -> u32 {
    var root = 0u;
    for (var bit = 0x80000000u; bit != 0u; bit >>= 1u) {
        let candidate = root | bit;
        if (unsigned_le64(mul_u32(candidate, candidate), value)) {
            root = candidate;
        }
    }
    return root;
}

// Leading zero bits, rounded down to an even number; value > 0.
fn even_zeros(value: vec2<u32>) -> u32 {
    return select(countLeadingZeros(value.y), 32u + countLeadingZeros(value.x), value.y == 0u) & 62u;
}

// floor(2^62 / floor(sqrt(value * 2^zeros))).
fn inverse_root(value: vec2<u32>, zeros: u32) -> u32 {
    return divide_power(62u, square_root(shl64(value, zeros)));
}

fn normalize(x: i32, gain: i32, inverse: u32) -> i32 {
    let u = bitcast<i32>(shift_round64(mul_i32(x, gain), 15u).x);
    return bitcast<i32>(shift_round64(mul_i32_u32(u, inverse), 31u).x);
}

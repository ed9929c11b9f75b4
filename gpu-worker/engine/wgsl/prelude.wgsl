// SPDX-License-Identifier: Apache-2.0
// Arithmetic that operators share. Core WGSL with 32-bit integers only.
//
// A 64-bit integer is a vec2<u32> (low word, high word), signed ones in two's complement. Sums wrap; each caller's bounds, proven in
// ergon-exact, keep them from it. The constants in capitals that no file declares stand before this text: src/gpu/kernels.rs writes them.

// What all operators of one pass share.
struct Step {
    tokens: u32,    // rows of this pass
    capacity: u32,  // most positions of a sequence
}

// exp2: 2^(-i/256) in Q16, i in 0..=256, four to a vector. epsilon: (low, high) word for each pre-shift of a norm.
struct Tables {
    exp2: array<vec4<u32>, 65>,
    epsilon: array<vec4<u32>, 32>,
}

fn bit_length(value: u32) -> i32 {
    return 32 - i32(countLeadingZeros(value));
}

fn mul_u32(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let p00 = a0 * b0;
    let p01 = a0 * b1;
    let p10 = a1 * b0;
    let middle = (p00 >> 16u) + (p01 & 0xffffu) + (p10 & 0xffffu);
    return vec2<u32>((middle << 16u) | (p00 & 0xffffu), a1 * b1 + (p01 >> 16u) + (p10 >> 16u) + (middle >> 16u));
}

fn mul_i32(a: i32, b: i32) -> vec2<u32> {
    let product = mul_u32(bitcast<u32>(a), bitcast<u32>(b));
    let excess = select(0u, bitcast<u32>(b), a < 0) + select(0u, bitcast<u32>(a), b < 0);
    return vec2<u32>(product.x, product.y - excess);
}

// Signed times unsigned.
fn mul_i32_u32(a: i32, b: u32) -> vec2<u32> {
    let product = mul_u32(bitcast<u32>(a), b);
    return vec2<u32>(product.x, product.y - select(0u, b, a < 0));
}

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn unsigned_le64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x <= b.x);
}

// 2^n, n < 64.
fn bit64(n: u32) -> vec2<u32> {
    let bit = 1u << (n & 31u);
    return select(vec2<u32>(0u, bit), vec2<u32>(bit, 0u), n < 32u);
}

// value << shift, shift < 64.
fn shl64(value: vec2<u32>, shift: u32) -> vec2<u32> {
    let s = shift & 31u;
    if (shift >= 32u) {
        return vec2<u32>(0u, value.x << s);
    }
    // Two shifts, since one by 32 is undefined.
    return vec2<u32>(value.x << s, (value.y << s) | ((value.x >> 1u) >> (31u - s)));
}

// Arithmetic value >> shift, shift < 64.
fn shr64(value: vec2<u32>, shift: u32) -> vec2<u32> {
    let s = shift & 31u;
    let high = bitcast<i32>(value.y);
    if (shift >= 32u) {
        return vec2<u32>(bitcast<u32>(high >> s), bitcast<u32>(high >> 31u));
    }
    return vec2<u32>((value.x >> s) | ((value.y << 1u) << (31u - s)), bitcast<u32>(high >> s));
}

// value / 2^shift to the nearest, halves up; shift < 64.
fn shift_round64(value: vec2<u32>, shift: u32) -> vec2<u32> {
    if (shift == 0u) {
        return value;
    }
    return shr64(add64(value, bit64(shift - 1u)), shift);
}

// value / 2^shift to the nearest, halves up; a shift below 0 goes to the left, where the caller's bounds keep the bits. shift < 32.
fn shift_round(value: i32, shift: i32) -> i32 {
    if (shift <= 0) {
        return value << u32(-shift);
    }
    return (value >> u32(shift)) + ((value >> u32(shift - 1)) & 1);
}

fn shift_round_u32(value: u32, shift: i32) -> u32 {
    if (shift <= 0) {
        return value << u32(-shift);
    }
    return (value >> u32(shift)) + ((value >> u32(shift - 1)) & 1u);
}

fn saturated(negative: bool) -> i32 {
    return select(0x7fffffff, bitcast<i32>(0x80000000u), negative);
}

fn saturate64(value: vec2<u32>) -> i32 {
    let low = bitcast<i32>(value.x);
    let high = bitcast<i32>(value.y);
    return select(saturated(high < 0), low, high == (low >> 31u));
}

fn saturating_add(a: i32, b: i32) -> i32 {
    let sum = a + b;
    let overflow = ((a ^ sum) & (b ^ sum)) < 0;
    return select(sum, saturated(a < 0), overflow);
}

// a * b / 2^shift to the nearest, halves up, saturated.
fn mul_shift(a: i32, b: i32, shift: i32) -> i32 {
    let product = mul_i32(a, b);
    if (shift >= 0) {
        return saturate64(shift_round64(product, u32(min(shift, 62))));
    }
    let value = saturate64(product);
    let left = u32(min(-shift, 31));
    let shifted = value << left;
    return select(saturated(value < 0), shifted, (shifted >> left) == value);
}

// floor(2^exponent / divisor), where the quotient is below 2^32.
fn divide_power(exponent: u32, divisor: u32) -> u32 {
    let dividend = bit64(exponent);
    var quotient = 0u;
    for (var bit = 0x80000000u; bit != 0u; bit >>= 1u) {
        let candidate = quotient | bit;
        if (unsigned_le64(mul_u32(candidate, divisor), dividend)) {
            quotient = candidate;
        }
    }
    return quotient;
}

// Shift that packs a row whose largest size is `top` into `bits` bits and at most `limit`.
fn pack_shift(top: u32, bits: i32, limit: u32) -> i32 {
    let shift = bit_length(top) - bits;
    return shift + select(0, 1, shift_round_u32(top, shift) > limit);
}

fn pack16_shift(top: u32) -> i32 {
    return pack_shift(top, 15, 32639u);
}

fn pack8_shift(top: u32) -> i32 {
    return pack_shift(top, 7, 127u);
}

fn shift_round4(value: vec4<i32>, shift: i32) -> vec4<i32> {
    return vec4<i32>(shift_round(value.x, shift), shift_round(value.y, shift), shift_round(value.z, shift), shift_round(value.w, shift));
}

// Largest size among four values.
fn largest(value: vec4<i32>) -> u32 {
    let size = bitcast<vec4<u32>>(abs(value));
    return max(max(size.x, size.y), max(size.z, size.w));
}

// Four int16 mantissas as a word of high bytes and a word of low bytes: mantissa = 256 * high + low, both in -128..=127.
fn byte_planes(mantissa: vec4<i32>) -> vec2<u32> {
    let low = ((mantissa + 128) & vec4<i32>(255)) - 128;
    return vec2<u32>(pack4xI8((mantissa - low) >> vec4<u32>(8u)), pack4xI8(low));
}

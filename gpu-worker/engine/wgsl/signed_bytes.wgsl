// SPDX-License-Identifier: Apache-2.0
// The bytes of a word: unpack4xI8, which llvmpipe computes slower.
fn signed_bytes(word: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
}

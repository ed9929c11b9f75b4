// SPDX-License-Identifier: Apache-2.0
// DOTS: how many products of bytes a second hardware can add up: 64 in each of ROUNDS rounds of an invocation, with nothing to load.
@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

fn dots(a: u32, b: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(a, b.x), dot4I8Packed(a, b.y), dot4I8Packed(a, b.z), dot4I8Packed(a, b.w));
}

@compute @workgroup_size(PROBE_WIDTH)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = input[id.x];
    var sum = vec4<i32>(0);
    for (var round = 0u; round < ROUNDS; round++) {
        let b = a + round;
        sum += dots(a.x, b) + dots(a.y, b) + dots(a.z, b) + dots(a.w, b);
    }
    output[id.x] = bitcast<vec4<u32>>(sum);
}

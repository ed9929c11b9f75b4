// SPDX-License-Identifier: Apache-2.0
// MULTIPLICATIONS: the same by 32 multiplications of 32 bits, each of which stands for two products of bytes.
@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(PROBE_WIDTH)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = input[id.x];
    var x = vec4<u32>(0u);
    var y = vec4<u32>(0u);
    for (var round = 0u; round < ROUNDS; round++) {
        let b = a + round;
        x += a.x * b + a.y * b.yzwx + a.z * b.zwxy + a.w * b.wxyz;
        y += b.x * a.wzyx + b.y * a.zyxw + b.z * a.yxwz + b.w * a.xwzy;
    }
    output[id.x] = x ^ y;
}

// SPDX-License-Identifier: Apache-2.0
// READS: how many bytes a second can be read, as a matrix of ROUNDS vectors a row is. Invocation x adds up a row, 16 vectors at a time, so
// that little but loads is done.
@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(PROBE_WIDTH)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let stride = workgroups.x * PROBE_WIDTH;
    var sum = vec4<u32>(0u);
    for (var round = 0u; round < ROUNDS; round += 16u) {
        let at = round * stride + id.x;
        sum += four(at, stride) + four(at + 4u * stride, stride) + four(at + 8u * stride, stride) + four(at + 12u * stride, stride);
    }
    output[id.x] = sum;
}

fn four(at: u32, stride: u32) -> vec4<u32> {
    return (input[at] + input[at + stride]) + (input[at + 2u * stride] + input[at + 3u * stride]);
}

// SPDX-License-Identifier: Apache-2.0
// READS: how many bytes a second can be read, as a matrix of ROUNDS vectors a row is. Invocation x adds up a row.
@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(PROBE_WIDTH)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    var sum = vec4<u32>(0u);
    for (var round = 0u; round < ROUNDS; round++) {
        sum += input[round * workgroups.x * PROBE_WIDTH + id.x];
    }
    output[id.x] = sum;
}

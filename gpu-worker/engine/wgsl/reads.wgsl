// SPDX-License-Identifier: Apache-2.0
// READS: how many bytes a second can be read. A workgroup adds up memory that lies together, as a matrix's block does, 16 vectors of an
// invocation at a time, so that little but loads is done.
@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

@compute @workgroup_size(PROBE_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    var sum = vec4<u32>(0u);
    for (var round = 0u; round < ROUNDS; round += 16u) {
        let at = (workgroup.x * ROUNDS + round) * PROBE_WIDTH + invocation;
        sum += four(at) + four(at + 4u * PROBE_WIDTH) + four(at + 8u * PROBE_WIDTH) + four(at + 12u * PROBE_WIDTH);
    }
    output[workgroup.x * PROBE_WIDTH + invocation] = sum;
}

fn four(at: u32) -> vec4<u32> {
    return (input[at] + input[at + PROBE_WIDTH]) + (input[at + 2u * PROBE_WIDTH] + input[at + 3u * PROBE_WIDTH]);
}

// SPDX-License-Identifier: Apache-2.0
// Maximum over a workgroup. Every invocation has to call it, outside of any branch.
var<workgroup> greatest: atomic<u32>;

fn workgroup_max(value: u32, invocation: u32) -> u32 {
    workgroupBarrier();
    if (invocation == 0u) {
        atomicStore(&greatest, 0u);
    }
    workgroupBarrier();
    atomicMax(&greatest, value);
    workgroupBarrier();
    return atomicLoad(&greatest);
}

// The same for signed values: flipping the sign bit keeps their order.
fn workgroup_max_i32(value: i32, invocation: u32) -> i32 {
    return bitcast<i32>(workgroup_max(bitcast<u32>(value) ^ 0x80000000u, invocation) ^ 0x80000000u);
}

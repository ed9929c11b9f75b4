// SPDX-License-Identifier: Apache-2.0
// The token with the highest logit, the lowest id among equals: greedy decoding.
//
// logits  i32 [tokens, VOCABULARY]
// tokens  u32 [tokens]
// One workgroup a token.
@group(0) @binding(0) var<storage, read> logits: array<i32>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;

@compute @workgroup_size(ROW_WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let first = workgroup.x * VOCABULARY;
    var highest = bitcast<i32>(0x80000000u);
    // A row may have fewer tokens than there are invocations.
    var likeliest = 0xffffffffu;
    for (var token = invocation; token < VOCABULARY; token += ROW_WIDTH) {
        let logit = logits[first + token];
        if (logit > highest || likeliest == 0xffffffffu) {
            highest = logit;
            likeliest = token;
        }
    }
    let top = workgroup_max_i32(highest, invocation);
    // The complement turns the lowest id into the greatest number; 0 is nobody's.
    let complement = workgroup_max(select(0u, ~likeliest, highest == top), invocation);
    if (invocation == 0u) {
        tokens[workgroup.x] = ~complement;
    }
}

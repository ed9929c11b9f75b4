// SPDX-License-Identifier: Apache-2.0
// 2^-d in Q16 for d in Q16, from the table with linear interpolation.
fn exp2_negative(d: u32) -> u32 {
    let whole = d >> 16u;
    if (whole >= 31u) {
        return 0u;
    }
    let index = (d >> 8u) & 255u;
    let next = index + 1u;
    let a = tables.exp2[index >> 2u][index & 3u];
    let b = tables.exp2[next >> 2u][next & 3u];
    return (a - (((a - b) * (d & 255u) + 128u) >> 8u)) >> whole;
}

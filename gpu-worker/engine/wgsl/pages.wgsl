// SPDX-License-Identifier: Apache-2.0
// The KV cache of a layer in pages of PAGE positions, and where the rows of a pass find theirs.
//
// cache   u32 [pages, PAGE_WORDS]; a page is one array after the other:
//             keys             [KV_HEADS, PAGE, HEAD_DIM / 4]: int8, four to a word
//             values           [KV_HEADS, PAGE, HEAD_DIM / 4]
//             key exponents    [KV_HEADS, PAGE]: i32
//             value exponents  [KV_HEADS, PAGE]
// table   u32: for each row its position and the index in `table` of its sequence's first page; behind them all, the pages of each sequence
const KEYS = KV_HEADS * PAGE * (HEAD_DIM / 4u);
const EXPONENTS = 2u * KEYS;
const PAGE_WORDS = EXPONENTS + 2u * KV_HEADS * PAGE;
// From a key to its value.
const VALUE = KEYS;
// From the exponent of a key to that of its value.
const VALUE_EXPONENT = KV_HEADS * PAGE;

fn position_of(row: u32) -> u32 {
    return table[2u * row];
}

// First word of the page that has position `t` of the row's sequence.
fn page_of(row: u32, t: u32) -> u32 {
    return table[table[2u * row + 1u] + t / PAGE] * PAGE_WORDS;
}

// From the first word of a page to the key of position `t`.
fn key_in_page(head: u32, t: u32) -> u32 {
    return (head * PAGE + t % PAGE) * (HEAD_DIM / 4u);
}

// From the first word of a page to the exponent of the key of position `t`.
fn exponent_in_page(head: u32, t: u32) -> u32 {
    return EXPONENTS + head * PAGE + t % PAGE;
}

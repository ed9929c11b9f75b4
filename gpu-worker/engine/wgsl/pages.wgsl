// SPDX-License-Identifier: Apache-2.0
// The KV cache of a layer in pages of PAGE positions, and where the rows of a pass find theirs.
//
// cache   u32 [pages, PAGE_WORDS]; a page is one array after the other:
//             keys             [KV_HEADS, PAGE, HEAD_WORDS]: int8, four to a word, HEAD_DIM up to a multiple of 16; what is beyond counts for nothing
//             values           [KV_HEADS, PAGE, HEAD_WORDS]
//             key exponents    [KV_HEADS, PAGE]: i32
//             value exponents  [KV_HEADS, PAGE]
// table   u32: for each row its position and the index in `table` of its sequence's first page; behind them all, the pages of each sequence
const HEAD_VECTORS = (HEAD_DIM + 15u) / 16u;
const HEAD_WORDS = 4u * HEAD_VECTORS;
const KEYS = KV_HEADS * PAGE * HEAD_WORDS;
const EXPONENTS = 2u * KEYS;
const PAGE_WORDS = EXPONENTS + 2u * KV_HEADS * PAGE;
// From a key to its value.
const VALUE = KEYS;
// From the exponent of a key to that of its value.
const VALUE_EXPONENT = KV_HEADS * PAGE;

fn position_of(row: u32) -> u32 {
    return table[2u * row];
}

// Where the pages of the row's sequence begin in `table`.
fn first_page(row: u32) -> u32 {
    return table[2u * row + 1u];
}

// First word of the page that has position `t` of the sequence whose pages begin at `first`.
fn page_in(first: u32, t: u32) -> u32 {
    return table[first + t / PAGE] * PAGE_WORDS;
}

// From the first word of a page to the key of position `t`.
fn key_in_page(head: u32, t: u32) -> u32 {
    return (head * PAGE + t % PAGE) * HEAD_WORDS;
}

// From the first word of a page to the exponent of the key of position `t`.
fn exponent_in_page(head: u32, t: u32) -> u32 {
    return EXPONENTS + head * PAGE + t % PAGE;
}

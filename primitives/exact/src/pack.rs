// SPDX-License-Identifier: Apache-2.0
//! Block floating point: a row of 32-bit mantissas to the widest row of `i16` or `i8` mantissas under one exponent.
use crate::{
    round::{bit_length, shift_round},
    TOP,
};

#[inline]
fn largest(row: &[i32]) -> u32 {
    row.iter().fold(0, |largest, value| largest.max(value.unsigned_abs()))
}

/// Least shift after which the largest of a row has at most `bits` bits and, rounded, is at most `top`.
#[inline]
fn shift(largest: u32, bits: i32, top: i64) -> i32 {
    let s = bit_length(largest) - bits;
    if shift_round(i64::from(largest), s) > top {
        s + 1
    } else {
        s
    }
}

/// Packs a row to mantissas of at most 32639 in size and returns what has to be added to its exponent, -15 to 18.
///
/// `out[i] = shift_round(row[i], s)` with `s = bits(max |row|) - 15`, or one more if the largest would round above 32639. A row of zeros
/// gives zeros and -15. Error: half a unit of the result, at most 2^-15 of the row's largest. Overflow: none, on any input.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn pack16(row: &[i32], out: &mut [i16]) -> i32 {
    assert_eq!(row.len(), out.len());
    let s = shift(largest(row), 15, i64::from(TOP));
    for (out, value) in out.iter_mut().zip(row) {
        *out = shift_round(i64::from(*value), s) as i16;
    }
    s
}

/// Packs a row to mantissas of at most 127 in size and returns what has to be added to its exponent, -7 to 26.
///
/// As [`pack16`] with 7 bits and 127. Error: half a unit of the result, at most 2^-7 of the row's largest.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn pack8(row: &[i32], out: &mut [i8]) -> i32 {
    assert_eq!(row.len(), out.len());
    let s = shift(largest(row), 7, 127);
    for (out, value) in out.iter_mut().zip(row) {
        *out = shift_round(i64::from(*value), s) as i8;
    }
    s
}

/// Packs a key that is not rotated, as if it were: [`pack16`], then [`pack8`]. Returns what has to be added to its exponent.
///
/// Error: half a unit of the result, and half a unit of what [`pack16`] gives.
///
/// # Panics
/// If the lengths differ.
pub fn pack_key(row: &[i32], out: &mut [i8]) -> i32 {
    assert_eq!(row.len(), out.len());
    let first = shift(largest(row), 15, i64::from(TOP));
    let packed = |value: &i32| shift_round(i64::from(*value), first);
    let largest = row.iter().fold(0, |largest: u32, value| {
        largest.max(packed(value).unsigned_abs() as u32)
    });
    let second = shift(largest, 7, 127);
    for (out, value) in out.iter_mut().zip(row) {
        *out = shift_round(packed(value), second) as i8;
    }
    first + second
}

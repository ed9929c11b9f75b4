// SPDX-License-Identifier: Apache-2.0
//! Exact inference: the integer arithmetic of decoders of the Llama family and of BERT encoders, version 1.
//!
//! This crate is the specification. It is plain scalar Rust: no floats, no `std`, no dependencies, no allocation. Every backend equals it
//! bit for bit, and the chain can run any operator of it to judge a dispute.
//!
//! # Numbers
//!
//! A *row* is a slice of mantissas under one power-of-two exponent: value `mantissa * 2^exponent`. Rows are as follows.
//!
//! | row | mantissas | exponent |
//! |---|---|---|
//! | residual stream | `i32` | always -12 |
//! | input of a matrix | `i16`, at most 32639 in size, so that the byte planes of [`linear::planes`] stay in `i8` | one a token |
//! | query head after rotation | `i16`, at most 32639 | one a (token, head) |
//! | key, value head in the cache | `i8`, at most 127 in size | one a (token, head) |
//! | output of a matrix, logits | `i32` | one a token |
//!
//! There is one rounding rule: to the nearest, halves up ([`round::shift_round`]). Where something else happens (a floor in a division), it is
//! said.
//!
//! # A token's way
//!
//! ```text
//! h = embed(id)
//! each layer:  x = pack16(rms_norm(h));  q, k, v = linear(x)      where the model has biases: each = bias::add(each)
//!              q, k = head_norm(q), head_norm(k)                  a head each, where the model has such norms
//!              q = pack16(rotate(pack16(q)));  k = pack8(rotate(pack16(k)));  v = pack8(v)     a head each
//!              a = pack16(join_heads(attend(q, keys, values)))
//!              h += linear_o(a)
//!              x = pack16(rms_norm(h));  g = pack16(linear_gate(x));  u = pack16(linear_up(x))
//!              h += linear_down(pack16(gate(g, u)))
//! hidden = pack16(rms_norm(h));  logits = linear_head(hidden);  next = sample(logits)
//! ```
//!
//! # A text's way through an encoder
//!
//! ```text
//! norm(h) = replace(h, bias::add(layer_norm(h)))                  every matrix has a bias, too
//! h = embed(id) + embed(position) + token type;  norm(h)          for each token
//! each layer:  x = pack16(h);  q, k, v = linear(x)
//!              q = pack16(q);  k = pack8(pack16(k));  v = pack8(v)    a head each
//!              h += linear_o(pack16(join_heads(attend(q, keys, values))));  norm(h)      over all tokens
//!              h += linear_down(pack16(gelu(pack16(linear_up(pack16(h))))));  norm(h)
//! embedding = unit(sum of h over the tokens)
//! ```
//!
//! Sums run over integers that can't overflow, so their order is free: any tiling, batching or device gives the same bits. Operators of
//! rows are `#[inline]`, so that a backend gets them compiled for its own instruction set.
//!
//! ```
//! use ergon_exact::{linear, pack};
//! // 3.0 and -1.5 as a row with exponent -1, times the matrix [[2, 1]] with scale 5 * 2^-3.
//! let mut x = [0i16; 2];
//! let exponent = -1 + pack::pack16(&[6, -3], &mut x);
//! let mut y = [0i32; 1];
//! let shift = linear::output_shift(2, &[2, 1], &[5]);
//! linear::linear(&[2, 1], &[5], shift, &x, &mut y);
//! let exponent = linear::output_exponent(exponent, 3, shift);
//! assert_eq!(f64::from(y[0]) * 2f64.powi(exponent), (2.0 * 3.0 - 1.5) * 5.0 / 8.0);
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, missing_docs)]

pub mod attention;
pub mod bias;
pub mod embed;
pub mod gate;
pub mod gelu;
pub mod linear;
pub mod norm;
pub mod pack;
pub mod pool;
pub mod residual;
pub mod rope;
pub mod round;
pub mod sampling;
pub mod tables;

/// Exponent of the residual stream: its values are `h * 2^-12`.
pub const RESIDUAL_EXPONENT: i32 = -12;
/// Largest mantissa of an `i16` row: the largest that splits into two `i8` planes.
pub const TOP: i32 = 32639;
/// Most positions that attention is proven for.
pub const MAX_CONTEXT: usize = 32768;
/// Widest head that attention is proven for.
pub const MAX_HEAD_DIM: usize = 512;
/// Most columns that a matrix is proven for.
pub const MAX_COLUMNS: usize = 65536;

// SPDX-License-Identifier: Apache-2.0
//! Encodings of weights in sources, decoded to IEEE single precision.
//!
//! Block encodings are those of [ggml](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): 32 weights share a scale, decoded with
//! single-precision products and sums exactly as ggml decodes them, so that a folder that was converted from a GGUF file in F32
//! gives the same artifact as the GGUF file.
use half::{bf16, f16};

/// How weights are stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    F32,
    F16,
    Bf16,
    /// 32 weights: scale (F16), 32 signed bytes.
    Q8_0,
    /// 32 weights: scale (F16), minimum (F16), 32 nibbles, the low ones of 16 bytes first.
    Q4_1,
}

impl Encoding {
    /// Weights in a block, and bytes that the block takes.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q4_1 => (32, 20),
        }
    }

    /// Bytes of a row of `columns` weights; `None` if it is no whole number of blocks.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let (weights, bytes) = self.block();
        columns
            .is_multiple_of(weights)
            .then(|| columns / weights)?
            .checked_mul(bytes)
    }

    /// Decodes a row into `out`. `bytes` are the row's, as [`Encoding::row_bytes`] counts them.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let (weights, size) = self.block();
        for (block, out) in bytes.chunks_exact(size).zip(out.chunks_exact_mut(weights)) {
            match self {
                Self::F32 => out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
                Self::F16 => out[0] = half_at(block, 0),
                Self::Bf16 => out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
                Self::Q8_0 => {
                    let scale = half_at(block, 0);
                    for (out, q) in out.iter_mut().zip(&block[2..]) {
                        *out = scale * f32::from(*q as i8);
                    }
                }
                Self::Q4_1 => {
                    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
                    let (low, high) = out.split_at_mut(16);
                    for ((low, high), q) in low.iter_mut().zip(high).zip(&block[4..]) {
                        *low = scale * f32::from(q & 15) + minimum;
                        *high = scale * f32::from(q >> 4) + minimum;
                    }
                }
            }
        }
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, bytes: &[u8], count: usize) -> Vec<f32> {
        assert_eq!(encoding.row_bytes(count), Some(bytes.len()));
        let mut out = vec![0.0; count];
        encoding.decode(bytes, &mut out);
        out
    }

    #[test]
    fn plain_encodings_keep_their_values() {
        let values = [0.0f32, -1.5, 65504.0, 6.103_515_6e-5];
        let f32s: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let f16s: Vec<u8> = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        let bf16s: Vec<u8> = [0.0f32, -1.5, 65536.0, 2.0]
            .iter()
            .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
            .collect();
        assert_eq!(decoded(Encoding::F32, &f32s, 4), values);
        assert_eq!(decoded(Encoding::F16, &f16s, 4), values);
        assert_eq!(decoded(Encoding::Bf16, &bf16s, 4), [0.0, -1.5, 65536.0, 2.0]);
    }

    #[test]
    fn q8_0_is_scale_times_signed_byte() {
        let mut block = f16::from_f32(0.25).to_le_bytes().to_vec();
        block.extend((0..32).map(|i| (i as i8 - 16) as u8));
        let expected: Vec<f32> = (0..32).map(|i| 0.25 * (i - 16) as f32).collect();
        assert_eq!(decoded(Encoding::Q8_0, &block, 32), expected);
    }

    #[test]
    fn q4_1_has_the_low_nibbles_first() {
        let mut block = f16::from_f32(0.5).to_le_bytes().to_vec();
        block.extend(f16::from_f32(-3.0).to_le_bytes());
        block.extend((0..16u8).map(|i| i | ((15 - i) << 4)));
        let expected: Vec<f32> = (0..16).chain((0..16).rev()).map(|q| 0.5 * q as f32 - 3.0).collect();
        assert_eq!(decoded(Encoding::Q4_1, &block, 32), expected);
    }

    #[test]
    fn a_row_that_is_no_whole_number_of_blocks_has_no_size() {
        assert_eq!(Encoding::Q4_1.row_bytes(48), None);
        assert_eq!(Encoding::F32.row_bytes(usize::MAX), None);
    }
}

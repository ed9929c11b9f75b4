// SPDX-License-Identifier: Apache-2.0
//! The tensors of a model: matrices, gains, biases, each within the bounds that the arithmetic is proven for.
use super::{expect, ModelError};
use std::{fmt, ops::Range, sync::Arc};

/// Memory that tensors are views of.
pub trait Memory: Send + Sync {
    /// Its bytes, which never change.
    fn bytes(&self) -> &[u8];

    /// Says that the bytes won't be read soon: a mapped file's then no longer count towards this process's memory, until they are read again.
    fn release(&self) {}
}

impl Memory for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Bytes of a tensor: a view into memory that tensors may share.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn Memory>,
    range: Range<usize>,
}

impl Bytes {
    /// View of `range` in `owner`; `None` if the owner is shorter.
    pub fn view(owner: Arc<dyn Memory>, range: Range<usize>) -> Option<Self> {
        owner.bytes().get(range.clone())?;
        Some(Self { owner, range })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.owner.bytes()[self.range.clone()]
    }

    /// Says that they won't be read soon, see [`Memory::release`].
    pub fn release(&self) {
        self.owner.release();
    }

    /// The bytes as signed integers.
    pub fn as_i8(&self) -> &[i8] {
        bytemuck::cast_slice(self.as_bytes())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            range: 0..bytes.len(),
            owner: Arc::new(bytes),
        }
    }
}

impl From<Vec<i8>> for Bytes {
    fn from(values: Vec<i8>) -> Self {
        bytemuck::cast_vec::<i8, u8>(values).into()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.range.len())
    }
}

/// Constants that are added to the output of a matrix or a LayerNorm: `value * 2^-f`.
#[derive(Clone, Debug)]
pub struct Bias {
    values: Vec<i32>,
    f: i32,
}

impl Bias {
    /// Bias of these mantissas, each below 2^29 in size. `name` is for the error.
    pub fn new(name: &str, values: Vec<i32>, f: i32) -> Result<Self, ModelError> {
        if values
            .iter()
            .any(|value| value.unsigned_abs() >= ergon_exact::bias::BOUND.unsigned_abs())
        {
            return Err(ModelError::range(name, "a bias is not below 2^29"));
        }
        if !(-64..=64).contains(&f) {
            return Err(ModelError::range(name, "the exponent is not in -64..=64"));
        }
        Ok(Self { values, f })
    }

    /// Mantissas, one an output.
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// Exponent of the mantissas, negated.
    pub fn f(&self) -> i32 {
        self.f
    }
}

/// A matrix `[rows, columns]`, row after row; also the embedding, `[vocabulary, hidden]`.
#[derive(Clone, Debug)]
pub struct Linear {
    rows: usize,
    columns: usize,
    weight: Bytes,
    scale: Vec<i32>,
    f: i32,
    s: u32,
    bias: Option<Bias>,
}

impl Linear {
    /// Matrix with one `scale` a row, in `0..2^24`. Value of a weight: `weight * scale * 2^-f`. `s` is how far a product is shifted right
    /// to fit 32 bits, as [`Linear::output_shift`] computes it; any other `s` is refused. `name` is for the error.
    pub fn new(name: &str, columns: usize, weight: Bytes, scale: Vec<i32>, f: i32, s: u32) -> Result<Self, ModelError> {
        let rows = scale.len();
        expect(&format!("{name}.weight"), weight.as_bytes().len(), rows * columns)?;
        if columns == 0 || columns > ergon_exact::MAX_COLUMNS || !columns.is_multiple_of(4) || !rows.is_multiple_of(4) {
            return Err(ModelError::range(
                name,
                "rows and columns are multiples of 4, columns 4 to 65536",
            ));
        }
        if scale.iter().any(|scale| !(0..1 << 24).contains(scale)) {
            return Err(ModelError::range(name, "a row's scale is not in 0..2^24"));
        }
        if !(-64..=64).contains(&f) {
            return Err(ModelError::range(name, "the scale's exponent is not in -64..=64"));
        }
        if s != Self::output_shift(columns, weight.as_i8(), &scale) {
            return Err(ModelError::range(
                name,
                "the output's shift is not the one that its weights demand",
            ));
        }
        Ok(Self {
            rows,
            columns,
            weight,
            scale,
            f,
            s,
            bias: None,
        })
    }

    /// The matrix with a bias, which has one value a row.
    pub fn with_bias(self, name: &str, bias: Option<Bias>) -> Result<Self, ModelError> {
        if let Some(bias) = &bias {
            expect(&format!("{name}.bias"), bias.values.len(), self.rows)?;
        }
        Ok(Self { bias, ..self })
    }

    /// The shift that [`Linear::new`] demands, see [`ergon_exact::linear::output_shift`].
    pub fn output_shift(columns: usize, weight: &[i8], scale: &[i32]) -> u32 {
        ergon_exact::linear::output_shift(columns, weight, scale)
    }

    /// Number of outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All weights, row after row.
    pub fn weight(&self) -> &[i8] {
        self.weight.as_i8()
    }

    /// Says that the weights won't be read soon, see [`Memory::release`].
    pub fn release(&self) {
        self.weight.release();
    }

    /// Weights of one row.
    pub fn row(&self, row: usize) -> &[i8] {
        &self.weight.as_i8()[row * self.columns..][..self.columns]
    }

    /// One scale a row, in `0..2^24`.
    pub fn scale(&self) -> &[i32] {
        &self.scale
    }

    /// Exponent of the scales: their value is `scale * 2^-f`.
    pub fn f(&self) -> i32 {
        self.f
    }

    /// Shift of the outputs.
    pub fn s(&self) -> u32 {
        self.s
    }

    /// What is added to the outputs.
    pub fn bias(&self) -> Option<&Bias> {
        self.bias.as_ref()
    }
}

/// Gain of an RMSNorm or LayerNorm over `width` elements: `gain * sqrt(width) = mantissa * 2^-exponent`.
#[derive(Clone, Debug)]
pub struct Norm {
    gain: Vec<i32>,
    exponent: i32,
    bias: Option<Bias>,
}

impl Norm {
    /// Gain of these mantissas, each below 2^23 in size. `name` is for the error.
    pub fn new(name: &str, gain: Vec<i32>, exponent: i32) -> Result<Self, ModelError> {
        if gain.iter().any(|gain| gain.unsigned_abs() >= 1 << 23) {
            return Err(ModelError::range(name, "a gain is not below 2^23"));
        }
        if !(-64..=64).contains(&exponent) {
            return Err(ModelError::range(name, "the exponent is not in -64..=64"));
        }
        Ok(Self {
            gain,
            exponent,
            bias: None,
        })
    }

    /// The norm with a bias, which has one value an element.
    pub fn with_bias(self, name: &str, bias: Option<Bias>) -> Result<Self, ModelError> {
        if let Some(bias) = &bias {
            expect(&format!("{name}.bias"), bias.values.len(), self.gain.len())?;
        }
        Ok(Self { bias, ..self })
    }

    /// Mantissas, one an element.
    pub fn gain(&self) -> &[i32] {
        &self.gain
    }

    /// Exponent of the mantissas, negated.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// What is added to the outputs: only a LayerNorm has that.
    pub fn bias(&self) -> Option<&Bias> {
        self.bias.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_outside_of_the_proven_range_is_refused() {
        let new =
            |columns, count, scale: Vec<i32>, f, s| Linear::new("m", columns, vec![127i8; count].into(), scale, f, s);
        let shift = Linear::output_shift(8, &[127; 32], &[(1 << 24) - 1; 4]);
        assert!(new(8, 32, vec![(1 << 24) - 1; 4], 0, shift).is_ok());
        assert!(new(8, 32, vec![(1 << 24) - 1; 4], 0, shift - 1).is_err());
        assert!(new(8, 31, vec![1; 4], 0, 0).is_err());
        assert!(new(6, 24, vec![1; 4], 0, 0).is_err());
        assert!(new(8, 32, vec![1 << 24; 4], 0, shift).is_err());
        assert!(new(8, 32, vec![-1; 4], 0, 0).is_err());
        assert!(new(8, 32, vec![1; 4], 65, 0).is_err());
    }

    #[test]
    fn a_bias_outside_of_the_proven_range_or_of_another_length_is_refused() {
        let bias = |value, f| Bias::new("m.bias", vec![value; 4], f);
        for (value, f) in [((1 << 29) - 1, 64), (1 - (1 << 29), -64)] {
            assert!(bias(value, f).is_ok());
        }
        for (value, f) in [(1 << 29, 0), (-(1 << 29), 0), (i32::MIN, 0), (0, 65), (0, -65)] {
            assert!(matches!(bias(value, f), Err(ModelError::Range { .. })));
        }
        let matrix = |rows: usize| {
            let weight: Bytes = vec![1i8; rows * 4].into();
            let shift = Linear::output_shift(4, weight.as_i8(), &vec![1; rows]);
            Linear::new("m", 4, weight, vec![1; rows], 0, shift).unwrap()
        };
        assert!(matrix(4).with_bias("m", bias(1, 0).ok()).is_ok());
        let refused = matrix(8).with_bias("m", bias(1, 0).ok()).unwrap_err();
        assert_eq!(refused.to_string(), "m.bias has 4 elements, the dimensions demand 8");
    }
}

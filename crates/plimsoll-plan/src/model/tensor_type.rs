//! The types that tensors come in, and what a block of each takes.

use std::fmt;
use std::str::FromStr;

use plimsoll::Bytes;
use serde::{Deserialize, Serialize};

/// How numbers are stored: by blocks of some elements that take some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are GGUF's and safetensors' own")]
#[expect(non_camel_case_types, reason = "the names are GGUF's own")]
#[serde(rename_all = "lowercase")]
pub enum TensorType {
    F64,
    F32,
    F16,
    BF16,
    F8,
    I8,
    I16,
    I32,
    I64,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ4_XS,
    IQ4_NL,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    Q1_0,
}

use TensorType as T;

/// Each type, its name, GGUF's number for it, and a block's elements and bytes.
const TABLE: [(T, &str, Option<u32>, u64, u64); 35] = [
    (T::F64, "f64", Some(28), 1, 8),
    (T::F32, "f32", Some(0), 1, 4),
    (T::F16, "f16", Some(1), 1, 2),
    (T::BF16, "bf16", Some(30), 1, 2),
    (T::F8, "f8", None, 1, 1),
    (T::I8, "i8", Some(24), 1, 1),
    (T::I16, "i16", Some(25), 1, 2),
    (T::I32, "i32", Some(26), 1, 4),
    (T::I64, "i64", Some(27), 1, 8),
    (T::Q4_0, "q4_0", Some(2), 32, 18),
    (T::Q4_1, "q4_1", Some(3), 32, 20),
    (T::Q5_0, "q5_0", Some(6), 32, 22),
    (T::Q5_1, "q5_1", Some(7), 32, 24),
    (T::Q8_0, "q8_0", Some(8), 32, 34),
    (T::Q8_1, "q8_1", Some(9), 32, 36),
    (T::Q2_K, "q2_k", Some(10), 256, 84),
    (T::Q3_K, "q3_k", Some(11), 256, 110),
    (T::Q4_K, "q4_k", Some(12), 256, 144),
    (T::Q5_K, "q5_k", Some(13), 256, 176),
    (T::Q6_K, "q6_k", Some(14), 256, 210),
    (T::Q8_K, "q8_k", Some(15), 256, 292),
    (T::IQ2_XXS, "iq2_xxs", Some(16), 256, 66),
    (T::IQ2_XS, "iq2_xs", Some(17), 256, 74),
    (T::IQ3_XXS, "iq3_xxs", Some(18), 256, 98),
    (T::IQ1_S, "iq1_s", Some(19), 256, 50),
    (T::IQ4_NL, "iq4_nl", Some(20), 32, 18),
    (T::IQ3_S, "iq3_s", Some(21), 256, 110),
    (T::IQ2_S, "iq2_s", Some(22), 256, 82),
    (T::IQ4_XS, "iq4_xs", Some(23), 256, 136),
    (T::IQ1_M, "iq1_m", Some(29), 256, 56),
    (T::TQ1_0, "tq1_0", Some(34), 256, 54),
    (T::TQ2_0, "tq2_0", Some(35), 256, 66),
    (T::MXFP4, "mxfp4", Some(39), 32, 17),
    (T::NVFP4, "nvfp4", Some(40), 64, 36),
    (T::Q1_0, "q1_0", Some(41), 128, 18),
];

impl TensorType {
    /// Every type.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, Option<u32>, u64, u64) {
        // Every variant has a row (`each_type_has_a_row` below), so the last is never taken for another.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[TABLE.len() - 1])
    }

    /// As files and programs write it, in small letters: `q4_k`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type that GGUF gives this number.
    pub fn of_gguf(number: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.2 == Some(number)).map(|row| row.0)
    }

    /// GGUF's number for it, where it has one.
    pub fn gguf(self) -> Option<u32> {
        self.row().2
    }

    /// Elements in a block.
    pub fn block_elements(self) -> u64 {
        self.row().3
    }

    /// What a block takes.
    pub fn block_bytes(self) -> Bytes {
        Bytes::new(self.row().4)
    }

    /// Bits that one weight takes on average.
    #[expect(clippy::cast_precision_loss, reason = "blocks are small")]
    pub fn bits(self) -> f64 {
        self.row().4 as f64 * 8.0 / self.row().3 as f64
    }

    /// What so many elements take: whole blocks. `None` when that cannot be written.
    pub fn size(self, elements: u64) -> Option<Bytes> {
        self.block_bytes().checked_mul(elements.div_ceil(self.block_elements()))
    }

    /// Whether several elements share a scale.
    pub fn is_quantized(self) -> bool {
        self.block_elements() > 1
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no type of numbers; known are f32, f16, bf16, q8_0, q4_0, q4_k, iq4_xs, mxfp4 and others of GGUF"
)]
pub struct ParseTensorTypeError(pub String);

impl FromStr for TensorType {
    type Err = ParseTensorTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let small = text.trim().to_ascii_lowercase();
        let found = TABLE.iter().find(|row| row.1 == small).map(|row| row.0);
        found.ok_or_else(|| ParseTensorTypeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_row_of_its_own_and_reads_back() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.1.parse(), Ok(row.0));
            assert!(
                TABLE[..index].iter().all(|other| other.0 != row.0 && (row.2.is_none() || other.2 != row.2))
            );
        }
        assert_eq!(T::Q1_0 as usize + 1, TABLE.len(), "as many rows as types");
    }

    #[test]
    fn sizes_are_whole_blocks() {
        assert_eq!(T::Q4_K.size(4096), Some(Bytes::new(16 * 144)));
        assert_eq!(T::Q8_0.size(33), Some(Bytes::new(68)));
        assert_eq!(T::F64.size(u64::MAX), None);
        assert!((T::Q4_K.bits() - 4.5).abs() < 1e-9);
    }
}

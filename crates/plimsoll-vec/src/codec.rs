//! How a vector's numbers are kept.

use std::fmt;
use std::str::FromStr;

use crate::Metric;

/// Rows whose numbers and scales stand together. See [`Codec::block_bytes`].
pub const BLOCK_ROWS: usize = 64;

/// A code for vectors.
///
/// Rows are kept in blocks of [`BLOCK_ROWS`]: their codes, each [`code_bytes`](Self::code_bytes), and their sides, each
/// [`side_bytes`](Self::side_bytes), as [`Layout`](crate::Layout) says. A block is whole even where it is not full, so the
/// row `n` of a column is found by a multiplication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// As they are.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// A byte a number, −127..=127 times a scale of the vector.
    Int8,
    /// A byte a number, 0..=255 between the least and the greatest of the vector.
    Int8Affine,
    /// Half a byte a number, 0..=15 between two values of the vector.
    Int4,
    /// The sign of each number.
    Binary,
    /// Four bits a number by planes: the signs stand apart and are looked through first.
    Planes,
    /// Half a byte for two numbers: the nearest of sixteen pairs that were learnt.
    Pq2,
    /// Half a byte for four numbers, likewise.
    Pq4,
    /// Half a byte for eight numbers, likewise.
    Pq8,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Int8,
        Self::Int8Affine,
        Self::Int4,
        Self::Binary,
        Self::Planes,
        Self::Pq2,
        Self::Pq4,
        Self::Pq8,
    ];

    /// What the numbers of one vector take.
    pub fn code_bytes(self, dimension: usize) -> usize {
        match self {
            Self::F32 => dimension.saturating_mul(4),
            Self::F16 | Self::Bf16 => dimension.saturating_mul(2),
            Self::Int8 | Self::Int8Affine => dimension,
            Self::Int4 => dimension.div_ceil(2),
            Self::Binary => dimension.div_ceil(8),
            Self::Planes => dimension.div_ceil(8).saturating_mul(4),
            Self::Pq2 | Self::Pq4 | Self::Pq8 => self.groups(dimension).div_ceil(2),
        }
    }

    /// Numbers of a vector that share half a byte, where the codec learns what the halves stand for
    /// ([`Codebooks`](crate::Codebooks)); none where there is nothing to learn.
    pub fn group(self) -> Option<usize> {
        match self {
            Self::Pq2 => Some(2),
            Self::Pq4 => Some(4),
            Self::Pq8 => Some(8),
            _ => None,
        }
    }

    /// How many such groups a vector has; the last may be shorter.
    pub(crate) fn groups(self, dimension: usize) -> usize {
        self.group().map_or(0, |numbers| dimension.div_ceil(numbers))
    }

    /// What stands beside them: scale, offset, and what makes a distance of a product.
    pub fn side_bytes(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 0,
            Self::Int8 | Self::Pq2 | Self::Pq4 | Self::Pq8 => 4,
            Self::Int8Affine | Self::Int4 | Self::Binary | Self::Planes => 8,
        }
    }

    /// One vector, code and side.
    pub fn row_bytes(self, dimension: usize) -> usize {
        self.code_bytes(dimension).saturating_add(self.side_bytes())
    }

    /// A block of [`BLOCK_ROWS`] vectors.
    pub fn block_bytes(self, dimension: usize) -> usize {
        self.row_bytes(dimension).saturating_mul(BLOCK_ROWS)
    }

    /// Whether vectors of this code can be compared so.
    pub fn serves(self, metric: Metric) -> bool {
        metric != Metric::Hamming || self == Self::Binary
    }

    /// Whether a search with this code alone gives what the originals would.
    pub fn is_exact(self) -> bool {
        self == Self::F32
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Int8Affine => "int8a",
            Self::Int4 => "int4",
            Self::Binary => "binary",
            Self::Planes => "planes",
            Self::Pq2 => "pq2",
            Self::Pq4 => "pq4",
            Self::Pq8 => "pq8",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no codec {0:?}: take f32, f16, bf16, int8, int8a, int4, binary, planes, pq2, pq4 or pq8")]
pub struct NoCodec(pub String);

impl FromStr for Codec {
    type Err = NoCodec;
    fn from_str(name: &str) -> Result<Self, NoCodec> {
        Self::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(|| NoCodec(name.to_owned()))
    }
}

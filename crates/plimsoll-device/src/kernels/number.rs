//! Numbers and rows in memory.

use crate::Span;

/// How numbers are stored. Little-endian everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of a single.
    Bf16,
    /// −127..=127 times a scale, in two's complement.
    Int8,
    /// −7..=7 times a scale, in two's complement of four bits: two a byte, the first in the low four bits.
    Int4,
}

impl Number {
    /// Bits of one number.
    pub const fn bits(self) -> u64 {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::Bf16 => 16,
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }

    /// Whether it is a small integer that needs a scale.
    pub const fn scaled(self) -> bool {
        matches!(self, Self::Int8 | Self::Int4)
    }
}

/// Numbers in memory: as many as fill the span.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'r> {
    /// Where they are.
    pub span: Span<'r>,
    /// How they are stored.
    pub number: Number,
    /// Their scales: present exactly for [`Number::Int8`] and [`Number::Int4`].
    pub scales: Option<Scales<'r>>,
}

/// One [`Number::F32`] scale for each group of consecutive numbers.
#[derive(Clone, Copy, Debug)]
pub struct Scales<'r> {
    /// Where the scales are: four bytes a group.
    pub span: Span<'r>,
    /// How many numbers share one scale: a multiple of 32 that divides their count.
    pub group: u32,
}

/// Rows of bytes at a fixed distance.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'r> {
    /// From the first byte of the first row to the last byte of the last.
    pub span: Span<'r>,
    /// Bytes of one row.
    pub row: u64,
    /// From the start of a row to the start of the next: at least `row`.
    pub pitch: u64,
}

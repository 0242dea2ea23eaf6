//! A matrix of weights where it lies in the file.

use std::ops::Range;

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    F16,
    Bf16,
    /// Blocks of 32: an f16 scale, then 32 signed bytes.
    Q8,
}

/// Numbers in a block of [`Kind::Q8`].
pub(crate) const Q8_NUMBERS: usize = 32;
/// Bytes of such a block.
pub(crate) const Q8_BYTES: usize = 34;

impl Kind {
    /// Bytes of so many numbers: whole blocks, which the reader has checked.
    pub(crate) const fn bytes(self, numbers: usize) -> usize {
        match self {
            Self::F32 => numbers * 4,
            Self::F16 | Self::Bf16 => numbers * 2,
            Self::Q8 => numbers / Q8_NUMBERS * Q8_BYTES,
        }
    }
}

/// Rows of weights.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) kind: Kind,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Its bytes in the file, which `load` has checked against the file's length.
    pub(crate) bytes: Range<usize>,
}

impl Matrix {
    /// Its bytes.
    pub(crate) fn of<'f>(&self, file: &'f [u8]) -> &'f [u8] {
        &file[self.bytes.clone()]
    }

    /// One row as numbers.
    pub(crate) fn row(&self, file: &[u8], row: usize, into: &mut [f32]) {
        let len = self.kind.bytes(self.columns);
        decode(self.kind, &self.of(file)[row * len..(row + 1) * len], into);
    }
}

/// Stored numbers as singles.
#[inline(always)]
pub(crate) fn decode(kind: Kind, bytes: &[u8], into: &mut [f32]) {
    use crate::math::{from_bf16, from_f16};
    let pair = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    match kind {
        Kind::F32 => {
            for (number, four) in into.iter_mut().zip(bytes.chunks_exact(4)) {
                *number = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            }
        }
        Kind::F16 => {
            for (number, two) in into.iter_mut().zip(bytes.chunks_exact(2)) {
                *number = from_f16(pair(two));
            }
        }
        Kind::Bf16 => {
            for (number, two) in into.iter_mut().zip(bytes.chunks_exact(2)) {
                *number = from_bf16(pair(two));
            }
        }
        Kind::Q8 => {
            for (numbers, block) in into.chunks_exact_mut(Q8_NUMBERS).zip(bytes.chunks_exact(Q8_BYTES)) {
                let scale = from_f16(pair(block));
                for (number, byte) in numbers.iter_mut().zip(&block[2..]) {
                    *number = f32::from(byte.cast_signed()) * scale;
                }
            }
        }
    }
}

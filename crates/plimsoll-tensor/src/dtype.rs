//! How a tensor's numbers are kept.

use std::fmt;

/// How a tensor's numbers are kept. Arithmetic is in singles, whatever they are kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Singles.
    F32,
    /// Halves of IEEE 754.
    F16,
    /// The upper halves of singles.
    Bf16,
    /// Whole numbers: tokens, rows of a table.
    U32,
    /// Bytes: numbers of eight bits, whose meaning is with whoever made them.
    U8,
}

impl Dtype {
    /// Bytes of one number.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::U8 => 1,
        }
    }

    /// Whether there can be arithmetic with it.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::U32 => "u32",
            Self::U8 => "u8",
        })
    }
}

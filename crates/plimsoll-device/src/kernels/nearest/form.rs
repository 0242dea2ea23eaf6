//! How rows are stored.

use crate::kernels::Number;

/// How the rows of a search are stored, each after the one before.
///
/// Rows of levels and of signs have a side each: eight bytes that say what they mean.
///
/// # Signs
/// Signs lie in blocks of 64 rows, whole also where the last is not full: the first eight bytes of all 64 rows, then the
/// second eight, and so on, and in the end what is left of each row. So rows that are compared at once lie side by side. Bit
/// `n % 8` of a row's byte `n / 8` is set where number `n` is not negative, and none is behind the last. Their side is the row's length, a single, and
/// what a sign is worth if the numbers of the row were all one, a half: times length / √dimension it stands for a number.
/// The last two bytes are somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Singles.
    F32,
    /// Halves.
    F16,
    /// The upper halves of singles.
    Bf16,
    /// −127..=127 in two's complement times a scale of the row.
    Int8,
    /// 0..=255 between two values: the side is `low` and `step`, singles, and a level means `low + step · level`.
    Level8,
    /// 0..=15 likewise. Of ⌈dimension / 2⌉ bytes the lower halves are the first levels and the upper halves the rest.
    Level4,
    /// A bit a number.
    Sign,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::F32, Self::F16, Self::Bf16, Self::Int8, Self::Level8, Self::Level4, Self::Sign];

    /// Bits of one number.
    pub const fn bits(self) -> u64 {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::Bf16 => 16,
            Self::Int8 | Self::Level8 => 8,
            Self::Level4 => 4,
            Self::Sign => 1,
        }
    }

    /// What stands beside the numbers of a row: a scale, or a side.
    pub const fn side_bytes(self) -> u64 {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 0,
            Self::Int8 => 4,
            Self::Level8 | Self::Level4 | Self::Sign => 8,
        }
    }

    /// The numbers of a row, where they are what other operations know, too: floats, and [`Number::Int8`].
    pub const fn number(self) -> Option<Number> {
        match self {
            Self::F32 => Some(Number::F32),
            Self::F16 => Some(Number::F16),
            Self::Bf16 => Some(Number::Bf16),
            Self::Int8 => Some(Number::Int8),
            Self::Level8 | Self::Level4 | Self::Sign => None,
        }
    }
}

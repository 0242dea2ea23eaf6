//! How numbers of a matrix are stored.

/// A form of storage, as GGUF files have them: single numbers, or blocks of numbers that share scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Singles.
    F32,
    /// Halves.
    F16,
    /// The upper halves of singles.
    Bf16,
    /// 32 numbers of eight bits with one scale, a half.
    Q8_0,
    /// 32 numbers of four bits with one scale, a half.
    Q4_0,
    /// 256 numbers of four bits; each 32 have a scale and a least number of six bits, which share two halves.
    Q4K,
    /// The same with five bits.
    Q5K,
    /// 256 numbers of six bits; each 16 have a scale of eight bits, which share a half.
    Q6K,
}

/// What inputs are rounded to before they are multiplied with weights of a packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// They stay singles.
    None,
    /// Eight bits, 32 with one scale that is a half.
    By32,
    /// Eight bits, 256 with one scale that is a single.
    By256,
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0, Self::Q4K, Self::Q5K, Self::Q6K];

    /// What files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4K => "q4_K",
            Self::Q5K => "q5_K",
            Self::Q6K => "q6_K",
        }
    }

    /// Numbers in a block. Rows are whole blocks.
    pub const fn block_numbers(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 | Self::Q4_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes of so many numbers; nothing if they are not whole blocks, or more than can be.
    pub const fn bytes(self, numbers: usize) -> Option<usize> {
        if !numbers.is_multiple_of(self.block_numbers()) {
            return None;
        }
        (numbers / self.block_numbers()).checked_mul(self.block_bytes())
    }

    pub(crate) const fn rounding(self) -> Rounding {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => Rounding::None,
            Self::Q8_0 | Self::Q4_0 => Rounding::By32,
            Self::Q4K | Self::Q5K | Self::Q6K => Rounding::By256,
        }
    }
}

impl std::fmt::Display for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

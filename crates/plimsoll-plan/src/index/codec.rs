//! How an index keeps the numbers of a vector.

use std::fmt;

/// A code for vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// As they are.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of `F32`.
    Bf16,
    /// A byte a number.
    Int8,
    /// Half a byte a number.
    Int4,
    /// The sign of each number.
    Binary,
    /// Four bits a number, by planes: the signs stand apart and are looked through first.
    Planes,
    /// This engine's product quantization: half a byte for so many numbers, the nearest of sixteen words that are learned.
    Groups {
        /// Numbers that share half a byte: 2, 4 or 8.
        numbers: u64,
    },
    /// Product quantization: `parts` sub-vectors, each the number of its nearest codeword.
    Pq {
        /// Sub-vectors.
        parts: u64,
        /// Bits of a codeword's number.
        bits: u64,
    },
    /// A small linear code, learned: `width` bytes and one scale a vector.
    Neural {
        /// Numbers of the code.
        width: u64,
    },
}

/// Who lays the index out in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Maker {
    /// This engine.
    #[default]
    Plimsoll,
    /// FAISS 1.15, as its files are read back.
    Faiss,
    /// hnswlib 0.8.
    Hnswlib,
    /// usearch 2.26.
    Usearch,
}

impl Codec {
    /// What the numbers of one vector take, without scales and whatever else is kept with them.
    pub fn code_bytes(self, dimension: u64) -> u64 {
        match self {
            Self::F32 => dimension.saturating_mul(4),
            Self::F16 | Self::Bf16 => dimension.saturating_mul(2),
            Self::Int8 => dimension,
            Self::Int4 => dimension.div_ceil(2),
            Self::Binary => dimension.div_ceil(8),
            Self::Planes => dimension.div_ceil(8).saturating_mul(4),
            Self::Groups { .. } => self.groups(dimension).div_ceil(2),
            Self::Pq { parts, bits } => parts.saturating_mul(bits).div_ceil(8),
            Self::Neural { width } => width,
        }
    }

    /// Groups of numbers that share half a byte; the last may be shorter.
    pub(super) fn groups(self, dimension: u64) -> u64 {
        match self {
            Self::Groups { numbers } => dimension.div_ceil(numbers.max(1)),
            _ => 0,
        }
    }

    /// What stands beside them: scale and offset, a norm, the factors that make an estimate of signs.
    pub fn scale_bytes(self, maker: Maker) -> u64 {
        if maker != Maker::Plimsoll {
            return 0;
        }
        match self {
            Self::F32 | Self::F16 | Self::Bf16 | Self::Pq { .. } => 0,
            Self::Int8 | Self::Groups { .. } | Self::Neural { .. } => 4,
            Self::Int4 | Self::Binary | Self::Planes => 8,
        }
    }

    /// What the code itself is described by, once for all vectors: ranges, codewords, weights.
    pub fn table_bytes(self, dimension: u64, maker: Maker) -> u64 {
        match self {
            Self::Int8 | Self::Int4 if maker == Maker::Faiss => dimension.saturating_mul(8),
            // Sixteen words of each group.
            Self::Groups { .. } => dimension.saturating_mul(64),
            Self::Pq { bits, .. } => {
                let words = 1_u64.checked_shl(u32::try_from(bits).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
                words.saturating_mul(dimension).saturating_mul(4)
            }
            Self::Neural { width } => weights_bytes(dimension, width),
            _ => 0,
        }
    }

    /// Whether a search with this code alone gives what the originals would.
    pub fn is_exact(self) -> bool {
        self == Self::F32
    }
}

/// What weights take in memory that make vectors so much shorter: the encoder in whole vectors of sixteen, the decoder, the mean.
pub(super) fn weights_bytes(dimension: u64, width: u64) -> u64 {
    let encoder = dimension.saturating_mul(width.div_ceil(16).saturating_mul(16));
    encoder.saturating_add(dimension.saturating_mul(width)).saturating_add(dimension).saturating_mul(4)
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.pad("f32"),
            Self::F16 => f.pad("f16"),
            Self::Bf16 => f.pad("bf16"),
            Self::Int8 => f.pad("int8"),
            Self::Int4 => f.pad("int4"),
            Self::Binary => f.pad("binary"),
            Self::Planes => f.pad("planes"),
            Self::Groups { numbers } => f.pad(&format!("pq{numbers}")),
            Self::Pq { parts, bits } => f.pad(&format!("pq{parts}x{bits}")),
            Self::Neural { width } => f.pad(&format!("neural{width}")),
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plimsoll => "plimsoll",
            Self::Faiss => "FAISS 1.15",
            Self::Hnswlib => "hnswlib 0.8",
            Self::Usearch => "usearch 2.26",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_takes_what_its_code_says() {
        let sizes = [
            (Codec::F32, 3072),
            (Codec::Bf16, 1536),
            (Codec::Int8, 768),
            (Codec::Int4, 384),
            (Codec::Binary, 96),
            (Codec::Planes, 384),
            (Codec::Groups { numbers: 2 }, 192),
            (Codec::Groups { numbers: 8 }, 48),
            (Codec::Pq { parts: 192, bits: 8 }, 192),
            (Codec::Pq { parts: 192, bits: 4 }, 96),
            (Codec::Neural { width: 128 }, 128),
        ];
        for (codec, bytes) in sizes {
            assert_eq!(codec.code_bytes(768), bytes, "{codec}");
        }
        assert_eq!(Codec::Pq { parts: 16, bits: 8 }.table_bytes(128, Maker::Faiss), 131_072);
        assert_eq!(Codec::Pq { parts: 16, bits: 99 }.table_bytes(128, Maker::Faiss), u64::MAX);
        assert_eq!(Codec::Int8.table_bytes(128, Maker::Faiss), 1_024);
        // Half a byte is begun where numbers are left over.
        assert_eq!(Codec::Groups { numbers: 4 }.code_bytes(769), 97);
        assert_eq!(Codec::Groups { numbers: 0 }.code_bytes(u64::MAX), 1 << 63, "nobody asks for this");
    }
}

//! What encoded bytes are, as a number to be kept beside them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CodecError;

/// How exact a tier keeps numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Precision {
    /// Four bits a number, with a least and a step for each group.
    #[serde(rename = "4-bit")]
    Four,
    /// Eight bits a number, with a least and a step for each group.
    #[serde(rename = "8-bit")]
    Eight,
    /// As the engine has them, to the bit.
    #[serde(rename = "native")]
    Native,
}

impl Precision {
    /// The next that is more exact; none above native.
    pub const fn finer(self) -> Option<Self> {
        match self {
            Self::Four => Some(Self::Eight),
            Self::Eight => Some(Self::Native),
            Self::Native => None,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Four => "4-bit",
            Self::Eight => "8-bit",
            Self::Native => "native",
        })
    }
}

/// Whether sections are squeezed without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// No: a section takes exactly what its layout says.
    None,
    /// The upper byte of each number apart from the others and compressed, where that pays; else as it is.
    Planes,
}

/// How a block's sections are to be decoded.
///
/// # Formula
/// `version × 2²⁴ + packing × 2⁸ + precision`; all other bits are zero, and a number with any of them set is foreign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// How exact.
    pub precision: Precision,
    /// Whether squeezed.
    pub packing: Packing,
}

const VERSION: u32 = 1;

impl Form {
    /// As the engine has it.
    pub const NATIVE: Self = Self { precision: Precision::Native, packing: Packing::None };

    /// The number to be kept.
    pub const fn tag(self) -> u32 {
        let precision = match self.precision {
            Precision::Native => 0,
            Precision::Eight => 1,
            Precision::Four => 2,
        };
        let packing = match self.packing {
            Packing::None => 0,
            Packing::Planes => 1,
        };
        VERSION << 24 | packing << 8 | precision
    }

    /// The form of a number that was kept.
    pub const fn from_tag(tag: u32) -> Result<Self, CodecError> {
        let precision = match tag & 0xff {
            0 => Precision::Native,
            1 => Precision::Eight,
            2 => Precision::Four,
            _ => return Err(CodecError::Foreign(tag)),
        };
        let packing = match tag >> 8 & 0xff {
            0 => Packing::None,
            1 => Packing::Planes,
            _ => return Err(CodecError::Foreign(tag)),
        };
        if tag >> 16 != VERSION << 8 {
            return Err(CodecError::Foreign(tag));
        }
        Ok(Self { precision, packing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_number_and_other_numbers_have_none() {
        let mut known = Vec::new();
        for precision in [Precision::Native, Precision::Eight, Precision::Four] {
            for packing in [Packing::None, Packing::Planes] {
                let form = Form { precision, packing };
                assert_eq!(Form::from_tag(form.tag()), Ok(form));
                known.push(form.tag());
            }
        }
        for tag in (0..1 << 20).chain((0..1 << 12).map(|upper| upper << 20)).chain([u32::MAX]) {
            assert_eq!(Form::from_tag(tag).is_ok(), known.contains(&tag), "{tag:#x}");
        }
    }
}

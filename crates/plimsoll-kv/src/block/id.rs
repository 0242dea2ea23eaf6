//! A block's identity.

use std::fmt;

/// What a block is known by: 128 bits of a hash over everything that its content depends on.
///
/// Two blocks of one identity hold the same tokens after the same tokens of the same model. Should two that differ
/// ever hash alike, the tokens that are kept beside each block tell them apart, and the second is a miss.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(u128);

impl BlockId {
    /// From a number; for tests and traces, whose blocks have numbers of their own.
    pub const fn new(id: u128) -> Self {
        Self(id)
    }

    /// As it is written to files: little end first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// The same bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The number.
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockId({self})")
    }
}

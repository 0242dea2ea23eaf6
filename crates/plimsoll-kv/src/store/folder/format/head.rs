//! The first bytes of a segment.

use super::bytes::{Reader, Write as _, check};
use super::{Unread, VERSION};

const MAGIC: [u8; 8] = *b"PLMKVSEG";
/// How long it is; the rest of its block is zeros.
pub(in super::super) const HEAD_BYTES: usize = 48;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Head {
    /// Its number, which its name has too.
    pub number: u64,
    /// Drawn once a segment. Its records are summed with it, so that no record that an older file left in these blocks,
    /// and nothing that a caller wrote as data, can pass for one of this segment's.
    pub salt: u64,
    /// The unit that records begin and end at.
    pub block_bytes: u32,
}

impl Head {
    pub(in super::super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES);
        out.extend_from_slice(&MAGIC);
        out.u32(VERSION);
        out.u32(self.block_bytes);
        out.u64(self.number);
        out.u64(self.salt);
        out.u64(0);
        out.u64(check(&out, 0));
        out
    }

    pub(in super::super) fn read(bytes: &[u8]) -> Result<Self, Unread> {
        let mut reader = Reader::new(bytes);
        let summed = Reader::new(bytes).take(HEAD_BYTES - 8)?;
        if reader.array()? != MAGIC {
            return Err(Unread::Damaged);
        }
        let version = reader.u32()?;
        let block_bytes = reader.u32()?;
        let (number, salt, _) = (reader.u64()?, reader.u64()?, reader.u64()?);
        if reader.u64()? != check(summed, 0) {
            return Err(Unread::Damaged);
        }
        if version != VERSION {
            return Err(Unread::Version(version));
        }
        if !block_bytes.is_power_of_two() || block_bytes < 512 {
            return Err(Unread::Damaged);
        }
        Ok(Self { number, salt, block_bytes })
    }
}

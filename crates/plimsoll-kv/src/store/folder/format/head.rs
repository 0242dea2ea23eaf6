//! The first bytes of a segment.

use super::bytes::{Reader, Write as _, check, mostly};
use super::{Unread, VERSION};

const MAGIC: [u8; 8] = *b"PLMKVSEG";
const ONE_BYTES: usize = 48;
/// It stands there twice, in two sectors: without it, a segment that has no footer yet could not be read at all.
const SECOND_AT: usize = 512;
/// How long it is; the rest of its block is zeros.
pub(in super::super) const HEAD_BYTES: usize = SECOND_AT + ONE_BYTES;

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
        self.write_one(&mut out);
        out.resize(SECOND_AT, 0);
        let first = out[..ONE_BYTES].to_vec();
        out.extend_from_slice(&first);
        out
    }

    fn write_one(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.u32(VERSION);
        out.u32(self.block_bytes);
        out.u64(self.number);
        out.u64(self.salt);
        out.u64(0);
        out.u64(check(out, 0));
    }

    /// Whether both are whole.
    pub(in super::super) fn is_whole(bytes: &[u8]) -> bool {
        let second = bytes.get(SECOND_AT..).unwrap_or_default();
        Self::read_one(bytes).is_ok() && Self::read_one(second) == Self::read_one(bytes)
    }

    /// Whether these bytes look as if they had been a head: most of what every head begins with is there, in one of the
    /// two places.
    pub(in super::super) fn began(bytes: &[u8]) -> bool {
        [0, SECOND_AT].into_iter().any(|at| mostly(bytes.get(at..).unwrap_or_default(), MAGIC))
    }

    pub(in super::super) fn read(bytes: &[u8]) -> Result<Self, Unread> {
        Self::read_one(bytes).or_else(|first| {
            let second = bytes.get(SECOND_AT..).unwrap_or_default();
            Self::read_one(second).map_err(|_| first)
        })
    }

    fn read_one(bytes: &[u8]) -> Result<Self, Unread> {
        let mut reader = Reader::new(bytes);
        let summed = Reader::new(bytes).take(ONE_BYTES - 8)?;
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
        if !block_bytes.is_power_of_two() || (block_bytes as usize) < HEAD_BYTES {
            return Err(Unread::Damaged);
        }
        Ok(Self { number, salt, block_bytes })
    }
}

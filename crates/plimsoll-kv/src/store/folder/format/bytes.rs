//! Reading and writing numbers.

use super::Unread;

/// Reads one after the other, and never beyond the end.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unread> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Unread::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unread> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Unread::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Unread> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Unread> {
        self.array().map(u64::from_le_bytes)
    }

    /// So many numbers; refused before anything is set aside for them if the bytes are not there.
    pub(super) fn u32s(&mut self, count: usize) -> Result<Vec<u32>, Unread> {
        let bytes = self.take(count.checked_mul(4).ok_or(Unread::Damaged)?)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
    }

    /// So many numbers.
    pub(super) fn u64s(&mut self, count: usize) -> Result<Vec<u64>, Unread> {
        let bytes = self.take(count.checked_mul(8).ok_or(Unread::Damaged)?)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect())
    }

    pub(super) const fn left(&self) -> usize {
        self.0.len()
    }
}

/// Appends numbers.
pub(super) trait Write {
    fn u32(&mut self, number: u32);
    fn u64(&mut self, number: u64);
}

impl Write for Vec<u8> {
    fn u32(&mut self, number: u32) {
        self.extend_from_slice(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.extend_from_slice(&number.to_le_bytes());
    }
}

/// A sum over bytes that tells damage from what was written.
pub(super) fn check(bytes: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// Whether bytes begin as a magic word does, two of its bytes at most apart: damaged it may be, anybody else's it is not.
pub(super) fn mostly(bytes: &[u8], magic: [u8; 8]) -> bool {
    bytes.iter().zip(&magic).filter(|(one, other)| one == other).count() + 2 >= magic.len()
}

/// Two numbers as one seed, so that neither can be taken for the other.
pub(super) const fn mix(one: u64, two: u64) -> u64 {
    let mixed = (one ^ two.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

//! Which granules of a growable range are backed.
//!
//! One bit a granule, in words that are only as many as the highest granule ever backed needs: reserving a
//! range costs nothing, and backing or giving back a run costs a word operation for each 64 granules. A map of
//! intervals would be smaller for huge sparse ranges and slower for everything that arenas do.

use std::ops::Range;

use crate::{Bytes, DeviceError};

/// The book that a device keeps for one growable range.
///
/// It does no backing: a device asks [`vacant`](Self::vacant) or [`backed`](Self::backed) first, does the work,
/// and then [`mark`](Self::mark)s what is true now. Public for the back ends in other crates.
///
/// ```
/// use plimsoll_device::CommitMap;
/// let mut map = CommitMap::new(1 << 20, 1 << 16);
/// let run = map.vacant(&(0..1 << 17)).unwrap();
/// map.mark(&run, true);
/// assert_eq!(map.backed_bytes().get(), 1 << 17);
/// assert!(map.vacant(&(0..1 << 16)).is_err(), "backed already");
/// assert!(map.readable(100, 200).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct CommitMap {
    shift: u32,
    bytes: u64,
    words: Vec<u64>,
    backed: u64,
}

/// A run of whole granules, checked to lie within the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granules(Range<u64>);

impl CommitMap {
    /// The most granules in one range; the book of such a range takes 128 MiB when all of it is backed.
    pub const GRANULES_MAX: u64 = 1 << 30;

    /// A range of `bytes` with nothing behind it.
    ///
    /// # Panics
    /// Unless `granule` is a power of two that divides `bytes`, and there are at most
    /// [`GRANULES_MAX`](Self::GRANULES_MAX) of them.
    pub fn new(bytes: u64, granule: u64) -> Self {
        assert!(granule.is_power_of_two(), "a granule of {granule} bytes");
        let shift = granule.trailing_zeros();
        assert!(bytes.is_multiple_of(granule), "{bytes} bytes of {granule}");
        assert!(bytes >> shift <= Self::GRANULES_MAX, "{bytes} bytes of {granule}");
        Self { shift, bytes, words: Vec::new(), backed: 0 }
    }

    /// How much of the range is backed.
    pub const fn backed_bytes(&self) -> Bytes {
        Bytes::new(self.backed << self.shift)
    }

    /// The granules of `range`, when none of them is backed.
    pub fn vacant(&self, range: &Range<u64>) -> Result<Granules, DeviceError> {
        let granules = self.granules(range, "backed")?;
        if self.words_of(&granules.0).any(|(_, word, mask)| word & mask != 0) {
            return Err(self.bad(range, "backed", "a part of it is backed already"));
        }
        Ok(granules)
    }

    /// The granules of `range`, when all of them are backed.
    pub fn backed(&self, range: &Range<u64>) -> Result<Granules, DeviceError> {
        let granules = self.granules(range, "given back")?;
        if self.words_of(&granules.0).any(|(_, word, mask)| word & mask != mask) {
            return Err(self.bad(range, "given back", "a part of it is not backed"));
        }
        Ok(granules)
    }

    /// Whether bytes `start..end` can be used: every granule that they touch is backed.
    pub fn readable(&self, start: u64, end: u64) -> Result<(), DeviceError> {
        if start >= end {
            return Ok(());
        }
        let touched = start >> self.shift..((end - 1) >> self.shift) + 1;
        if end <= self.bytes && self.words_of(&touched).all(|(_, word, mask)| word & mask == mask) {
            return Ok(());
        }
        Err(DeviceError::NotBacked { start, end })
    }

    /// Writes down that these granules are backed now, or not any more.
    ///
    /// # Panics
    /// When a granule of them is in that state already: the caller skipped the check.
    pub fn mark(&mut self, granules: &Granules, backed: bool) {
        let Range { start, end } = granules.0;
        let words = usize::try_from(end.div_ceil(64)).unwrap_or(usize::MAX);
        if backed && self.words.len() < words {
            self.words.resize(words, 0);
        }
        for (index, mask) in masks(&granules.0) {
            let word = &mut self.words[index];
            assert_eq!(*word & mask, if backed { 0 } else { mask }, "a granule marked twice");
            *word ^= mask;
        }
        if backed {
            self.backed += end - start;
        } else {
            self.backed -= end - start;
        }
    }

    /// Why `range` cannot be `what` ("backed" or "given back").
    pub fn bad(&self, range: &Range<u64>, what: &'static str, why: &'static str) -> DeviceError {
        DeviceError::BadRange { start: range.start, end: range.end, what, why, granule: 1 << self.shift }
    }

    fn granules(&self, range: &Range<u64>, what: &'static str) -> Result<Granules, DeviceError> {
        if range.start >= range.end {
            return Err(self.bad(range, what, "it has no bytes"));
        }
        if range.end > self.bytes {
            return Err(DeviceError::OutOfBounds {
                start: range.start,
                end: range.end,
                region: Bytes::new(self.bytes),
            });
        }
        if (range.start | range.end) & ((1 << self.shift) - 1) != 0 {
            return Err(self.bad(range, what, "it is not a whole number of granules"));
        }
        Ok(Granules(range.start >> self.shift..range.end >> self.shift))
    }

    fn words_of(&self, granules: &Range<u64>) -> impl Iterator<Item = (usize, u64, u64)> {
        masks(granules).map(|(index, mask)| (index, self.words.get(index).copied().unwrap_or(0), mask))
    }
}

/// The words that hold a run of bits, each with the bits that belong to the run.
fn masks(bits: &Range<u64>) -> impl Iterator<Item = (usize, u64)> + use<> {
    let Range { start, end } = *bits;
    (start / 64..end.div_ceil(64)).map(move |index| {
        let low = start.max(index * 64) - index * 64;
        let high = end.min((index + 1) * 64) - index * 64;
        let mask = (u64::MAX >> (64 - (high - low))) << low;
        (usize::try_from(index).unwrap_or(usize::MAX), mask)
    })
}

//! The first page of a column.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::ColumnError;

/// Where units begin: a multiple of what direct reads want.
pub const PAGE_BYTES: usize = 4096;
const MAGIC: &[u8; 8] = b"PLMSVEC\n";
const VERSION: u32 = 1;
/// Bytes of the page that mean something; the checksum stands after them.
const SAID: usize = 56;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Blocks of codes and their sides; of planes the upper part alone.
    Codes,
    /// Vectors as they came, each with its own checksum.
    Originals,
    /// The id of each row, each with its own checksum.
    Ids,
    /// Ids in order, each with its row and its own checksum.
    Lookup,
    /// The lower planes of blocks.
    Lower,
    /// The row at which each list begins, each with its own checksum.
    Lists,
    /// The middle of each list, each with its own checksum.
    Centroids,
    /// What a codec has learnt: one unit.
    Books,
    /// What vectors are reduced by before they are coded: one unit.
    Reduction,
}

impl Holds {
    const ALL: [Self; 9] = [
        Self::Codes,
        Self::Originals,
        Self::Ids,
        Self::Lookup,
        Self::Lower,
        Self::Lists,
        Self::Centroids,
        Self::Books,
        Self::Reduction,
    ];

    /// Whether the checksums stand at the end.
    pub(super) fn sums_apart(self) -> bool {
        matches!(self, Self::Codes | Self::Lower | Self::Books | Self::Reduction)
    }

    fn number(self) -> u32 {
        match self {
            Self::Codes => 0,
            Self::Originals => 1,
            Self::Ids => 2,
            Self::Lookup => 3,
            Self::Lower => 4,
            Self::Lists => 5,
            Self::Centroids => 6,
            Self::Books => 7,
            Self::Reduction => 8,
        }
    }
}

/// What a column says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it holds.
    pub holds: Holds,
    /// Numbers of a vector.
    pub dimension: u32,
    /// Which codec, by its place in [`Codec::ALL`](crate::Codec::ALL); 0 where it means nothing.
    pub codec: u32,
    /// Bytes of a unit.
    pub unit_bytes: u64,
    /// How many units.
    pub units: u64,
    /// How many rows; the last unit may not be full.
    pub rows: u64,
}

impl Header {
    /// How long the file is.
    pub fn file_bytes(&self) -> u64 {
        let sums = if self.holds.sums_apart() { self.units.saturating_mul(8) } else { 0 };
        self.sums_offset().saturating_add(sums)
    }

    /// Where the checksums begin.
    pub(super) fn sums_offset(&self) -> u64 {
        (PAGE_BYTES as u64).saturating_add(self.units.saturating_mul(self.unit_bytes))
    }

    /// The page that says it.
    pub fn page(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        page.extend_from_slice(MAGIC);
        for word in [VERSION, self.holds.number(), self.dimension, self.codec] {
            page.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.unit_bytes, self.units, self.rows] {
            page.extend_from_slice(&word.to_le_bytes());
        }
        page.resize(SAID, 0);
        let sum = xxh3_64(&page);
        page.extend_from_slice(&sum.to_le_bytes());
        page.resize(PAGE_BYTES, 0);
        page
    }

    /// Reads a page.
    pub fn read(page: &[u8], path: &Path) -> Result<Self, ColumnError> {
        let foreign = |why| ColumnError::Foreign { path: path.to_owned(), why };
        let (said, rest) =
            page.split_at_checked(SAID).ok_or_else(|| foreign("it is shorter than its head"))?;
        if !said.starts_with(MAGIC) {
            return Err(foreign("it does not begin as one does"));
        }
        let word = |at: usize| said.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let long = |bytes: &[u8], at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let short = || foreign("it is shorter than its head");
        // The version comes before the checksum: a later head may be longer.
        let found = word(8).ok_or_else(short)?;
        if found > VERSION {
            return Err(ColumnError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        if long(rest, 0) != Some(xxh3_64(said)) {
            return Err(foreign("the checksum of its head does not match"));
        }
        let number = word(12).ok_or_else(short)?;
        let holds = Holds::ALL.into_iter().find(|holds| holds.number() == number);
        Ok(Self {
            holds: holds.ok_or_else(|| foreign("it holds something unknown"))?,
            dimension: word(16).ok_or_else(short)?,
            codec: word(20).ok_or_else(short)?,
            unit_bytes: long(said, 24).ok_or_else(short)?,
            units: long(said, 32).ok_or_else(short)?,
            rows: long(said, 40).ok_or_else(short)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header =
        Header { holds: Holds::Codes, dimension: 768, codec: 3, unit_bytes: 49_408, units: 7, rows: 401 };

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let page = HEADER.page();
        assert_eq!(page.len(), PAGE_BYTES);
        assert_eq!(Header::read(&page, Path::new("x")).unwrap(), HEADER);
        assert_eq!(HEADER.file_bytes(), 4096 + 7 * 49_408 + 7 * 8);
    }

    #[test]
    fn what_is_not_a_head_is_refused() {
        let page = HEADER.page();
        for at in 0..64 {
            let mut other = page.clone();
            other[at] ^= 0x40;
            assert!(Header::read(&other, Path::new("x")).is_err(), "byte {at}");
        }
        let mut newer = page.clone();
        newer[8] = 9;
        assert!(matches!(Header::read(&newer, Path::new("x")), Err(ColumnError::Newer { found: 9, .. })));
        assert!(matches!(Header::read(&page[..30], Path::new("x")), Err(ColumnError::Foreign { .. })));
    }
}

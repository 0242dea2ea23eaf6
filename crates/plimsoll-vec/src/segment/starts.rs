//! Where the lists of a segment begin.

use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::path;
use crate::column::{Column, ColumnError, ColumnWriter, Header, Holds};

/// A row, and four bytes that vouch for it and its list.
const UNIT_BYTES: usize = 8;

/// The rows of each list: they lie one list after the other. Four bytes a list in memory, eight on disk.
#[derive(Debug)]
pub struct Starts {
    /// The first row of each list, and the end of the last.
    starts: Box<[u32]>,
}

impl Starts {
    /// What so many lists take in memory.
    pub fn heap_bytes(lists: usize) -> u64 {
        (lists as u64).saturating_add(1).saturating_mul(4)
    }

    /// Those of a segment on disk.
    pub(super) fn open(folder: &Path, number: u64, lists: usize, rows: u64) -> Result<Self, ColumnError> {
        let column = Column::open(&path(folder, number, Holds::Lists), &Self::header())?;
        let units = column.header().units;
        if units != lists as u64 + 1 || column.header().rows != rows {
            let why = "it has another number of lists or rows than its index";
            return Err(ColumnError::Foreign { path: column.path().to_owned(), why });
        }
        let mut bytes = vec![0; (lists + 1) * UNIT_BYTES];
        column.read_unit(0, &mut bytes)?;
        let mut starts = Vec::with_capacity(lists + 1);
        for (list, found) in (0_u32..).zip(bytes.chunks_exact(UNIT_BYTES)) {
            let start = found.first_chunk().map_or(0, |start| u32::from_le_bytes(*start));
            if found != unit(list, start) || starts.last().is_some_and(|last| *last > start) {
                return Err(column.damaged(u64::from(list)));
            }
            starts.push(start);
        }
        if starts.first() != Some(&0) || starts.last().is_none_or(|end| u64::from(*end) != rows) {
            return Err(column.damaged(lists as u64));
        }
        Ok(Self { starts: starts.into() })
    }

    /// What the file says of itself, before there are any.
    pub(super) fn header() -> Header {
        Header {
            holds: Holds::Lists,
            dimension: 0,
            codec: 0,
            unit_bytes: UNIT_BYTES as u64,
            units: 0,
            rows: 0,
        }
    }

    /// Writes where lists begin and the last ends.
    pub(super) fn write(folder: &Path, number: u64, starts: &[u32]) -> Result<(), ColumnError> {
        let units: Vec<u8> = (0..).zip(starts).flat_map(|(list, start)| unit(list, *start)).collect();
        let mut writer = ColumnWriter::create(&path(folder, number, Holds::Lists), Self::header())?;
        writer.append(&units, starts.last().copied().unwrap_or_default().into())?;
        writer.finish()?;
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The list that a row is in.
    pub(crate) fn list_of(&self, row: u64) -> usize {
        self.starts.partition_point(|start| u64::from(*start) <= row).saturating_sub(1)
    }

    /// The rows of a list; none of one that is not there.
    pub fn rows(&self, list: usize) -> Range<u64> {
        match (self.starts.get(list), self.starts.get(list + 1)) {
            (Some(start), Some(end)) => u64::from(*start)..u64::from(*end),
            _ => 0..0,
        }
    }
}

fn unit(list: u32, start: u32) -> [u8; UNIT_BYTES] {
    let mut both = [0; UNIT_BYTES];
    both[..4].copy_from_slice(&start.to_le_bytes());
    both[4..].copy_from_slice(&list.to_le_bytes());
    let sum = xxh3_64(&both).to_le_bytes();
    both[4..].copy_from_slice(&sum[..4]);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_lists_are_read_back_and_every_changed_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        Starts::write(folder.path(), 1, &[0, 5, 5, 9]).unwrap();
        let lists = Starts::open(folder.path(), 1, 3, 9).unwrap();
        assert_eq!(lists.count(), 3);
        assert_eq!([0, 4, 5, 8].map(|row| lists.list_of(row)), [0, 0, 2, 2], "an empty list has no row");
        assert_eq!([lists.rows(0), lists.rows(1), lists.rows(2), lists.rows(3)], [0..5, 5..5, 5..9, 0..0]);
        assert!(matches!(Starts::open(folder.path(), 1, 2, 9), Err(ColumnError::Foreign { .. })));
        assert!(matches!(Starts::open(folder.path(), 1, 3, 8), Err(ColumnError::Foreign { .. })));
        let path = path(folder.path(), 1, Holds::Lists);
        let whole = std::fs::read(&path).unwrap();
        for at in whole.len() - 4 * UNIT_BYTES..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            std::fs::write(&path, other).unwrap();
            assert!(matches!(Starts::open(folder.path(), 1, 3, 9), Err(ColumnError::Damaged { .. })), "{at}");
        }
    }

    #[test]
    fn lists_that_go_backwards_are_damage_though_each_is_vouched_for() {
        let folder = tempfile::tempdir().unwrap();
        Starts::write(folder.path(), 1, &[0, 7, 5, 9]).unwrap();
        assert!(matches!(Starts::open(folder.path(), 1, 3, 9), Err(ColumnError::Damaged { unit: 2, .. })));
        Starts::write(folder.path(), 2, &[1, 5, 9]).unwrap();
        assert!(Starts::open(folder.path(), 2, 2, 9).is_err());
    }
}

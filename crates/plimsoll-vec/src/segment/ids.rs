//! Which id a row has, and which row an id.

use std::ops::Range;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::path;
use super::segment::of_rows;
use crate::column::{Column, ColumnError, ColumnWriter, Header, Holds};

/// An id, and four bytes that vouch for it and its row.
const ID_BYTES: usize = 12;
/// An id, its row, and four bytes that vouch for both.
const LOOKUP_BYTES: usize = 16;
/// Entries that are read at once where an order is walked along.
const WALKED: usize = 4096;

/// The ids of a segment's rows.
#[derive(Debug)]
pub enum Ids {
    /// One after the other: nothing is stored.
    Range {
        /// The id of row 0.
        first: u64,
        /// How many there are.
        rows: u64,
    },
    /// As they came: on disk, in the order of rows and in the order of ids. Nothing of it is in memory.
    Stored {
        /// The id of each row.
        ids: Box<Column>,
        /// Ids in order, each with its row.
        lookup: Box<Column>,
    },
}

impl Ids {
    /// Rows of which the ids are read together where they stay in memory.
    pub const GROUP_ROWS: u64 = 512;

    /// The ids of a segment on disk.
    pub(super) fn open(
        folder: &Path,
        number: u64,
        first: Option<u64>,
        rows: u64,
    ) -> Result<Self, ColumnError> {
        if let Some(first) = first {
            return Ok(Self::Range { first, rows });
        }
        let open = |holds, unit| {
            let column = Column::open(&path(folder, number, holds), &header(holds, unit))?;
            of_rows(column, rows).map(Box::new)
        };
        Ok(Self::Stored { ids: open(Holds::Ids, ID_BYTES)?, lookup: open(Holds::Lookup, LOOKUP_BYTES)? })
    }

    /// Writes ids that are not one after the other.
    pub(super) fn write(folder: &Path, number: u64, ids: &[u64]) -> Result<(), ColumnError> {
        let mut writer = IdsWriter::create(folder, number)?;
        writer.append(ids)?;
        let mut order: Vec<(u64, u32)> = ids.iter().copied().zip(0..).collect();
        order.sort_unstable();
        writer.finish(order.into_iter().map(Ok))
    }

    /// What writing so many takes from memory: the order of ids.
    pub(super) fn write_bytes(count: u64) -> u64 {
        count.saturating_mul(LOOKUP_BYTES as u64)
    }

    /// The id of a row.
    pub fn id(&self, row: u64) -> Result<u64, ColumnError> {
        match self {
            Self::Range { first, .. } => Ok(first.saturating_add(row)),
            Self::Stored { ids, .. } => {
                let mut unit = [0; ID_BYTES];
                ids.read_unit(row, &mut unit)?;
                let id = first_word(&unit);
                if unit == id_unit(row, id) { Ok(id) } else { Err(ids.damaged(row)) }
            }
        }
    }

    /// Whether the disk is asked for them.
    pub fn are_stored(&self) -> bool {
        matches!(self, Self::Stored { .. })
    }

    /// The stored ids of a group of [`GROUP_ROWS`](Self::GROUP_ROWS), as they are kept in memory: see
    /// [`in_group`](Self::in_group). Each is believed.
    pub fn group(&self, group: u64) -> Result<Box<[u8]>, ColumnError> {
        let Self::Stored { ids, .. } = self else { return Ok(Box::default()) };
        let rows = self.group_rows(group);
        Ok(believed(ids, rows.start, usize::try_from(rows.end - rows.start).unwrap_or(0))?.into())
    }

    /// What a group takes in memory.
    pub fn group_bytes(&self, group: u64) -> u64 {
        let rows = self.group_rows(group);
        (rows.end - rows.start) * ID_BYTES as u64
    }

    /// An id of a group, by its row in it.
    pub fn in_group(units: &[u8], at: usize) -> Option<u64> {
        units.get(at * ID_BYTES..(at + 1) * ID_BYTES).map(first_word)
    }

    fn group_rows(&self, group: u64) -> Range<u64> {
        let all = match self {
            Self::Range { .. } => 0,
            Self::Stored { ids, .. } => ids.header().units,
        };
        let first = group.saturating_mul(Self::GROUP_ROWS).min(all);
        first..(first + Self::GROUP_ROWS).min(all)
    }

    /// The ids of so many rows from one on, behind those that `into` has.
    pub(crate) fn of_rows(&self, first: u64, count: usize, into: &mut Vec<u64>) -> Result<(), ColumnError> {
        match self {
            Self::Range { first: id, .. } => into.extend((id.saturating_add(first)..).take(count)),
            Self::Stored { ids, .. } => {
                into.extend(believed(ids, first, count)?.chunks_exact(ID_BYTES).map(first_word));
            }
        }
        Ok(())
    }

    /// The next `count` ids in their order with their rows, from the one at `at` in that order on; fewer at the end.
    pub(crate) fn in_order(
        &self,
        at: u64,
        count: usize,
        into: &mut Vec<(u64, u32)>,
    ) -> Result<(), ColumnError> {
        match self {
            Self::Range { first, rows } => {
                let rows = at..(*rows).min(at.saturating_add(count as u64));
                into.extend(rows.map(|row| (first + row, u32::try_from(row).unwrap_or(u32::MAX))));
            }
            Self::Stored { lookup, .. } => {
                let left = lookup.header().units.saturating_sub(at);
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(count);
                let mut units = vec![0; count * LOOKUP_BYTES];
                lookup.read_unit(at, &mut units)?;
                for (at, unit) in (at..).zip(units.chunks_exact(LOOKUP_BYTES)) {
                    into.push(entry(lookup, at, unit)?);
                }
            }
        }
        Ok(())
    }

    /// What reading so many at once takes of memory, beside what they are read into.
    pub(crate) fn read_bytes(count: usize) -> u64 {
        count.saturating_mul(LOOKUP_BYTES) as u64
    }

    /// What the files of stored ids say of themselves, before there are any.
    pub(super) fn headers() -> [Header; 2] {
        [header(Holds::Ids, ID_BYTES), header(Holds::Lookup, LOOKUP_BYTES)]
    }

    /// The row of each id, in the order of the ids, which must be sorted; none where it is not here.
    pub fn rows(&self, sorted: &[u64]) -> Result<Vec<Option<u64>>, ColumnError> {
        match self {
            Self::Range { first, rows } => {
                let row = |id: &u64| id.checked_sub(*first).filter(|row| row < rows);
                Ok(sorted.iter().map(row).collect())
            }
            Self::Stored { lookup, .. } => {
                let all = lookup.header().units;
                // Walking reads everything once, at some 20 reads of search for each id otherwise.
                if sorted.len() as u64 > all / 512 { walk(lookup, sorted) } else { search(lookup, sorted) }
            }
        }
    }
}

/// Ids that are written as their rows come.
#[derive(Debug)]
pub(super) struct IdsWriter {
    folder: PathBuf,
    number: u64,
    ids: ColumnWriter,
}

impl IdsWriter {
    pub(super) fn create(folder: &Path, number: u64) -> Result<Self, ColumnError> {
        let ids = ColumnWriter::create(&path(folder, number, Holds::Ids), header(Holds::Ids, ID_BYTES))?;
        Ok(Self { folder: folder.to_owned(), number, ids })
    }

    /// The ids of the rows that come next.
    pub(super) fn append(&mut self, ids: &[u64]) -> Result<(), ColumnError> {
        for part in ids.chunks(WALKED) {
            let row = self.ids.rows();
            let units: Vec<u8> = (row..).zip(part).flat_map(|(row, &id)| id_unit(row, id)).collect();
            self.ids.append(&units, part.len() as u64)?;
        }
        Ok(())
    }

    /// Writes the rows in the order of ids, in which they must come.
    pub(super) fn finish<E: From<ColumnError>>(
        self,
        order: impl Iterator<Item = Result<(u64, u32), E>>,
    ) -> Result<(), E> {
        self.ids.finish()?;
        let lookup = header(Holds::Lookup, LOOKUP_BYTES);
        let mut writer = ColumnWriter::create(&path(&self.folder, self.number, Holds::Lookup), lookup)?;
        let mut order = order.peekable();
        let mut units = Vec::with_capacity(WALKED * LOOKUP_BYTES);
        while order.peek().is_some() {
            units.clear();
            for next in order.by_ref().take(WALKED) {
                let (id, row) = next?;
                units.extend_from_slice(&lookup_unit(id, row));
            }
            writer.append(&units, (units.len() / LOOKUP_BYTES) as u64)?;
        }
        writer.finish()?;
        Ok(())
    }
}

fn header(holds: Holds, unit_bytes: usize) -> Header {
    Header { holds, dimension: 0, codec: 0, unit_bytes: unit_bytes as u64, units: 0, rows: 0 }
}

fn id_unit(row: u64, id: u64) -> [u8; ID_BYTES] {
    let mut unit = [0; ID_BYTES];
    unit[..8].copy_from_slice(&id.to_le_bytes());
    unit[8..].copy_from_slice(&vouch(id, row));
    unit
}

fn lookup_unit(id: u64, row: u32) -> [u8; LOOKUP_BYTES] {
    let mut unit = [0; LOOKUP_BYTES];
    unit[..8].copy_from_slice(&id.to_le_bytes());
    unit[8..12].copy_from_slice(&row.to_le_bytes());
    unit[12..].copy_from_slice(&vouch(id, u64::from(row)));
    unit
}

/// Four bytes that belong to this id in this row.
fn vouch(id: u64, row: u64) -> [u8; 4] {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&id.to_le_bytes());
    both[8..].copy_from_slice(&row.to_le_bytes());
    let [a, b, c, d, ..] = xxh3_64(&both).to_le_bytes();
    [a, b, c, d]
}

/// The stored ids of so many rows from one on, once each is believed.
fn believed(ids: &Column, first: u64, count: usize) -> Result<Vec<u8>, ColumnError> {
    let mut units = vec![0; count * ID_BYTES];
    ids.read_unit(first, &mut units)?;
    for (row, unit) in (first..).zip(units.chunks_exact(ID_BYTES)) {
        if unit != id_unit(row, first_word(unit)) {
            return Err(ids.damaged(row));
        }
    }
    Ok(units)
}

fn first_word(unit: &[u8]) -> u64 {
    unit.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// An entry of the order, once it is believed.
fn entry(lookup: &Column, at: u64, unit: &[u8]) -> Result<(u64, u32), ColumnError> {
    let id = first_word(unit);
    let row = unit.get(8..12).and_then(|row| row.try_into().ok()).map_or(0, u32::from_le_bytes);
    if unit == lookup_unit(id, row) { Ok((id, row)) } else { Err(lookup.damaged(at)) }
}

fn search(lookup: &Column, sorted: &[u64]) -> Result<Vec<Option<u64>>, ColumnError> {
    let mut low = 0;
    let mut rows = Vec::with_capacity(sorted.len());
    for &wanted in sorted {
        let mut high = lookup.header().units;
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let mut unit = [0; LOOKUP_BYTES];
            lookup.read_unit(middle, &mut unit)?;
            let (id, row) = entry(lookup, middle, &unit)?;
            if id < wanted {
                low = middle + 1;
            } else {
                if id == wanted {
                    found = Some(u64::from(row));
                }
                high = middle;
            }
        }
        rows.push(found);
    }
    Ok(rows)
}

fn walk(lookup: &Column, sorted: &[u64]) -> Result<Vec<Option<u64>>, ColumnError> {
    let mut rows = vec![None; sorted.len()];
    let mut wanted = sorted.iter().zip(&mut rows).peekable();
    let all = lookup.header().units;
    let mut units = vec![0; WALKED * LOOKUP_BYTES];
    let mut first = 0;
    while first < all && wanted.peek().is_some() {
        let count = (all - first).min(WALKED as u64);
        let part = units.get_mut(..usize::try_from(count).unwrap_or(0) * LOOKUP_BYTES).unwrap_or_default();
        lookup.read_unit(first, part)?;
        for (at, unit) in (first..).zip(part.chunks_exact(LOOKUP_BYTES)) {
            let (id, row) = entry(lookup, at, unit)?;
            while wanted.next_if(|(wanted, _)| **wanted < id).is_some() {}
            while let Some((_, into)) = wanted.next_if(|(wanted, _)| **wanted == id) {
                *into = Some(u64::from(row));
            }
        }
        first += count;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_id_either_way() {
        let folder = tempfile::tempdir().unwrap();
        let ids: Vec<u64> = (0..10_000_u64).map(|n| (n * 7919) % 10_007 * 3).collect();
        Ids::write(folder.path(), 1, &ids).unwrap();
        let stored = Ids::open(folder.path(), 1, None, 10_000).unwrap();
        for row in [0, 1, 77, 9_999] {
            assert_eq!(stored.id(row).unwrap(), ids[usize::try_from(row).unwrap()]);
        }
        for (group, ids) in (0..).zip(ids.chunks(512)) {
            let units = stored.group(group).unwrap();
            assert_eq!(units.len() as u64, stored.group_bytes(group));
            let found: Vec<u64> = (0..ids.len()).filter_map(|at| Ids::in_group(&units, at)).collect();
            assert_eq!(found, ids, "{group}");
            assert_eq!(Ids::in_group(&units, ids.len()), None);
        }
        assert!(stored.group(20).unwrap().is_empty(), "there is none behind the last");
        let mut wanted: Vec<u64> = (0..40_000).step_by(3).chain([1, 2, 50_000]).collect();
        wanted.sort_unstable();
        let expected: Vec<Option<u64>> =
            wanted.iter().map(|id| ids.iter().position(|other| other == id).map(|row| row as u64)).collect();
        assert_eq!(stored.rows(&wanted).unwrap(), expected);
        for id in [0, 3, 4, 29_997] {
            let expected = ids.iter().position(|other| *other == id).map(|row| row as u64);
            assert_eq!(stored.rows(&[id]).unwrap(), [expected], "{id}");
        }
        let (mut some, mut order) = (Vec::new(), Vec::new());
        stored.of_rows(100, 3, &mut some).unwrap();
        assert_eq!(some, ids[100..103]);
        stored.in_order(9_998, 5, &mut order).unwrap();
        let mut sorted: Vec<(u64, u32)> = ids.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        assert_eq!(order, sorted[9_998..]);
    }

    #[test]
    fn a_damaged_id_is_no_id() {
        let folder = tempfile::tempdir().unwrap();
        Ids::write(folder.path(), 1, &[5, 3, 9]).unwrap();
        for (holds, bytes) in [(Holds::Ids, ID_BYTES), (Holds::Lookup, LOOKUP_BYTES)] {
            let path = path(folder.path(), 1, holds);
            let mut file = std::fs::read(&path).unwrap();
            let end = file.len() - bytes;
            file[end] ^= 1;
            std::fs::write(&path, file).unwrap();
        }
        let stored = Ids::open(folder.path(), 1, None, 3).unwrap();
        assert_eq!(stored.id(1).unwrap(), 3);
        assert!(matches!(stored.group(0), Err(ColumnError::Damaged { unit: 2, .. })));
        assert!(matches!(stored.id(2), Err(ColumnError::Damaged { unit: 2, .. })));
        assert!(matches!(stored.rows(&[9]), Err(ColumnError::Damaged { .. })));
        assert!(matches!(stored.of_rows(0, 3, &mut Vec::new()), Err(ColumnError::Damaged { unit: 2, .. })));
        assert!(matches!(stored.in_order(0, 3, &mut Vec::new()), Err(ColumnError::Damaged { .. })));
    }

    #[test]
    fn ids_one_after_the_other_are_a_subtraction() {
        let range = Ids::Range { first: 10, rows: 5 };
        assert_eq!(range.id(4).unwrap(), 14);
        assert_eq!(range.rows(&[9, 10, 14, 15]).unwrap(), [None, Some(0), Some(4), None]);
        let (mut some, mut order) = (Vec::new(), Vec::new());
        range.of_rows(3, 2, &mut some).unwrap();
        range.in_order(3, 9, &mut order).unwrap();
        assert_eq!((some, order), (vec![13, 14], vec![(13, 3), (14, 4)]));
    }
}

//! Reading a column.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::holding::streaming::{FileSource, Source};
use xxhash_rust::xxh3::xxh3_64;

use super::{ColumnError, Header, PAGE_BYTES};

/// A column on disk.
#[derive(Debug)]
pub struct Column {
    path: PathBuf,
    header: Header,
    file: File,
    /// Past the page cache, where the system can.
    direct: FileSource,
    sums: Box<[u64]>,
}

impl Column {
    /// Opens a file, and checks that it is whole and what it should be: all that `like` says but units and rows.
    pub fn open(path: &Path, like: &Header) -> Result<Self, ColumnError> {
        let failed = |source| ColumnError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        let mut page = vec![0; PAGE_BYTES.min(usize::try_from(found).unwrap_or(PAGE_BYTES))];
        file.read_exact_at(&mut page, 0).map_err(failed)?;
        let header = Header::read(&page, path)?;
        if (Header { units: like.units, rows: like.rows, ..header }) != *like {
            let why = "it holds something else, or vectors of another codec or dimension than its index";
            return Err(ColumnError::Foreign { path: path.to_owned(), why });
        }
        let expected = header.file_bytes();
        if found != expected {
            return Err(ColumnError::Cut { path: path.to_owned(), found, expected });
        }
        let direct = FileSource::open(path, true).map_err(|error| failed(io::Error::other(error)))?;
        let mut column = Self { path: path.to_owned(), header, file, direct, sums: Box::default() };
        if header.holds.sums_apart() {
            column.sums = column.read_sums().map_err(failed)?;
        }
        Ok(column)
    }

    fn read_sums(&self) -> io::Result<Box<[u64]>> {
        // The file is as long as this says, so the length is not a stranger's number.
        let mut bytes = vec![0; usize::try_from(self.header.units * 8).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.header.sums_offset())?;
        Ok(bytes.chunks_exact(8).map(|sum| u64::from_le_bytes(sum.try_into().unwrap_or_default())).collect())
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it keeps in memory.
    pub fn heap_bytes(&self) -> u64 {
        self.sums.len() as u64 * 8
    }

    /// Its units as something to stream, which begins with the first unit.
    pub fn units(self: &Arc<Self>, units: Range<u64>) -> Units {
        let name = self.path.display().to_string();
        Units { column: Arc::clone(self), range: units, name }
    }

    /// Reads whole units from `first` on, past the page cache where it can, and checks them.
    pub fn read(&self, first: u64, into: &mut [u8]) -> Result<(), ColumnError> {
        let offset = self.offset(first);
        self.read_exact(|into, at| self.direct.read_at(offset + at, into), into)?;
        self.check(first, into)
    }

    /// Reads one unit past the page cache wherever it lies, and checks it. `around` has room for
    /// [`around_bytes`](Self::around_bytes) and begins at a whole page; the unit is within it.
    pub fn read_one<'b>(&self, unit: u64, around: &'b mut [u8]) -> Result<&'b [u8], ColumnError> {
        let page = PAGE_BYTES as u64;
        let (start, bytes) = (self.offset(unit), self.header.unit_bytes);
        let before = start % page;
        let wanted = (before + bytes).next_multiple_of(page);
        let (Ok(from), Ok(end), Ok(wanted)) =
            (usize::try_from(before), usize::try_from(before + bytes), usize::try_from(wanted))
        else {
            return Err(self.damaged(unit));
        };
        let mut done = 0;
        // The last page of a file may end before the page does.
        while done < end {
            let got = match self.direct.read_at(start - before + done as u64, &mut around[done..wanted]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                got => got,
            };
            done += got.map_err(|source| ColumnError::Read { path: self.path.clone(), source })?;
        }
        let found = &around[from..end];
        self.check(unit, found)?;
        Ok(found)
    }

    /// The most that lies around a unit in whole pages.
    pub fn around_bytes(unit_bytes: usize) -> usize {
        unit_bytes.next_multiple_of(PAGE_BYTES).saturating_add(PAGE_BYTES)
    }

    /// Reads part of a unit that carries its own checksum: the caller checks it.
    pub fn read_unit(&self, unit: u64, into: &mut [u8]) -> Result<(), ColumnError> {
        let offset = self.offset(unit);
        self.read_exact(|into, at| self.file.read_at(into, offset + at), into)
    }

    /// Reads some of what units are made of, from so many bytes behind the beginning of the first; nothing is checked.
    pub(super) fn read_raw(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.direct.read_at(PAGE_BYTES as u64 + at, into)
    }

    fn read_exact(
        &self,
        read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
        into: &mut [u8],
    ) -> Result<(), ColumnError> {
        let mut done = 0;
        while done < into.len() {
            let got = match read(&mut into[done..], done as u64) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                got => got,
            };
            done += got.map_err(|source| ColumnError::Read { path: self.path.clone(), source })?;
        }
        Ok(())
    }

    /// Whether these bytes are the units from `first` on.
    pub fn check(&self, first: u64, units: &[u8]) -> Result<(), ColumnError> {
        let unit_bytes = usize::try_from(self.header.unit_bytes).unwrap_or(usize::MAX);
        for (unit, bytes) in (first..).zip(units.chunks(unit_bytes)) {
            let sum = usize::try_from(unit).ok().and_then(|unit| self.sums.get(unit));
            if sum != Some(&xxh3_64(bytes)) {
                return Err(self.damaged(unit));
            }
        }
        Ok(())
    }

    /// What is said of a unit that is not what was written.
    pub fn damaged(&self, unit: u64) -> ColumnError {
        ColumnError::Damaged { path: self.path.clone(), unit }
    }

    fn offset(&self, unit: u64) -> u64 {
        PAGE_BYTES as u64 + unit * self.header.unit_bytes
    }
}

/// Some units of a column, as a source for a stream. Whoever takes the chunks checks them.
#[derive(Debug)]
pub struct Units {
    column: Arc<Column>,
    range: Range<u64>,
    name: String,
}

impl Source for Units {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok((self.range.end - self.range.start) * self.column.header.unit_bytes)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        // A read in whole grains may reach beyond the last unit: what lies there is no unit of ours.
        let left = self.bytes_now()?.saturating_sub(offset);
        let got = self.column.direct.read_at(self.column.offset(self.range.start) + offset, into)?;
        Ok(got.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    fn grain(&self) -> u64 {
        let start = self.column.offset(self.range.start);
        let grain = self.column.direct.grain();
        // A stream aligns what it reads to where it begins, so only an aligned beginning has a grain.
        if start.is_multiple_of(grain) { grain } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ColumnWriter, Holds};

    const HEADER: Header =
        Header { holds: Holds::Codes, dimension: 4, codec: 0, unit_bytes: 100, units: 0, rows: 0 };

    fn written(folder: &Path, units: &[u8]) -> PathBuf {
        let path = folder.join("column");
        let mut writer = ColumnWriter::create(&path, HEADER).unwrap();
        for chunk in units.chunks(300) {
            writer.append(chunk, (chunk.len() / 100) as u64).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn units_come_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let units: Vec<u8> = (0..1000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let path = written(folder.path(), &units);
        let column = Column::open(&path, &HEADER).unwrap();
        let mut back = vec![0; 500];
        column.read(3, &mut back).unwrap();
        assert_eq!(back, units[300..800]);
        let other = Header { unit_bytes: 50, ..HEADER };
        assert!(matches!(Column::open(&path, &other), Err(ColumnError::Foreign { .. })));

        let mut bytes = std::fs::read(&path).unwrap();
        bytes[PAGE_BYTES + 450] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let column = Column::open(&path, &HEADER).unwrap();
        column.read(0, &mut back[..400]).unwrap();
        assert!(matches!(column.read(3, &mut back), Err(ColumnError::Damaged { unit: 4, .. })));

        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(Column::open(&path, &HEADER), Err(ColumnError::Cut { .. })));
    }

    #[test]
    fn what_was_not_finished_is_no_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("column");
        let mut writer = ColumnWriter::create(&path, HEADER).unwrap();
        writer.append(&[1; 200], 2).unwrap();
        drop(writer);
        assert!(matches!(Column::open(&path, &HEADER), Err(ColumnError::Foreign { .. })));
        assert!(ColumnWriter::create(&path, HEADER).is_err(), "a file that is there is not written over");
    }

    #[test]
    fn one_unit_is_read_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let units: Vec<u8> = (0..10_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let path = written(folder.path(), &units);
        let mut around = vec![0; Column::around_bytes(100)];
        let column = Column::open(&path, &HEADER).unwrap();
        for unit in 0..100 {
            let at = usize::try_from(unit).unwrap() * 100;
            assert_eq!(column.read_one(unit, &mut around).unwrap(), &units[at..at + 100]);
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[PAGE_BYTES + 4050] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let column = Column::open(&path, &HEADER).unwrap();
        assert!(column.read_one(39, &mut around).is_ok());
        assert!(matches!(column.read_one(40, &mut around), Err(ColumnError::Damaged { unit: 40, .. })));
    }

    #[test]
    fn a_stream_of_units_ends_with_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let units: Vec<u8> = (0..1000_u32).map(|n| (n % 241) as u8).collect();
        let column = Arc::new(Column::open(&written(folder.path(), &units), &HEADER).unwrap());
        let source = column.units(2..5);
        let mut back = vec![0; 4096];
        assert_eq!(source.bytes_now().unwrap(), 300);
        assert_eq!(source.read_at(100, &mut back).unwrap(), 200);
        assert_eq!(back[..200], units[300..500]);
    }
}

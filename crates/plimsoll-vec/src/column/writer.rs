//! Writing a column.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::{ColumnError, Header, PAGE_BYTES};

/// A column that is being written.
///
/// Units are appended in order. Until [`finish`](Self::finish) the first page is empty, so that what was left half
/// written is no column. Its own memory is eight bytes a unit where checksums stand apart.
#[derive(Debug)]
pub struct ColumnWriter {
    path: PathBuf,
    file: File,
    header: Header,
    sums: Vec<u64>,
}

impl ColumnWriter {
    /// Begins a file, which must not be there yet. The header's units and rows are counted anew.
    pub fn create(path: &Path, header: Header) -> Result<Self, ColumnError> {
        let failed = |source| ColumnError::Write { path: path.to_owned(), source };
        let mut file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
        file.write_all(&[0; PAGE_BYTES]).map_err(failed)?;
        let header = Header { units: 0, rows: 0, ..header };
        Ok(Self { path: path.to_owned(), file, header, sums: Vec::new() })
    }

    /// Appends whole units that hold so many rows.
    pub fn append(&mut self, units: &[u8], rows: u64) -> Result<(), ColumnError> {
        let unit_bytes = usize::try_from(self.header.unit_bytes).unwrap_or(usize::MAX);
        assert!(units.len().is_multiple_of(unit_bytes), "only whole units are appended");
        self.file.write_all(units).map_err(|source| self.failed(source))?;
        if self.header.holds.sums_apart() {
            self.sums.extend(units.chunks_exact(unit_bytes).map(xxh3_64));
        }
        self.header.units += (units.len() / unit_bytes) as u64;
        self.header.rows += rows;
        Ok(())
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.header.rows
    }

    /// What its checksums take meanwhile for so many units.
    pub fn sums_bytes(&self) -> u64 {
        self.sums.len() as u64 * 8
    }

    /// Writes checksums and the first page, and waits until the disk has all of it.
    pub fn finish(mut self) -> Result<Header, ColumnError> {
        let written = self.close();
        written.map_err(|source| self.failed(source))?;
        Ok(self.header)
    }

    fn close(&mut self) -> io::Result<()> {
        for sums in self.sums.chunks(8192) {
            let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            self.file.write_all(&bytes)?;
        }
        // The head goes in only when what it vouches for is on the disk.
        self.file.sync_data()?;
        std::os::unix::fs::FileExt::write_all_at(&self.file, &self.header.page(), 0)?;
        self.file.sync_all()
    }

    fn failed(&self, source: io::Error) -> ColumnError {
        ColumnError::Write { path: self.path.clone(), source }
    }
}

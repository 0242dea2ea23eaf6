//! A segment on disk.

use std::path::Path;
use std::sync::Arc;

use super::{Ids, Originals, path};
use crate::column::{Column, ColumnError, Header, Holds};
use crate::{BLOCK_ROWS, Codec};

/// Rows on disk: their codes, and what else is kept of them.
#[derive(Debug)]
pub struct Segment {
    number: u64,
    codes: Arc<Column>,
    originals: Option<Originals>,
    ids: Ids,
}

impl Segment {
    /// Opens one, and checks that it is what the index says.
    pub fn open(
        folder: &Path,
        number: u64,
        shape: (Codec, usize),
        first_id: Option<u64>,
        originals: bool,
    ) -> Result<Self, ColumnError> {
        let codes = Column::open(&path(folder, number, Holds::Codes), &codes_header(shape.0, shape.1))?;
        let rows = codes.header().rows;
        if rows.div_ceil(BLOCK_ROWS as u64) != codes.header().units {
            return Err(foreign(&codes));
        }
        let originals = originals.then(|| Originals::open(folder, number, shape, rows)).transpose()?;
        Ok(Self {
            number,
            codes: Arc::new(codes),
            originals,
            ids: Ids::open(folder, number, first_id, rows)?,
        })
    }

    /// Which one it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many rows it has, dead ones too.
    pub fn rows(&self) -> u64 {
        self.codes.header().rows
    }

    /// Its blocks of codes.
    pub fn codes(&self) -> &Arc<Column> {
        &self.codes
    }

    /// Its vectors as they came, where they are kept.
    pub fn originals(&self) -> Option<&Originals> {
        self.originals.as_ref()
    }

    /// Its ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// What it takes on disk.
    pub fn disk_bytes(&self, folder: &Path) -> u64 {
        let length =
            |holds| std::fs::metadata(path(folder, self.number, holds)).map_or(0, |facts| facts.len());
        [Holds::Codes, Holds::Originals, Holds::Ids, Holds::Lookup].into_iter().map(length).sum()
    }

    /// Removes the files of a segment that no index names. What cannot be removed is left: it is tried again whenever the
    /// index is opened for writing.
    pub(crate) fn remove(folder: &Path, number: u64) {
        for holds in [Holds::Codes, Holds::Originals, Holds::Ids, Holds::Lookup] {
            let _ = std::fs::remove_file(path(folder, number, holds));
        }
    }
}

/// What the codes of such vectors say of themselves, before there are any.
pub(crate) fn codes_header(codec: Codec, dimension: usize) -> Header {
    let place = Codec::ALL.iter().position(|other| *other == codec).unwrap_or_default();
    Header {
        holds: Holds::Codes,
        dimension: u32::try_from(dimension).unwrap_or(u32::MAX),
        codec: u32::try_from(place).unwrap_or(u32::MAX),
        unit_bytes: codec.block_bytes(dimension) as u64,
        units: 0,
        rows: 0,
    }
}

/// A column of a unit a row, if it has that of all rows.
pub(super) fn of_rows(column: Column, rows: u64) -> Result<Column, ColumnError> {
    let header = column.header();
    if header.rows == rows && header.units == rows { Ok(column) } else { Err(foreign(&column)) }
}

fn foreign(column: &Column) -> ColumnError {
    let why = "it has another number of rows than what stands beside it";
    ColumnError::Foreign { path: column.path().to_owned(), why }
}

//! A segment on disk.

use std::path::Path;
use std::sync::Arc;

use plimsoll::governor::Charge;

use super::{Ids, Originals, Starts, path};
use crate::column::{Column, ColumnError, Header, Holds};
use crate::{BLOCK_ROWS, Codec, Layout};

/// Rows on disk: their codes, and what else is kept of them.
#[derive(Debug)]
pub struct Segment {
    number: u64,
    codes: Arc<Column>,
    lower: Option<Column>,
    originals: Option<Originals>,
    ids: Ids,
    lists: Option<Starts>,
    /// Pays for what it keeps in memory, as long as it is there.
    _charge: Option<Charge>,
}

/// The columns that a segment may have.
const COLUMNS: [Holds; 6] =
    [Holds::Codes, Holds::Lower, Holds::Originals, Holds::Ids, Holds::Lookup, Holds::Lists];

impl Segment {
    /// Opens one, and checks that it is what the index says: `shape` is how rows are coded and of how many numbers,
    /// `originals` how many numbers vectors have that are kept as they came, `lists` how many its rows are divided into.
    pub fn open(
        folder: &Path,
        number: u64,
        shape: (Codec, usize),
        first_id: Option<u64>,
        originals: Option<usize>,
        lists: Option<usize>,
    ) -> Result<Self, ColumnError> {
        let layout = Layout::new(shape.0, shape.1);
        let codes = Column::open(&path(folder, number, Holds::Codes), &codes_header(layout))?;
        let rows = codes.header().rows;
        if rows.div_ceil(BLOCK_ROWS as u64) != codes.header().units {
            return Err(foreign(&codes));
        }
        let lower = lower_header(layout)
            .map(|header| Column::open(&path(folder, number, Holds::Lower), &header))
            .transpose()?;
        if let Some(lower) = &lower
            && (lower.header().rows, lower.header().units) != (rows, codes.header().units)
        {
            return Err(foreign(lower));
        }
        let originals = originals
            .map(|dimension| Originals::open(folder, number, (shape.0, dimension), rows))
            .transpose()?;
        Ok(Self {
            number,
            codes: Arc::new(codes),
            lower,
            originals,
            ids: Ids::open(folder, number, first_id, rows)?,
            lists: lists.map(|lists| Starts::open(folder, number, lists, rows)).transpose()?,
            _charge: None,
        })
    }

    /// The same, which pays for what it keeps in memory as long as anybody has it.
    pub(crate) fn paid(self, charge: Charge) -> Self {
        Self { _charge: Some(charge), ..self }
    }

    /// Which one it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many rows it has, dead ones too.
    pub fn rows(&self) -> u64 {
        self.codes.header().rows
    }

    /// Its blocks of codes; of planes their upper parts.
    pub fn codes(&self) -> &Arc<Column> {
        &self.codes
    }

    /// The lower planes of its blocks, where it has any.
    pub fn lower(&self) -> Option<&Column> {
        self.lower.as_ref()
    }

    /// Its vectors as they came, where they are kept.
    pub fn originals(&self) -> Option<&Originals> {
        self.originals.as_ref()
    }

    /// Its ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Where its lists begin, if its rows lie by lists.
    pub fn lists(&self) -> Option<&Starts> {
        self.lists.as_ref()
    }

    /// What the groups of ids, and of originals if they are looked `again` at, take in memory that are read where so many of a
    /// number of groups are.
    pub(crate) fn groups_bytes(&self, again: bool, of: impl Fn(u64) -> u64) -> u64 {
        let ids = self.rows().div_ceil(Ids::GROUP_ROWS);
        let ids = if self.ids().are_stored() { of(ids) * self.ids().group_bytes(0) } else { 0 };
        // Elsewhere originals are read one by one.
        let originals = self.originals().filter(|_| again && self.lists().is_some());
        let originals = originals.map_or(0, |originals| {
            of(self.rows().div_ceil(originals.group_rows())) * originals.group_bytes(0)
        });
        ids + originals
    }

    /// What it keeps in memory.
    pub fn heap_bytes(&self) -> u64 {
        let lists = self.lists.as_ref().map_or(0, |lists| Starts::heap_bytes(lists.count()));
        self.codes.heap_bytes() + self.lower.as_ref().map_or(0, Column::heap_bytes) + lists
    }

    /// What one of so many rows takes on disk; `stored` is whether ids are not one after the other.
    pub(crate) fn file_bytes(
        shape: (Codec, usize),
        rows: u64,
        originals: Option<usize>,
        stored: bool,
        lists: Option<usize>,
    ) -> u64 {
        let layout = Layout::new(shape.0, shape.1);
        let blocks = rows.div_ceil(BLOCK_ROWS as u64);
        let file = |header: Header, units: u64| Header { units, ..header }.file_bytes();
        let mut bytes = file(codes_header(layout), blocks);
        bytes += lower_header(layout).map_or(0, |header| file(header, blocks));
        if let Some(dimension) = originals {
            bytes += file(Originals::header((shape.0, dimension)), rows);
        }
        if stored {
            bytes += Ids::headers().map(|header| file(header, rows)).iter().sum::<u64>();
        }
        bytes + lists.map_or(0, |lists| file(Starts::header(), lists as u64 + 1))
    }

    /// What it takes on disk.
    pub fn disk_bytes(&self, folder: &Path) -> u64 {
        let length =
            |holds| std::fs::metadata(path(folder, self.number, holds)).map_or(0, |facts| facts.len());
        COLUMNS.into_iter().map(length).sum()
    }

    /// Removes the files of a segment that no index names. What cannot be removed is left: it is tried again whenever the
    /// index is opened for writing.
    pub(crate) fn remove(folder: &Path, number: u64) {
        for holds in COLUMNS {
            let _ = std::fs::remove_file(path(folder, number, holds));
        }
    }
}

/// What the codes of such vectors say of themselves, before there are any.
pub(super) fn codes_header(layout: Layout) -> Header {
    header(layout, Holds::Codes, layout.upper_bytes())
}

/// The same of their lower planes; none where codes are in one part.
pub(super) fn lower_header(layout: Layout) -> Option<Header> {
    let bytes = layout.lower_bytes();
    (bytes > 0).then(|| header(layout, Holds::Lower, bytes))
}

/// What a column says that belongs to such codes, before it has units.
pub(crate) fn header(layout: Layout, holds: Holds, unit_bytes: usize) -> Header {
    let place = Codec::ALL.iter().position(|other| *other == layout.codec()).unwrap_or_default();
    Header {
        holds,
        dimension: u32::try_from(layout.dimension()).unwrap_or(u32::MAX),
        codec: u32::try_from(place).unwrap_or(u32::MAX),
        unit_bytes: unit_bytes as u64,
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

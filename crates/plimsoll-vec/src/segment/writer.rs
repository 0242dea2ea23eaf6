//! Writing a segment.

use std::path::{Path, PathBuf};

use super::ids::IdsWriter;
use super::segment::{codes_header, lower_header};
use super::{Ids, Originals, Segment, Starts, path};
use crate::column::{ColumnError, ColumnWriter, Holds};
use crate::{BLOCK_ROWS, Codec, Layout};

/// A segment that is being written. Dropped unfinished, its files are removed; killed, they are no columns, and are
/// removed when the index is opened next.
#[derive(Debug)]
pub struct SegmentWriter {
    folder: PathBuf,
    number: u64,
    layout: Layout,
    codes: Option<ColumnWriter>,
    lower: Option<ColumnWriter>,
    originals: Option<ColumnWriter>,
    ids: Option<IdsWriter>,
    units: Vec<u8>,
}

impl SegmentWriter {
    /// Begins one; with `originals`, vectors are kept as they came, which have so many numbers.
    pub fn create(
        folder: &Path,
        number: u64,
        shape: (Codec, usize),
        originals: Option<usize>,
    ) -> Result<Self, ColumnError> {
        // A segment of this number that was begun and not published is nobody's.
        Segment::remove(folder, number);
        let layout = Layout::new(shape.0, shape.1);
        let codes = ColumnWriter::create(&path(folder, number, Holds::Codes), codes_header(layout))?;
        let lower = lower_header(layout)
            .map(|header| ColumnWriter::create(&path(folder, number, Holds::Lower), header))
            .transpose()?;
        let originals = originals
            .map(|dimension| {
                let header = Originals::header((shape.0, dimension));
                ColumnWriter::create(&path(folder, number, Holds::Originals), header)
            })
            .transpose()?;
        let (folder, units) = (folder.to_owned(), Vec::new());
        Ok(Self { folder, number, layout, codes: Some(codes), lower, originals, ids: None, units })
    }

    /// What it needs of memory beside the caller's blocks and vectors, for chunks of so many rows.
    pub fn heap_bytes(rows: usize, dimension: usize, originals: bool) -> u64 {
        if originals { rows.saturating_mul(Originals::row_bytes(dimension)) as u64 } else { 0 }
    }

    /// Appends whole blocks that hold these rows; only the last blocks of a segment may not be full.
    pub fn append(&mut self, blocks: &[u8], vectors: &[f32], rows: usize) -> Result<(), ColumnError> {
        self.append_codes(blocks, rows)?;
        if let Some(originals) = &mut self.originals {
            self.units.clear();
            for vector in vectors.chunks_exact(vectors.len() / rows.max(1)) {
                Originals::unit(vector, &mut self.units);
            }
            originals.append(&self.units, rows as u64)?;
        }
        Ok(())
    }

    /// The same with vectors as they stand in the file of another segment.
    pub(crate) fn append_units(
        &mut self,
        blocks: &[u8],
        units: &[u8],
        rows: usize,
    ) -> Result<(), ColumnError> {
        self.append_codes(blocks, rows)?;
        match &mut self.originals {
            Some(originals) => originals.append(units, rows as u64),
            None => Ok(()),
        }
    }

    fn append_codes(&mut self, blocks: &[u8], rows: usize) -> Result<(), ColumnError> {
        let full = self.codes.as_ref().is_none_or(|codes| codes.rows().is_multiple_of(BLOCK_ROWS as u64));
        assert!(full, "nothing follows a block that is not full");
        match (&mut self.codes, &mut self.lower) {
            (Some(codes), None) => codes.append(blocks, rows as u64)?,
            (Some(codes), Some(lower)) => {
                for (at, block) in blocks.chunks_exact(self.layout.block_bytes()).enumerate() {
                    let (upper, below) = block.split_at(self.layout.upper_bytes());
                    let rows = rows.saturating_sub(at * BLOCK_ROWS).min(BLOCK_ROWS) as u64;
                    codes.append(upper, rows)?;
                    lower.append(below, rows)?;
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The ids of rows in order, where they are known as rows come; such a segment ends with
    /// [`finish_lists`](Self::finish_lists).
    pub fn append_ids(&mut self, ids: &[u64]) -> Result<(), ColumnError> {
        if self.ids.is_none() {
            self.ids = Some(IdsWriter::create(&self.folder, self.number)?);
        }
        self.ids.as_mut().map_or(Ok(()), |writer| writer.append(ids))
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.codes.as_ref().map_or(0, ColumnWriter::rows)
    }

    /// Writes what is left, waits for the disk, and gives the first id back where they are one after the other. Where rows
    /// lie by lists, these begin at `starts`, the last of which is the end.
    pub fn finish(mut self, ids: &WrittenIds, starts: Option<&[u32]>) -> Result<Option<u64>, ColumnError> {
        if let Some(starts) = starts {
            Starts::write(&self.folder, self.number, starts)?;
        }
        let first = match ids {
            WrittenIds::From(first) => Some(*first),
            WrittenIds::These(ids) => {
                let first = ids.first().copied().unwrap_or_default();
                let runs = (first..).zip(ids).all(|(expected, id)| expected == *id);
                if !runs {
                    Ids::write(&self.folder, self.number, ids)?;
                }
                runs.then_some(first)
            }
        };
        self.close()?;
        Ok(first)
    }

    /// The same for rows that lie by lists: these begin at `starts`, the last of which is the end, and `order` are all ids
    /// in order with their rows.
    pub fn finish_lists(
        self,
        starts: &[u32],
        order: impl Iterator<Item = (u64, u32)>,
    ) -> Result<(), ColumnError> {
        self.finish_ordered(Some(starts), order.map(Ok))
    }

    /// The same where rows need not lie by lists, and the order of ids may fail to come.
    pub(crate) fn finish_ordered<E: From<ColumnError>>(
        mut self,
        starts: Option<&[u32]>,
        order: impl Iterator<Item = Result<(u64, u32), E>>,
    ) -> Result<(), E> {
        if let Some(starts) = starts {
            Starts::write(&self.folder, self.number, starts)?;
        }
        if let Some(ids) = self.ids.take() {
            ids.finish(order)?;
        }
        Ok(self.close()?)
    }

    fn close(&mut self) -> Result<(), ColumnError> {
        if let Some(originals) = self.originals.take() {
            originals.finish()?;
        }
        if let Some(lower) = self.lower.take() {
            lower.finish()?;
        }
        // Without its writer it stays when this is dropped.
        if let Some(codes) = self.codes.take() {
            codes.finish().inspect_err(|_| Segment::remove(&self.folder, self.number))?;
        }
        Ok(())
    }

    /// What finishing takes from memory for so many ids.
    pub fn finish_bytes(ids: u64) -> u64 {
        Ids::write_bytes(ids)
    }
}

/// The ids of rows that were written.
#[derive(Clone, Debug)]
pub enum WrittenIds {
    /// One after the other, from this one on.
    From(u64),
    /// One for each row.
    These(Vec<u64>),
}

impl WrittenIds {
    /// The id after the last of so many rows.
    pub fn end(&self, rows: u64) -> u64 {
        match self {
            Self::From(first) => first.saturating_add(rows),
            Self::These(ids) => ids.iter().max().map_or(0, |last| last.saturating_add(1)),
        }
    }

    /// That of a row; none has the one that is no id.
    pub fn of(&self, row: u64) -> u64 {
        match self {
            Self::From(first) => first.saturating_add(row),
            Self::These(ids) => {
                usize::try_from(row).ok().and_then(|row| ids.get(row)).copied().unwrap_or(u64::MAX)
            }
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if self.codes.is_some() {
            Segment::remove(&self.folder, self.number);
        }
    }
}

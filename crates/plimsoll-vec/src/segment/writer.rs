//! Writing a segment.

use std::path::{Path, PathBuf};

use super::segment::{codes_header, lower_header};
use super::{Ids, Originals, Segment, path};
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
    units: Vec<u8>,
}

impl SegmentWriter {
    /// Begins one; with `originals`, vectors are kept as they came.
    pub fn create(
        folder: &Path,
        number: u64,
        shape: (Codec, usize),
        originals: bool,
    ) -> Result<Self, ColumnError> {
        // A segment of this number that was begun and not published is nobody's.
        Segment::remove(folder, number);
        let layout = Layout::new(shape.0, shape.1);
        let codes = ColumnWriter::create(&path(folder, number, Holds::Codes), codes_header(layout))?;
        let lower = lower_header(layout)
            .map(|header| ColumnWriter::create(&path(folder, number, Holds::Lower), header))
            .transpose()?;
        let header = Originals::header(shape);
        let originals = originals
            .then(|| ColumnWriter::create(&path(folder, number, Holds::Originals), header))
            .transpose()?;
        let folder = folder.to_owned();
        Ok(Self { folder, number, layout, codes: Some(codes), lower, originals, units: Vec::new() })
    }

    /// What it needs of memory beside the caller's blocks and vectors, for chunks of so many rows.
    pub fn heap_bytes(rows: usize, dimension: usize, originals: bool) -> u64 {
        if originals { rows.saturating_mul(Originals::row_bytes(dimension)) as u64 } else { 0 }
    }

    /// Appends whole blocks that hold these rows; only the last blocks of a segment may not be full.
    pub fn append(&mut self, blocks: &[u8], vectors: &[f32], rows: usize) -> Result<(), ColumnError> {
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
        if let Some(originals) = &mut self.originals {
            self.units.clear();
            for vector in vectors.chunks_exact(vectors.len() / rows.max(1)) {
                Originals::unit(vector, &mut self.units);
            }
            originals.append(&self.units, rows as u64)?;
        }
        Ok(())
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.codes.as_ref().map_or(0, ColumnWriter::rows)
    }

    /// Writes what is left, waits for the disk, and gives the first id back where they are one after the other.
    pub fn finish(mut self, ids: &WrittenIds) -> Result<Option<u64>, ColumnError> {
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
        Ok(first)
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

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if self.codes.is_some() {
            Segment::remove(&self.folder, self.number);
        }
    }
}

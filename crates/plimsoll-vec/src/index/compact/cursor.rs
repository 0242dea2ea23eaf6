//! Rows of a segment, read some blocks ahead.

use super::way::Way;
use crate::BLOCK_ROWS;
use crate::column::ColumnError;
use crate::index::Shape;
use crate::segment::{Originals, Segment};

/// A window on a segment.
#[derive(Debug)]
pub(super) struct Cursor<'s> {
    segment: &'s Segment,
    /// Bytes of a block in its two parts, and of a vector.
    sizes: (usize, usize, usize),
    most: usize,
    first: u64,
    rows: usize,
    upper: Vec<u8>,
    lower: Vec<u8>,
    originals: Vec<u8>,
    ids: Vec<u64>,
}

/// A row as it lies in its segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'c> {
    /// The block that it is in, in two parts, and where there.
    pub(super) block: (&'c [u8], &'c [u8]),
    pub(super) at: usize,
    /// Its vector as it stands in the file; empty where vectors are not kept.
    pub(super) original: &'c [u8],
    pub(super) id: u64,
}

impl<'s> Cursor<'s> {
    /// On a segment, with a window of so many blocks.
    pub(super) fn new(segment: &'s Segment, shape: &Shape, way: Way) -> Self {
        let layout = shape.layout();
        let original = if shape.originals { Originals::row_bytes(shape.dimension) } else { 0 };
        let rows = way.blocks * BLOCK_ROWS;
        Self {
            segment,
            sizes: (layout.upper_bytes(), layout.lower_bytes(), original),
            most: way.blocks,
            first: 0,
            rows: 0,
            upper: Vec::with_capacity(way.blocks * layout.upper_bytes()),
            lower: Vec::with_capacity(way.blocks * layout.lower_bytes()),
            originals: Vec::with_capacity(rows * original),
            ids: Vec::with_capacity(rows),
        }
    }

    /// A row; they are best asked for in order.
    pub(super) fn row(&mut self, row: u64) -> Result<Row<'_>, ColumnError> {
        let there = row.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let at = match there.filter(|at| *at < self.rows) {
            Some(at) => at,
            None => self.look(row)?,
        };
        let (upper, lower, original) = self.sizes;
        let block = at / BLOCK_ROWS;
        Ok(Row {
            block: (&self.upper[block * upper..][..upper], &self.lower[block * lower..][..lower]),
            at: at % BLOCK_ROWS,
            original: &self.originals[at * original..][..original],
            id: self.ids[at],
        })
    }

    /// Moves the window to where a row is, and says where in it the row is.
    fn look(&mut self, row: u64) -> Result<usize, ColumnError> {
        let block = row / BLOCK_ROWS as u64;
        let first = block * BLOCK_ROWS as u64;
        let left = self.segment.rows().saturating_sub(first);
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(self.most * BLOCK_ROWS);
        let blocks = rows.div_ceil(BLOCK_ROWS);
        // What fails leaves no window.
        self.rows = 0;
        let (upper, lower, original) = self.sizes;
        self.upper.resize(blocks * upper, 0);
        self.segment.codes().read(block, &mut self.upper)?;
        if let Some(column) = self.segment.lower() {
            self.lower.resize(blocks * lower, 0);
            column.read(block, &mut self.lower)?;
        }
        if let Some(originals) = self.segment.originals() {
            self.originals.resize(rows * original, 0);
            originals.units(first, &mut self.originals)?;
        }
        self.ids.clear();
        self.segment.ids().of_rows(first, rows, &mut self.ids)?;
        (self.first, self.rows) = (first, rows);
        Ok(usize::try_from(row - first).unwrap_or_default())
    }
}

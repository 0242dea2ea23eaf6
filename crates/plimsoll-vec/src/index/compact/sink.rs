//! Rows in their new order become a segment.

use super::cursor::Row;
use super::way::Way;
use crate::column::ColumnError;
use crate::index::Shape;
use crate::segment::{Originals, SegmentWriter};
use crate::{BLOCK_ROWS, Layout};

/// Copies rows into blocks, and writes these.
#[derive(Debug)]
pub(super) struct Sink {
    out: SegmentWriter,
    layout: Layout,
    /// Whether ids are written, which they need not be where they are one after the other.
    stored: bool,
    blocks: Vec<u8>,
    originals: Vec<u8>,
    ids: Vec<u64>,
    rows: usize,
    most: usize,
}

impl Sink {
    pub(super) fn new(out: SegmentWriter, shape: &Shape, way: Way, stored: bool) -> Self {
        let layout = shape.layout();
        let original = if shape.originals { Originals::row_bytes(shape.dimension) } else { 0 };
        let most = way.blocks * BLOCK_ROWS;
        Self {
            out,
            layout,
            stored,
            blocks: vec![0; way.blocks * layout.block_bytes()],
            originals: Vec::with_capacity(most * original),
            ids: Vec::with_capacity(most),
            rows: 0,
            most,
        }
    }

    /// The next row. Says whether rows were written.
    pub(super) fn take(&mut self, row: Row<'_>) -> Result<bool, ColumnError> {
        let bytes = self.layout.block_bytes();
        let block = &mut self.blocks[self.rows / BLOCK_ROWS * bytes..][..bytes];
        self.layout.copy_row(row.block, row.at, block, self.rows % BLOCK_ROWS);
        self.originals.extend_from_slice(row.original);
        self.ids.push(row.id);
        self.rows += 1;
        let full = self.rows == self.most;
        if full {
            self.write()?;
        }
        Ok(full)
    }

    /// How many rows were written.
    pub(super) fn written(&self) -> u64 {
        self.out.rows()
    }

    fn write(&mut self) -> Result<(), ColumnError> {
        let blocks = &self.blocks[..self.rows.div_ceil(BLOCK_ROWS) * self.layout.block_bytes()];
        self.out.append_units(blocks, &self.originals, self.rows)?;
        if self.stored {
            self.out.append_ids(&self.ids)?;
        }
        // Places of the last block that nobody takes are zeros.
        self.blocks.fill(0);
        self.originals.clear();
        self.ids.clear();
        self.rows = 0;
        Ok(())
    }

    /// Writes what is left, and gives the segment back that is to be finished.
    pub(super) fn end(mut self) -> Result<SegmentWriter, ColumnError> {
        if self.rows > 0 {
            self.write()?;
        }
        Ok(self.out)
    }
}

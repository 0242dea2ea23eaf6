//! A matrix of weights where it lies in the file.

use std::ops::Range;

use plimsoll_tensor::packed::{PackedView, Packing};

/// Rows of weights.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) kind: Packing,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Its bytes in the file, which `load` has checked against the file's length; or in its shard.
    pub(crate) bytes: Range<usize>,
}

impl Matrix {
    /// In its file.
    ///
    /// # Panics
    /// If its bytes are not those of its shape, which `load` has checked.
    pub(crate) fn of<'f>(&self, file: &'f [u8]) -> PackedView<'f> {
        match PackedView::new(self.kind, self.rows, self.columns, &file[self.bytes.clone()]) {
            Ok(view) => view,
            Err(error) => unreachable!("a matrix that was checked when it was loaded: {error}"),
        }
    }
}

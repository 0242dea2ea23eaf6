//! A packed matrix where it lies.

use super::decode::Decode;
use super::{PackedError, Packing};
use crate::wide::widest;

/// A matrix that is only read: rows after rows of packed numbers, in bytes that someone else keeps.
#[derive(Clone, Copy)]
pub struct PackedView<'a> {
    packing: Packing,
    rows: usize,
    columns: usize,
    bytes: &'a [u8],
}

impl<'a> PackedView<'a> {
    /// Over bytes that are exactly so many rows.
    pub fn new(packing: Packing, rows: usize, columns: usize, bytes: &'a [u8]) -> Result<Self, PackedError> {
        let wanted = Self::bytes_of(packing, rows, columns)?;
        if wanted != bytes.len() {
            return Err(PackedError::Bytes { packing, rows, columns, found: bytes.len(), wanted });
        }
        Ok(Self { packing, rows, columns, bytes })
    }

    /// Bytes of a matrix.
    pub fn bytes_of(packing: Packing, rows: usize, columns: usize) -> Result<usize, PackedError> {
        let large = PackedError::Large { rows, columns };
        if !columns.is_multiple_of(packing.block_numbers()) {
            return Err(PackedError::Columns { packing, columns });
        }
        packing.bytes(columns).and_then(|row| row.checked_mul(rows)).ok_or(large)
    }

    /// How numbers are stored.
    pub const fn packing(&self) -> Packing {
        self.packing
    }

    /// Rows: what a product gives for each input.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row: what a product takes.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of a row.
    pub(crate) const fn row_bytes(&self) -> usize {
        match self.bytes.len().checked_div(self.rows) {
            Some(bytes) => bytes,
            None => 0,
        }
    }

    /// One row as numbers.
    ///
    /// # Panics
    /// If there is no such row, or it has another length than `into`.
    pub fn row(&self, row: usize, into: &mut [f32]) {
        assert!(row < self.rows && into.len() == self.columns, "row {row} of {}", self.rows);
        let len = self.row_bytes();
        widest(Decode { packing: self.packing, bytes: &self.bytes[row * len..(row + 1) * len], into });
    }
}

impl std::fmt::Debug for PackedView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedView({}, {} × {})", self.packing, self.rows, self.columns)
    }
}

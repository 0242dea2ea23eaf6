//! Vectors as they came, on disk: looked at again for the best candidates, and never read but for them.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::path;
use super::segment::{codes_header, of_rows};
use crate::column::{Column, ColumnError, Header, Holds};
use crate::{Codec, Layout};

/// The vectors of a segment's rows.
#[derive(Debug)]
pub struct Originals {
    column: Column,
    unit: usize,
}

impl Originals {
    /// What a row takes: its numbers and their checksum.
    pub const fn row_bytes(dimension: usize) -> usize {
        dimension.saturating_mul(4).saturating_add(8)
    }

    pub(super) fn open(
        folder: &Path,
        number: u64,
        shape: (Codec, usize),
        rows: u64,
    ) -> Result<Self, ColumnError> {
        let column = Column::open(&path(folder, number, Holds::Originals), &Self::header(shape))?;
        Ok(Self { column: of_rows(column, rows)?, unit: Self::row_bytes(shape.1) })
    }

    /// What the file says of itself, before there are any rows.
    pub(super) fn header(shape: (Codec, usize)) -> Header {
        let unit_bytes = Self::row_bytes(shape.1) as u64;
        Header { holds: Holds::Originals, unit_bytes, ..codes_header(Layout::new(shape.0, shape.1)) }
    }

    /// A vector as it stands in the file.
    pub(super) fn unit(vector: &[f32], into: &mut Vec<u8>) {
        let start = into.len();
        into.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
        let sum = xxh3_64(&into[start..]);
        into.extend_from_slice(&sum.to_le_bytes());
    }

    /// Reads vectors from a row on as they stand in the file, and checks them.
    pub(crate) fn units(&self, first: u64, into: &mut [u8]) -> Result<(), ColumnError> {
        self.column.read_unit(first, into)?;
        for (row, unit) in (first..).zip(into.chunks_exact(self.unit)) {
            let (numbers, sum) = unit.split_at(self.unit - 8);
            if sum != xxh3_64(numbers).to_le_bytes() {
                return Err(self.column.damaged(row));
            }
        }
        Ok(())
    }

    /// Reads a row's vector; `bytes` is what it is read into meanwhile.
    pub fn read(&self, row: u64, bytes: &mut Vec<u8>, into: &mut [f32]) -> Result<(), ColumnError> {
        bytes.resize(self.unit, 0);
        self.column.read_unit(row, bytes)?;
        let (numbers, sum) = bytes.split_at(self.unit - 8);
        if sum != xxh3_64(numbers).to_le_bytes() {
            return Err(self.column.damaged(row));
        }
        for (into, number) in into.iter_mut().zip(numbers.as_chunks().0) {
            *into = f32::from_le_bytes(*number);
        }
        Ok(())
    }
}

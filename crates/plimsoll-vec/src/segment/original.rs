//! Vectors as they came, on disk: looked at again for the best candidates, and never read but for them.

use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::path;
use super::segment::{codes_header, of_rows};
use crate::column::{Column, ColumnError, Header, Holds};
use crate::{Codec, Layout};

/// Vectors that are read together take about so much.
const GROUP_BYTES: usize = 64 << 10;

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

    /// Rows that are read together where they stay in memory.
    pub fn group_rows(&self) -> u64 {
        (GROUP_BYTES / self.unit).max(1) as u64
    }

    /// What the group of a row takes in memory.
    pub fn group_bytes(&self, group: u64) -> u64 {
        let rows = self.rows_of(group);
        (rows.end - rows.start) * self.unit as u64
    }

    /// The vectors of a group, as they are kept in memory: see [`in_group`](Self::in_group). Each is believed.
    pub fn group(&self, group: u64) -> Result<Box<[u8]>, ColumnError> {
        let rows = self.rows_of(group);
        let mut units = vec![0; usize::try_from(rows.end - rows.start).unwrap_or(0) * self.unit];
        self.units(rows.start, &mut units)?;
        Ok(units.into())
    }

    /// The vector of a row of a group.
    pub fn in_group(&self, units: &[u8], row: u64, into: &mut [f32]) {
        let at = usize::try_from(row % self.group_rows()).unwrap_or(usize::MAX).saturating_mul(self.unit);
        take(units.get(at..).unwrap_or_default(), into);
    }

    fn rows_of(&self, group: u64) -> Range<u64> {
        let (all, each) = (self.column.header().units, self.group_rows());
        let first = group.saturating_mul(each).min(all);
        first..(first + each).min(all)
    }

    fn believed<'u>(&self, row: u64, unit: &'u [u8]) -> Result<&'u [u8], ColumnError> {
        let (numbers, sum) = unit.split_at(self.unit - 8);
        if sum == xxh3_64(numbers).to_le_bytes() { Ok(numbers) } else { Err(self.column.damaged(row)) }
    }

    /// Reads vectors from a row on as they stand in the file, and checks them.
    pub(crate) fn units(&self, first: u64, into: &mut [u8]) -> Result<(), ColumnError> {
        self.column.read_unit(first, into)?;
        (first..)
            .zip(into.chunks_exact(self.unit))
            .try_for_each(|(row, unit)| self.believed(row, unit).map(drop))
    }

    /// Reads a row's vector; `bytes` is what it is read into meanwhile.
    pub fn read(&self, row: u64, bytes: &mut Vec<u8>, into: &mut [f32]) -> Result<(), ColumnError> {
        bytes.resize(self.unit, 0);
        self.column.read_unit(row, bytes)?;
        take(self.believed(row, bytes)?, into);
        Ok(())
    }
}

fn take(numbers: &[u8], into: &mut [f32]) {
    for (into, number) in into.iter_mut().zip(numbers.as_chunks().0) {
        *into = f32::from_le_bytes(*number);
    }
}

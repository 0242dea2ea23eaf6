//! What is asked.

use crate::Span;
use crate::kernels::Number;

/// The most rows that can be asked for.
pub const K_MAX: u32 = 4096;

/// The most numbers of a vector.
pub const DIMENSION_MAX: u32 = 1 << 16;

/// What the score of a row is; less is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The squared distance, Σ (q − x)².
    Distance,
    /// The product with its sign turned, −Σ q x. Of vectors that come normalized that is the angle's cosine.
    Product,
}

/// The sizes of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NearestShape {
    /// How many rows.
    pub rows: u32,
    /// How many queries.
    pub queries: u32,
    /// Numbers of each: 1..=[`DIMENSION_MAX`].
    pub dimension: u32,
    /// How rows are stored: floats, or [`Number::Int8`] with a scale for each row.
    pub number: Number,
    /// What is near.
    pub measure: Measure,
    /// How many rows a list has: 1..=[`K_MAX`].
    pub k: u32,
}

impl NearestShape {
    /// One row.
    pub const fn row_bytes(&self) -> u64 {
        self.dimension as u64 * self.number.bits() / 8
    }

    /// All rows, one after the other.
    pub const fn rows_bytes(&self) -> u64 {
        self.row_bytes() * self.rows as u64
    }

    /// A single for each row, where they are scaled.
    pub const fn scales_bytes(&self) -> u64 {
        if self.number.scaled() { self.rows as u64 * 4 } else { 0 }
    }

    /// All queries, one after the other: singles, however rows are stored.
    pub const fn queries_bytes(&self) -> u64 {
        self.dimension as u64 * 4 * self.queries as u64
    }

    /// A bit for each row, in whole words of 64: bit `r % 8` of byte `r / 8`.
    pub const fn mask_bytes(&self) -> u64 {
        (self.rows as u64).div_ceil(64) * 8
    }

    /// The lists of all queries, one after the other.
    pub const fn lists_bytes(&self) -> u64 {
        self.queries as u64 * self.k as u64 * super::Key::BYTES
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0 || self.queries == 0
    }
}

/// A search among rows. Each span has exactly the bytes that the shape says.
#[derive(Clone, Copy, Debug)]
pub struct Nearest<'r> {
    /// The sizes.
    pub shape: NearestShape,
    /// The rows.
    pub rows: Span<'r>,
    /// Their scales, exactly for [`Number::Int8`].
    pub scales: Option<Span<'r>>,
    /// The queries, as singles.
    pub queries: Span<'r>,
    /// Which rows may be found; all, where there is none.
    pub mask: Option<Span<'r>>,
    /// The number of the first row. Rows are numbered in 32 bits, the last one below 2³² − 1.
    pub first: u32,
    /// A list of [`Key`](super::Key)s for each query, in order, to be read and written. None of these rows is in
    /// them yet.
    pub lists: Span<'r>,
    /// Memory to work in, of at least [`Kernels::nearest_desk`](crate::Kernels::nearest_desk) bytes. What it holds
    /// afterwards is nothing.
    pub desk: Span<'r>,
}

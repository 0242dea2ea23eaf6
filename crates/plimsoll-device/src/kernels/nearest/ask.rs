//! What is asked.

use super::Form;
use crate::Span;

/// Rows that stand together where they are signs.
pub(super) const BLOCK: u64 = 64;

/// The most rows that can be asked for.
pub const K_MAX: u32 = 4096;

/// The most numbers of a vector.
pub const DIMENSION_MAX: u32 = 1 << 16;

/// What the score of a row is; less is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The squared distance, Σ (q − x)². Of rows of signs |x|² + |q|² − 2 Σ q x, with the length that their side says: an
    /// estimate, which may be below zero.
    Distance,
    /// The product with its sign turned, −Σ q x. Of vectors that come normalized that is the angle's cosine.
    Product,
    /// How many signs differ: for rows of [`Form::Sign`] alone.
    Hamming,
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
    /// How rows are stored.
    pub form: Form,
    /// What is near.
    pub measure: Measure,
    /// How many rows a list has: 1..=[`K_MAX`].
    pub k: u32,
    /// Squares of rows are given.
    pub squares: bool,
}

impl NearestShape {
    /// One row.
    pub const fn row_bytes(&self) -> u64 {
        (self.dimension as u64 * self.form.bits()).div_ceil(8)
    }

    /// All rows, one after the other; signs in whole blocks.
    pub const fn rows_bytes(&self) -> u64 {
        let rows = self.rows as u64;
        self.row_bytes() * if matches!(self.form, Form::Sign) { rows.next_multiple_of(BLOCK) } else { rows }
    }

    /// The scales or sides of all rows, where they count: signs that are counted mean nothing else.
    pub const fn scales_bytes(&self) -> u64 {
        let counted = matches!(self.measure, Measure::Hamming);
        if counted { 0 } else { self.rows as u64 * self.form.side_bytes() }
    }

    /// A single for each row.
    pub const fn squares_bytes(&self) -> u64 {
        self.rows as u64 * 4
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
    /// Their scales or sides, exactly where the shape has some.
    pub scales: Option<Span<'r>>,
    /// Their squares, exactly where the shape says so: what [`Kernels::squares`](crate::Kernels::squares) wrote for them.
    pub squares: Option<Span<'r>>,
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

/// Squares to be kept of rows.
#[derive(Clone, Copy, Debug)]
pub struct Squares<'r> {
    /// Their sizes; what it says of queries and lists is of no account.
    pub shape: NearestShape,
    /// The rows.
    pub rows: Span<'r>,
    /// Their scales or sides.
    pub scales: Option<Span<'r>>,
    /// A single for each row, to be written.
    pub target: Span<'r>,
}

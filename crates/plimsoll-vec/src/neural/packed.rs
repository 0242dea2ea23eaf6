//! Matrices packed for products.
//!
//! The products are those of a search with many queries: a block of 64 rows with groups of sixteen columns. A sum goes over
//! the depth in one order whatever the number of rows, so a vector's latent does not depend on who was coded beside it.

use crate::BLOCK_ROWS;
use crate::scan::{GROUP, Kernels, Lines, Path, TILE, kernels};

/// Groups of columns that are multiplied at once.
const GROUPS: usize = 3;
/// Products of a block with so many groups.
pub(super) const TILES: usize = GROUPS * TILE;

/// Columns of a matrix, sixteen side by side, with zeros up to whole groups.
#[derive(Debug)]
pub(super) struct Packed {
    lines: Lines,
    depth: usize,
    columns: usize,
    kernels: &'static Kernels,
}

impl Packed {
    /// What it takes from the heap.
    pub(super) fn bytes_for(columns: usize, depth: usize) -> u64 {
        let numbers = columns.next_multiple_of(GROUP).saturating_mul(depth);
        Lines::bytes_for(numbers.saturating_mul(4))
    }

    /// Zeros.
    pub(super) fn new(columns: usize, depth: usize) -> Self {
        let lines = Lines::new(columns.next_multiple_of(GROUP) * depth * 4);
        Self { lines, depth, columns, kernels: kernels(Path::best()) }
    }

    /// A matrix whose columns lie one after the other: `from[column][depth]`.
    pub(super) fn of(columns: usize, depth: usize, from: &[f32]) -> Self {
        let mut packed = Self::new(columns, depth);
        packed.set_columns(from);
        packed
    }

    /// Packs columns that lie one after the other.
    pub(super) fn set_columns(&mut self, from: &[f32]) {
        let depth = self.depth;
        let into = self.lines.of_mut::<f32>();
        for (column, numbers) in from.chunks_exact(depth).take(self.columns).enumerate() {
            let first = column / GROUP * GROUP * depth + column % GROUP;
            for (to, number) in into[first..].iter_mut().step_by(GROUP).zip(numbers) {
                *to = *number;
            }
        }
    }

    /// Packs rows that lie one after the other, `from[depth][column]`; beyond the last row stand zeros.
    pub(super) fn set_rows(&mut self, from: &[f32]) {
        let (depth, columns) = (self.depth, self.columns);
        let into = self.lines.of_mut::<f32>();
        let mut rows = from.chunks_exact(columns);
        for at in 0..depth {
            let row = rows.next();
            for (group, first) in (0..columns).step_by(GROUP).enumerate() {
                let width = GROUP.min(columns - first);
                let to = &mut into[(group * depth + at) * GROUP..][..width];
                match row {
                    Some(row) => to.copy_from_slice(&row[first..first + width]),
                    None => to.fill(0.0),
                }
            }
        }
    }

    /// How many columns.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers of a row.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Products of a block of rows, each of the depth, with all columns. `take` gets sixteen columns of all 64 rows at once:
    /// the first column, how many there are, and their products row after row.
    pub(super) fn products(
        &self,
        rows: &[u8],
        tiles: &mut [f32],
        mut take: impl FnMut(usize, usize, &[f32]),
    ) {
        debug_assert_eq!(rows.len(), BLOCK_ROWS * self.depth * 4);
        let packed = self.lines.of::<f32>();
        let at_once = self.kernels.float_groups.min(GROUPS);
        let groups = self.columns.div_ceil(GROUP);
        let mut group = 0;
        while group < groups {
            let count = at_once.min(groups - group);
            let part = &packed[group * self.depth * GROUP..];
            self.kernels.tile_floats(count, rows, self.depth, part, tiles);
            for tile in tiles.chunks_exact(TILE).take(count) {
                let first = group * GROUP;
                take(first, GROUP.min(self.columns - first), tile);
                group += 1;
            }
        }
    }
}

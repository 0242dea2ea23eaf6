//! The loops over rows, one table of them a path.

#![expect(
    clippy::inline_always,
    reason = "a kernel is compiled for instructions only within the function that has them"
)]
#![expect(clippy::cast_ptr_alignment, reason = "registers are loaded from wherever numbers lie")]

mod floats;
mod groups;
mod levels;
mod planes;
mod sift;
mod signs;
mod sixes;
mod table;

pub(crate) use floats::FloatRows;
pub(crate) use groups::{ENTRY_MOST, LOT, PAIRS_MOST, SignGains, SignStep, Step, TableRows, TableSums};
pub(crate) use levels::{Kind, LevelRows, Sums};
pub(crate) use planes::{PlaneRow, PlaneSides, fetch_row, turn as turn_fours};
pub(crate) use sift::{Bounds, Factors, Limits, RowTerms, Terms};
pub(crate) use signs::SignRows;
pub(crate) use sixes::{GROUPS as SIXES_OF_WORD, SIGNS as SIX, SixRows, WORDS as SIX_WORDS};
pub(crate) use table::{Kernels, best, kernels};

use crate::BLOCK_ROWS;

/// Queries that stand side by side in a tile.
pub(crate) const GROUP: usize = 16;

/// Products of a block with a group: row after row, query by query.
pub(crate) const TILE: usize = BLOCK_ROWS * GROUP;

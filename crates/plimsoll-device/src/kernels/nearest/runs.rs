//! Rows that only some queries look at.

use super::Key;
use super::ask::{Nearest, NearestShape};

/// Rows one after the other, and who looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// The first row, of those that the search is among, and the one behind the last.
    pub begin: u32,
    /// As above.
    pub end: u32,
    /// The number of the first row.
    pub first: u32,
    /// Which of the wants: those from this one on.
    pub from: u32,
    /// To before this one.
    pub to: u32,
}

impl Run {
    /// How many rows.
    pub const fn rows(&self) -> u32 {
        self.end.saturating_sub(self.begin)
    }

    /// How many queries look at them.
    pub const fn queries(&self) -> u32 {
        self.to.saturating_sub(self.from)
    }

    /// How often a row is looked at by a query.
    pub const fn looks(&self) -> u64 {
        self.rows() as u64 * self.queries() as u64
    }
}

/// A search in which each query looks at some runs of the rows.
#[derive(Clone, Copy, Debug)]
pub struct NearestRuns<'r> {
    /// Rows, queries and lists. Runs say the numbers of rows: `first` is that of the mask's first bit, and the mask has a bit for each number
    /// from there on, as many whole words of 64 as it likes and enough for all runs. Squares may help where many look at a run, and change no bit.
    pub ask: Nearest<'r>,
    /// The runs, in the order of rows and apart. Read before the call returns, as is the next.
    pub runs: &'r [Run],
    /// The queries of each run, least first, each once.
    pub wants: &'r [u32],
}

/// The sizes of such a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunsShape {
    /// Those of rows, queries and lists.
    pub nearest: NearestShape,
    /// How many runs.
    pub runs: u64,
    /// How many queries they have, added up.
    pub wants: u64,
    /// How often a row is looked at, added up: below 2³².
    pub looks: u64,
}

impl RunsShape {
    /// Of these. Runs may share their wants: each counts for each.
    pub fn of(nearest: NearestShape, runs: &[Run]) -> Self {
        let sum = |of: fn(&Run) -> u64| runs.iter().map(of).fold(0, u64::saturating_add);
        let wants = sum(|run| u64::from(run.queries()));
        Self { nearest, runs: runs.len() as u64, wants, looks: sum(Run::looks) }
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.looks == 0 || self.nearest.is_empty()
    }
}

/// The lists of one query, of all of them.
pub(super) fn list_of<'l>(shape: &NearestShape, lists: &'l mut [u8], query: u32) -> &'l mut [u8] {
    let bytes = shape.k as usize * usize::try_from(Key::BYTES).unwrap_or(8);
    lists.get_mut(query as usize * bytes..).and_then(|from| from.get_mut(..bytes)).unwrap_or_default()
}

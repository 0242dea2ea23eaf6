//! The nearest rows of queries: what is asked, what an answer is, and what both mean.
//!
//! Rows and queries are vectors of one length. Each query has a list of `k` [`Key`]s, a score and a row each, least
//! first; the operation puts the rows of one span into lists that may have rows already, so what does not fit the
//! device comes in parts. A list is one set of rows in one order, however the rows were cut: by score, then by row.
//!
//! | part | what |
//! |---|---|
//! | `ask` | what is asked: [`NearestShape`], [`Nearest`], [`Squares`] |
//! | `form` | how rows are stored |
//! | `runs` | rows that only some queries look at: [`NearestRuns`] |
//! | `key` | a place of a list, in eight bytes |
//! | `check` | what fits together |
//! | `stored` | what the numbers of stored rows are |
//! | `reference` | what it means, in doubles |
//! | `tolerance` | how close a back end must come |
//! | `host` | the same in single precision, for the host |

mod ask;
mod check;
mod form;
#[cfg(unix)]
pub(crate) mod host;
mod key;
mod reference;
mod runs;
mod stored;
#[cfg(test)]
mod tests;
mod tolerance;

pub use ask::{DIMENSION_MAX, K_MAX, Measure, Nearest, NearestShape, Squares};
pub use check::{desk_of, nearest as check, runs as check_runs, squares as check_squares};
pub use form::Form;
pub use key::Key;
pub use reference::{nearest as reference, runs as reference_runs, squares as reference_squares};
pub use runs::{NearestRuns, Run, RunsShape};
pub use stored::{NearestStored, sign_at};
pub use tolerance::{found, room, squares_found};

//! How a search for the nearest rows is done: which passes, and what the desk holds.
//!
//! Rows are passed over once and compared with a bound of each query; what is within it becomes a candidate, and the
//! candidates become lists. Where there is no room for every row, a first pass over a part of the rows, spread evenly,
//! brings the bounds down. Few queries are scored as rows go by. Many are first bounded by products of the matrix
//! units, and the candidates are scored by the same function: so an answer does not depend on how it was found.
//!
//! | part | what |
//! |---|---|
//! | `plan` | which way a shape is searched, and what the desk holds. Pure |
//! | `search` | what the kernels take |
//! | `launch` | the passes, put on a stream |
//! | `map` | what Hopper's copy engine is told |
//! | `runs` | runs of rows, each for some of the queries |

mod launch;
mod map;
mod plan;
mod runs;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use plan::Plan;
pub(super) use plan::shared_bytes;
pub(crate) use runs::{RunsPlan, RunsTables};
pub(crate) use search::NearestAt;

//! The best rows of each query.
//!
//! An order without ties that matter: by score, then by row. So the best `k` of a set of rows are one set, in whatever
//! order, cuts or threads they were looked at.

mod best;
mod limits;
mod tops;

pub(crate) use best::Best;
pub use best::Hit;
pub(crate) use limits::Limits;
pub(crate) use tops::Finds;
pub use tops::{TOP_MAX, Tops, TopsError};

//! Distances of queries to the rows of blocks, and the best of them, in one pass.
//!
//! A scan is one thread's: split the rows over threads at blocks, give each its own [`Tops`], and merge them. A row's score
//! for a query is the same to the bit however rows are cut into calls and split over threads, because only one function
//! scores: a row against a query. For one query that function is all there is. For many, products of a whole
//! block with sixteen queries and more come first, and leave only the rows that could still enter a list: for levels they
//! are exact integers, from which the same score follows; for numbers they are bounds, and the rows that pass are scored
//! by that one function.
//!
//! Scores of levels and signs are the same on every processor and with any number of queries. Scores of numbers are the same
//! on processors that fuse multiplication and addition; without, they differ in the last places.

#[cfg(target_arch = "x86_64")]
mod amx;
mod desk;
mod floats;
mod form;
mod kernels;
mod levels;
mod lines;
mod path;
mod queries;
mod reference;
mod run;
mod score;
mod sign_tables;
mod tables;
mod wide;

#[cfg(test)]
mod tests;

pub(crate) use desk::Desk;
pub(crate) use kernels::{GROUP, Kernels, LOT, TILE, best as best_kernels, kernels};
pub(crate) use lines::Lines;
pub use path::Path;
pub(crate) use queries::MANY;
pub use queries::Queries;
pub use run::{Column, scan, scan_signs};
pub(crate) use run::{Rows, Who, scan_rows};
pub(crate) use score::fetch;
pub use score::{Row, score};

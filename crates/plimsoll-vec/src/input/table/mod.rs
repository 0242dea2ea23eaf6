//! Tables: a column of lists is the vectors, another the ids.
//!
//! A table is read as if it were rows of numbers ([`Table`] is a source of a stream): what decoding takes beside the ring is
//! known beforehand from what the file says of its pages ([`pages`]) or batches ([`ipc`]).

mod batch;
mod columns;
mod ipc;
mod pages;
mod parquet;
#[expect(clippy::module_inception, reason = "the table itself, among its parts")]
mod table;

pub(super) use table::Table;

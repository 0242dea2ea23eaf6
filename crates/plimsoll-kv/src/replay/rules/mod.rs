//! The rules that can be replayed: classical ones, ours, and the bound.

mod arc;
mod belady;
mod lfu;
mod lists;
mod lru;
mod name;
mod plimsoll;
mod s3_fifo;

pub use name::{RuleName, UnknownRule};

use super::Request;

/// A cache of blocks under some rule.
pub trait Rule {
    /// Serves a request whose blocks are `path`, first to last: says how many of the leading ones were there, and takes
    /// the request's blocks in.
    fn serve(&mut self, request: &Request, path: &[u32]) -> usize;
}

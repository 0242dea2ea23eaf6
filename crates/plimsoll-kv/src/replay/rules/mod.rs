//! The rules that can be replayed: classical ones, ours, and the bound.

mod arc;
mod belady;
mod lfu;
mod lists;
mod lru;
mod name;
mod plimsoll;
mod s3_fifo;

pub(super) use lists::Lists;
pub use name::{RuleName, UnknownRule};

use super::Request;

/// A cache of blocks under some rule.
pub(super) trait Rule {
    /// Serves a request whose blocks are `path`, first to last: says how many of the leading ones were there, and takes
    /// the request's blocks in. Those that it does not keep, of this request or of others, are added to `gone`.
    fn serve(&mut self, request: &Request, path: &[u32], gone: &mut Vec<u32>) -> usize;

    /// Whether it keeps a block now. What was given up for a request may have come back in the same one.
    fn holds(&self, block: u32) -> bool;
}

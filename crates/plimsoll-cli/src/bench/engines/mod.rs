//! What is measured without anything else installed: our pool, and the system's allocator.

mod malloc;
mod plimsoll;

pub use malloc::{Malloc, MallocSeat};
pub use plimsoll::{PlimsollPool, PlimsollSeat};

use super::harness::Peer;

/// Both, ours first.
pub fn own() -> Vec<Box<dyn Peer>> {
    vec![Box::new(PlimsollPool), Box::new(Malloc)]
}

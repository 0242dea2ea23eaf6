//! The ledger: the tree of accounts and what is charged to each.
//!
//! What it promises, per place and at every moment:
//!
//! * everything charged, emergency reserve included, is at most the line less the system's reserve;
//! * no account is charged above its limit, and what an account may not lend stays free for it;
//! * a byte is charged exactly once: a move between accounts or places is one step;
//! * a snapshot is one instant: own + children = total at every node.
//!
//! Everything here is pure book-keeping. There is no lock, no clock and nobody who waits; the
//! [`governor`](crate::governor) puts a lock around it and adds those.

mod books;
mod charter;
mod error;
mod settings;
mod snapshot;
mod sums;

pub(crate) use books::{Block, Books, MAX_DEPTH, Node, NodeId};
pub(crate) use charter::Charter;
pub use error::LedgerError;
pub use settings::{AccountSettings, LedgerSettings, LineSettings, ShareSettings};
pub use snapshot::{LedgerSnapshot, PlaceSnapshot, ShareSnapshot};
pub(crate) use sums::check_sums;
pub use sums::{Bound, Overcommit, Summand};

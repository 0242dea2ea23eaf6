//! Replaying request traces against a cache of blocks, without a block's bytes.
//!
//! A [`Trace`] is a tree of blocks and the requests that walk down it. A [`RuleName`] names a cache that keeps some of them.
//! [`replay`](fn@replay) sends every request through it and counts what it found.
//!
//! # What counts as a hit
//! A request is served from the front: its hits are the leading blocks that are there, and nothing behind the first one
//! that is missing. Afterwards all of its blocks have been computed, and the rule keeps what it likes of them.

mod capacity;
mod error;
mod line;
mod outcome;
mod rules;
mod tiers;
mod trace;
mod tree;

pub use capacity::{Capacity, ParseCapacityError};
pub use error::TraceError;
pub use outcome::{Outcome, replay};
pub use rules::{RuleName, UnknownRule};
pub use tiers::Moved;
pub use trace::{Request, Trace};

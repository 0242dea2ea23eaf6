//! Replaying request traces against a cache of blocks, without a block's bytes.
//!
//! A [`Trace`] is a tree of blocks and the requests that walk down it. A [`Rule`] is a cache that keeps some of them.
//! [`replay`](fn@replay) sends every request through a rule and counts what it found.
//!
//! # What counts as a hit
//! A request is served from the front: its hits are the leading blocks that are there, and nothing behind the first one
//! that is missing. Afterwards all of its blocks have been computed, and the rule keeps what it likes of them.

mod capacity;
mod error;
mod line;
mod outcome;
mod rules;
mod trace;
mod tree;

pub use capacity::Capacity;
pub use error::TraceError;
pub use outcome::{Outcome, replay};
pub use rules::{Rule, RuleName, UnknownRule};
pub use trace::{Request, Trace};

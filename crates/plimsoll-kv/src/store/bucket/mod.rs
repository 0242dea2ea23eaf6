//! Blocks in an object store, shared by several machines.
//!
//! An object is one block, immutable, under a key that its identity alone gives: whoever computes the block would write
//! the same, so the first write stands (a conditional put) and all others are content. Every object says in its head
//! whose it is, what it stands for and what its sections hash to; a reader believes nothing else, not even the length.
//! Machines share what they read and account only for what they wrote. What a server does wrong ends within a time
//! limit: a reader is told, and computes the block again.
//!
//! The design is argued in `docs/design/kv-remote.md`.

mod address;
mod breaker;
#[expect(clippy::module_inception, reason = "one noun a file")]
mod bucket;
mod budget;
mod connector;
#[cfg(not(feature = "https"))]
mod digest;
mod fault;
mod gets;
mod hands;
mod head;
mod puts;
mod settings;
mod shelf;
mod survey;
mod tally;

pub use bucket::Bucket;
pub use settings::BucketSettings;
pub use survey::{Checked, Damage, Share, Survey, inspect, verify};
pub use tally::{Facts, Requests};

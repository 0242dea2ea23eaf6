//! The cache: blocks kept hot, warm and cold, each tier an account of the ledger.
//!
//! An engine asks for the longest stored prefix of its tokens ([`Cache::seek`]), has it brought into its pages
//! ([`Prefix::restore`], layer by layer if it can begin before the end), computes the rest into blocks that are
//! [`Filling`], and shares each when it is [`Complete`]. What a sequence holds is never evicted; what it lets go of stays
//! for as long as it is worth its bytes, and moves down: from the engine's pages to host memory, from there to a store.
//!
//! Where things are: `state.rs` is the book (pure), `core.rs` what everybody shares, `block.rs` the states of a block,
//! `prefix.rs`, `restore.rs`, `errand.rs`, `piece.rs` and `bring.rs` the way up, `demote.rs`, `save.rs` and `mover.rs` the way down, `holder.rs` what the
//! governor asks, `rates.rs` whether to restore or to compute.

mod block;
mod bring;
#[expect(clippy::module_inception, reason = "the cache is what the module is about")]
mod cache;
mod copies;
mod core;
mod demote;
mod errand;
mod error;
mod holder;
mod mover;
mod piece;
mod prefix;
mod rates;
mod reader;
mod restore;
mod save;
mod settings;
mod state;
mod stats;
mod worth;

pub use block::{Complete, Filling, Overfull, Shared};
pub use cache::Cache;
pub use error::CacheError;
pub use prefix::Prefix;
pub use rates::{Choice, Rate, Rates, cut};
pub use restore::{Restore, Restored};
pub use settings::{CacheSettings, ColdSettings, Split, WarmSettings};
pub use stats::{CacheStats, TierStats};

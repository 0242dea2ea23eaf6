//! Streaming: a ring of chunks that data passes through, flat in memory whatever its size.
//!
//! * [`Streaming`]: opens files, sources and channels over rings of its account.
//! * [`Chunks`]: what arrives, in order; [`Producer`]: what sends.
//! * [`Indexed`]: chunks in any order, with read-ahead that learns.
//! * [`align`], [`readahead`]: the rules, alone and pure.

pub mod align;
mod channel;
mod chunk;
mod chunks;
mod cursor;
mod error;
mod feed;
mod frames;
mod indexed;
mod leased;
mod pages;
pub mod readahead;
mod reader;
mod ring;
mod slot;
mod source;

pub use align::Align;
pub use channel::Producer;
pub use chunk::{Chunk, Draft};
pub use chunks::Chunks;
pub use error::StreamError;
pub use feed::{Feed, Streaming};
pub use indexed::{Indexed, IndexedStats, Page};
pub use leased::LeasedSlots;
pub use slot::{HostSlots, Slot, SlotSource, Want};
pub use source::{FileSource, Source};

//! What a store keeps for a block.

use plimsoll::Bytes;

use super::StoreError;
use crate::block::{BlockId, Root, Token};

/// A block on its way into a store.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its identity.
    pub id: BlockId,
    /// The block before it, if it is not a sequence's first.
    pub parent: Option<BlockId>,
    /// What it descends from.
    pub root: &'a Root,
    /// Its tokens; compared when it is read.
    pub tokens: &'a [Token],
    /// What its bytes are, for whoever decodes them; the store only gives it back.
    pub form: u32,
    /// What getting it back is worth.
    pub worth: Worth,
    /// Its bytes, section after section.
    pub sections: &'a [&'a [u8]],
}

/// What is known of a block's value, kept so that a restart does not forget it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worth {
    /// Seconds that it took to compute.
    pub seconds: f32,
    /// How often it was used.
    pub uses: u32,
    /// When it was last used, in seconds since 1970.
    pub used_at: u64,
}

/// What a reader takes a record to be. Anything else is a miss.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// The block before it.
    pub parent: Option<BlockId>,
    /// What it descends from.
    pub root: &'a Root,
    /// Its tokens.
    pub tokens: &'a [Token],
    /// What its bytes are.
    pub form: u32,
}

/// One block of several that are read at once.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Which.
    pub id: BlockId,
    /// What it is taken to be.
    pub expect: Expect<'a>,
    /// Which of its sections.
    pub sections: std::ops::Range<usize>,
    /// Where to, exactly as long as they are together.
    pub into: &'a mut [u8],
    /// What became of it; written by the store.
    pub found: Result<Found, StoreError>,
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The bytes are there, and are what was written.
    Yes,
    /// There is no such record, or any doubt of it; it is to be computed again.
    No,
}

/// A record that a store keeps, as it tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its identity.
    pub id: BlockId,
    /// The block before it.
    pub parent: Option<BlockId>,
    /// What it descends from.
    pub root: Root,
    /// How many tokens it stands for.
    pub tokens: u32,
    /// What its bytes are.
    pub form: u32,
    /// The bytes of each section.
    pub sections: Vec<u32>,
    /// What the store needs for it, its own book-keeping included.
    pub stored: Bytes,
    /// What getting it back is worth.
    pub worth: Worth,
}

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// What it may hold.
    pub capacity: Bytes,
    /// What it holds, what is being written and what waits to be collected included.
    pub used: Bytes,
    /// Of that, what no block needs any more.
    pub dead: Bytes,
    /// Blocks.
    pub blocks: u64,
    /// Written today, and how much that may be.
    pub written_today: Bytes,
    /// The most that may be written a day; nothing if there is no limit.
    pub daily: Option<Bytes>,
}

//! What a copy in memory is.

use plimsoll::pool::Lease;

use crate::block::{BlockId, Root, Token};
use crate::engine::Pages;

/// What a block stands for; all its copies in memory share it.
#[derive(Debug)]
pub(super) struct Origin {
    pub id: BlockId,
    pub parent: Option<BlockId>,
    pub root: Root,
    pub tokens: Box<[Token]>,
}

impl Origin {
    /// Whether it is the block that a reader means: identities may collide, tokens do not.
    pub fn is(&self, root: &Root, parent: Option<BlockId>, tokens: &[Token]) -> bool {
        self.root == *root && self.parent == parent && *self.tokens == *tokens
    }
}

/// A copy in a page of the engine.
pub(super) struct Hot<P: Pages> {
    pub origin: std::sync::Arc<Origin>,
    pub page: P::Page,
    /// The state at its end, in host memory.
    pub snapshot: Option<Lease>,
}

/// A copy in host memory.
#[derive(Debug)]
pub(super) struct Warm {
    pub origin: std::sync::Arc<Origin>,
    pub bytes: Lease,
    /// How it is encoded.
    pub form: u32,
    /// Where each section ends; the snapshot, if there is one, is the last.
    pub ends: Box<[u32]>,
}

impl Warm {
    /// Where a section lies.
    pub fn span(&self, section: usize) -> Option<std::ops::Range<usize>> {
        let end = *self.ends.get(section)? as usize;
        let start = section.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(start..end)
    }
}

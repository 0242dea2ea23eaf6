//! The blocks of a trace: what each follows.

use std::collections::HashMap;

/// No block: what the first block of a prompt follows.
pub const NO_BLOCK: u32 = u32::MAX;

/// Blocks by number. A number is given in order of appearance; a block is told by its hash *and* the block before it, so
/// that a trace whose hashes do not cover what comes before cannot show a hit where there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    parents: Vec<u32>,
    known: HashMap<(u32, u64), u32>,
}

impl Tree {
    /// The block of this hash behind `parent`; `None` if there are too many blocks.
    pub fn child(&mut self, parent: u32, hash: u64) -> Option<u32> {
        let next = u32::try_from(self.parents.len()).ok().filter(|next| *next < NO_BLOCK)?;
        let block = *self.known.entry((parent, hash)).or_insert(next);
        if block == next {
            self.parents.push(parent);
        }
        Some(block)
    }

    /// Forgets hashes: those that come now are of another session.
    pub fn next_session(&mut self) {
        self.known.clear();
    }

    pub fn into_parents(self) -> Vec<u32> {
        self.parents
    }
}

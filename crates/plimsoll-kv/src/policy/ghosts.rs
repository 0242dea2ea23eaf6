//! What is remembered of blocks that are gone.
//!
//! A prefix that is gone is gone from its end, and comes back from its front. So it is enough to remember one block in a few:
//! those before it on the same path were used no less recently.

use super::facts::Facts;

/// One block of so many is remembered.
pub(super) const ONE_OF: u64 = 4;

/// Places where a block's memory may be.
const WAYS: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Ghost {
    /// Some of the block's hash; 0 is nobody.
    tag: u32,
    tick: u32,
    class: u16,
    uses: u16,
}

const NOBODY: Ghost = Ghost { tag: 0, tick: 0, class: 0, uses: 0 };

/// A table of a fixed size, 12 bytes a block; the oldest give way.
#[derive(Clone, Debug)]
pub(super) struct Ghosts {
    table: Vec<Ghost>,
}

impl Ghosts {
    /// Room for about so many.
    pub fn new(most: usize) -> Self {
        Self { table: vec![NOBODY; most.div_ceil(WAYS).max(1) * WAYS] }
    }

    pub fn put(&mut self, hash: u64, now: u32, facts: &Facts) {
        if !chosen(hash) {
            return;
        }
        let tag = tag(hash);
        let age = |ghost: &Ghost| match ghost.tag {
            0 => u64::MAX,
            same if same == tag => u64::MAX - 1,
            _ => u64::from(now.wrapping_sub(ghost.tick)),
        };
        let set = self.set(hash);
        if let Some(oldest) = self.table[set].iter_mut().max_by_key(|ghost| age(ghost)) {
            let Facts { tick, class, uses, .. } = *facts;
            *oldest = Ghost { tag, tick, class, uses };
        }
    }

    /// Takes what is remembered of a block.
    pub fn take(&mut self, hash: u64) -> Option<Facts> {
        if !chosen(hash) {
            return None;
        }
        let tag = tag(hash);
        let set = self.set(hash);
        let ghost = self.table[set].iter_mut().find(|ghost| ghost.tag == tag)?;
        let Ghost { tick, class, uses, .. } = std::mem::replace(ghost, NOBODY);
        Some(Facts { tick, price: 0.0, class, uses, hint: 0 })
    }

    fn set(&self, hash: u64) -> std::ops::Range<usize> {
        let sets = (self.table.len() / WAYS) as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of sets")]
        let set = ((u128::from(hash) * u128::from(sets)) >> 64) as usize;
        set * WAYS..(set + 1) * WAYS
    }
}

/// By bits in the middle: the high ones choose the set, and the lowest the judge's sample.
const fn chosen(hash: u64) -> bool {
    (hash >> 20).is_multiple_of(ONE_OF)
}

/// The low bits, which do not choose the set.
#[expect(clippy::cast_possible_truncation, reason = "some of the hash")]
const fn tag(hash: u64) -> u32 {
    (hash as u32) | 1
}

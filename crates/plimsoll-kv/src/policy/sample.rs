//! A sample of blocks that is watched whether or not the cache still has them.
//!
//! When a block comes back does not depend on the cache; what a cache sees does. So the judge learns from blocks that are
//! chosen by their hash: a few thousand, however many there are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The most blocks in sight.
const MOST: usize = 65_536;

/// Passes a number on that is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A block in sight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub class: u16,
    pub tick: u32,
}

/// The sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    blocks: HashMap<u64, Watched, BuildHasherDefault<Plain>>,
    /// Blocks whose hash ends in so many zeros are watched.
    zeros: u32,
}

impl Sample {
    /// Whether a block belongs to it.
    pub const fn watches(&self, hash: u64) -> bool {
        hash.trailing_zeros() >= self.zeros
    }

    /// The share of all blocks that is watched.
    pub fn share(&self) -> f32 {
        0.5_f32.powi(i32::try_from(self.zeros).unwrap_or(i32::MAX))
    }

    /// A block was used; tells when it was before, and as what.
    pub fn used(&mut self, hash: u64, now: Watched) -> Option<Watched> {
        self.blocks.insert(hash, now)
    }

    pub fn is_full(&self) -> bool {
        self.blocks.len() >= MOST
    }

    /// All that are in sight.
    pub fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.blocks.values()
    }

    /// Watches half as many, for twice as long.
    pub fn halve(&mut self) {
        self.zeros += 1;
        let zeros = self.zeros;
        self.blocks.retain(|hash, _| hash.trailing_zeros() >= zeros);
    }

    /// The age that a quarter of them is beyond.
    pub fn old_age(&self, now: u32) -> u32 {
        let mut ages: Vec<u32> = self.blocks.values().map(|block| now.wrapping_sub(block.tick)).collect();
        let at = ages.len() * 3 / 4;
        if at < ages.len() { *ages.select_nth_unstable(at).1 } else { 0 }
    }

    /// Loses sight of those that are at least so old.
    pub fn drop_old(&mut self, now: u32, age: u32, mut tell: impl FnMut(Watched)) {
        self.blocks.retain(|_, block| {
            let keep = now.wrapping_sub(block.tick) < age;
            if !keep {
                tell(*block);
            }
            keep
        });
    }
}

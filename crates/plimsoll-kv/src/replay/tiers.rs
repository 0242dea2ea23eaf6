//! Where the blocks of a replayed cache are: hot, warm or cold.

use serde::Serialize;

use super::rules::Lists;

/// The tiers' names, and their shares of the capacity in hundredths.
const TIERS: [(&str, usize); 3] = [("hot", 60), ("warm", 30), ("cold", 10)];

/// What moved, in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The tier.
    pub tier: &'static str,
    /// Blocks that a request found here; from warm and cold they move to hot.
    pub read: u64,
    /// Blocks that were put here: new ones and those that came back up (hot), or came down from the tier above.
    pub written: u64,
}

/// Follows the blocks that a rule keeps through three tiers, 60, 30 and 10 hundredths of its capacity. The rule says what is
/// kept at all; what has not been used for longest is demoted, whatever the rule, so that rules compare by what they keep.
#[derive(Clone, Debug)]
pub(super) struct Tiers {
    lists: Lists<3>,
    sizes: [usize; 3],
    moved: [Moved; 3],
}

impl Tiers {
    pub fn new(blocks: usize, capacity: usize) -> Self {
        let sizes = TIERS.map(|(_, share)| capacity.saturating_mul(share) / 100);
        Self {
            lists: Lists::new(blocks),
            sizes,
            moved: TIERS.map(|(tier, _)| Moved { tier, ..Moved::default() }),
        }
    }

    /// A request found the first `hits` blocks of its path; the rule gave up `gone`.
    pub fn served(&mut self, path: &[u32], hits: usize, gone: &[u32]) {
        for &block in &path[..hits] {
            if let Some(tier) = self.lists.list(block) {
                self.moved[tier].read += 1;
            }
        }
        for &block in path.iter().rev() {
            if self.lists.list(block) != Some(0) {
                self.moved[0].written += 1;
            }
            self.lists.put(0, block);
        }
        for &block in gone {
            self.lists.take(block);
        }
        for tier in 0..TIERS.len() - 1 {
            while self.lists.len(tier) > self.sizes[tier] {
                if let Some(block) = self.lists.pop(tier) {
                    self.lists.put(tier + 1, block);
                    self.moved[tier + 1].written += 1;
                }
            }
        }
    }

    pub const fn moved(&self) -> [Moved; 3] {
        self.moved
    }
}

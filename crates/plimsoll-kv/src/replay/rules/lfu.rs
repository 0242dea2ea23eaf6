//! Least frequently used, and of these the least recently.

use super::lists::Lists;
use super::{Request, Rule};

/// Uses are counted up to here.
const MOST_USES: usize = 250;

/// Evicts what was used least often since it came in; a list for each count, tail first.
#[derive(Clone, Debug)]
pub(super) struct Lfu {
    lists: Lists<{ MOST_USES + 1 }>,
    held: usize,
    capacity: usize,
}

impl Lfu {
    pub fn new(blocks: usize, capacity: usize) -> Self {
        Self { lists: Lists::new(blocks), held: 0, capacity }
    }

    fn evict(&mut self) -> Option<u32> {
        let block = (0..=MOST_USES).find_map(|uses| self.lists.pop(uses))?;
        self.held -= 1;
        Some(block)
    }
}

impl Rule for Lfu {
    fn serve(&mut self, _request: &Request, path: &[u32], gone: &mut Vec<u32>) -> usize {
        let hits = path.iter().take_while(|block| self.lists.list(**block).is_some()).count();
        for &block in path.iter().rev() {
            let uses = self.lists.list(block).map_or(0, |uses| (uses + 1).min(MOST_USES));
            // Room is made first: what is new is used least and would be the one to go.
            if uses == 0 {
                if self.held >= self.capacity {
                    gone.extend(self.evict());
                }
                self.held += 1;
            }
            self.lists.put(uses, block);
        }
        hits
    }

    fn holds(&self, block: u32) -> bool {
        self.lists.list(block).is_some()
    }
}

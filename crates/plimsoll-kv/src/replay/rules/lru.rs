//! Least recently used, tail first.

use super::lists::Lists;
use super::{Request, Rule};

/// Evicts what has not been used for longest. A request uses its blocks from the last to the first, so that of one
/// prompt the deepest goes first and what is kept is always a prefix.
#[derive(Clone, Debug)]
pub(super) struct Lru {
    lists: Lists<1>,
    capacity: usize,
}

impl Lru {
    pub fn new(blocks: usize, capacity: usize) -> Self {
        Self { lists: Lists::new(blocks), capacity }
    }
}

impl Rule for Lru {
    fn serve(&mut self, _request: &Request, path: &[u32], gone: &mut Vec<u32>) -> usize {
        let hits = path.iter().take_while(|block| self.lists.list(**block).is_some()).count();
        for &block in path.iter().rev() {
            self.lists.put(0, block);
        }
        while self.lists.len(0) > self.capacity {
            gone.extend(self.lists.pop(0));
        }
        hits
    }

    fn holds(&self, block: u32) -> bool {
        self.lists.list(block).is_some()
    }
}

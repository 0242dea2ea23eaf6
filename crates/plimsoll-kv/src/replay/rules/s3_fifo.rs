//! S3-FIFO: a small queue for what is new, a main one for what came again.

use super::lists::Lists;
use super::{Request, Rule};

const SMALL: usize = 0;
const MAIN: usize = 1;
const GHOST: usize = 2;

/// Yang and others' three queues, a block at a time: a tenth for what is new, the rest for what was used again, and as
/// many numbers of evicted ones as the main queue has room.
#[derive(Clone, Debug)]
pub(super) struct S3Fifo {
    lists: Lists<3>,
    uses: Vec<u8>,
    capacity: usize,
    small: usize,
}

impl S3Fifo {
    pub fn new(blocks: usize, capacity: usize) -> Self {
        Self { lists: Lists::new(blocks), uses: vec![0; blocks], capacity, small: (capacity / 10).max(1) }
    }

    fn make_room(&mut self, gone: &mut Vec<u32>) {
        while self.lists.len(SMALL) + self.lists.len(MAIN) >= self.capacity {
            if self.lists.len(SMALL) >= self.small || self.lists.len(MAIN) == 0 {
                self.evict_small(gone);
            } else {
                self.evict_main(gone);
            }
        }
    }

    fn evict_small(&mut self, gone: &mut Vec<u32>) {
        while let Some(block) = self.lists.pop(SMALL) {
            if self.uses[block as usize] > 0 {
                self.uses[block as usize] = 0;
                self.lists.put(MAIN, block);
                if self.lists.len(MAIN) > self.capacity.saturating_sub(self.small) {
                    self.evict_main(gone);
                    return;
                }
            } else {
                gone.push(block);
                self.lists.put(GHOST, block);
                if self.lists.len(GHOST) > self.capacity.saturating_sub(self.small) {
                    self.lists.pop(GHOST);
                }
                return;
            }
        }
    }

    fn evict_main(&mut self, gone: &mut Vec<u32>) {
        while let Some(block) = self.lists.pop(MAIN) {
            let uses = &mut self.uses[block as usize];
            if *uses == 0 {
                gone.push(block);
                return;
            }
            *uses -= 1;
            self.lists.put(MAIN, block);
        }
    }

    fn touch(&mut self, block: u32, gone: &mut Vec<u32>) {
        match self.lists.list(block) {
            Some(SMALL | MAIN) => {
                let uses = &mut self.uses[block as usize];
                *uses = (*uses + 1).min(3);
            }
            other => {
                let ghost = other == Some(GHOST);
                if ghost {
                    self.lists.take(block);
                }
                self.make_room(gone);
                self.uses[block as usize] = 0;
                self.lists.put(if ghost { MAIN } else { SMALL }, block);
            }
        }
    }
}

impl Rule for S3Fifo {
    fn serve(&mut self, _request: &Request, path: &[u32], gone: &mut Vec<u32>) -> usize {
        let hits = path.iter().take_while(|block| self.holds(**block)).count();
        path.iter().rev().for_each(|block| self.touch(*block, gone));
        hits
    }

    fn holds(&self, block: u32) -> bool {
        matches!(self.lists.list(block), Some(SMALL | MAIN))
    }
}

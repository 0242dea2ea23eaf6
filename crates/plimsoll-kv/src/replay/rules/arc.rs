//! ARC: recency and frequency, balanced by what was evicted and came back.

use super::lists::Lists;
use super::{Request, Rule};

const ONCE: usize = 0;
const OFTEN: usize = 1;
const ONCE_GHOST: usize = 2;
const OFTEN_GHOST: usize = 3;

/// Megiddo and Modha's adaptive replacement, a block at a time.
#[derive(Clone, Debug)]
pub(super) struct Arc {
    lists: Lists<4>,
    capacity: usize,
    target: usize,
}

impl Arc {
    pub fn new(blocks: usize, capacity: usize) -> Self {
        Self { lists: Lists::new(blocks), capacity, target: 0 }
    }

    fn replace(&mut self, often_ghost: bool, gone: &mut Vec<u32>) {
        let once = self.lists.len(ONCE);
        let from_once = once > 0 && (once > self.target || (often_ghost && once == self.target));
        let (from, to) =
            if from_once || self.lists.len(OFTEN) == 0 { (ONCE, ONCE_GHOST) } else { (OFTEN, OFTEN_GHOST) };
        if let Some(block) = self.lists.pop(from) {
            self.lists.put(to, block);
            gone.push(block);
        }
    }

    fn touch(&mut self, block: u32, gone: &mut Vec<u32>) {
        let held = |arc: &Self| arc.lists.len(ONCE) + arc.lists.len(OFTEN);
        match self.lists.list(block) {
            Some(ONCE | OFTEN) => self.lists.put(OFTEN, block),
            Some(ghost) => {
                let (mine, other) =
                    (self.lists.len(ghost).max(1), self.lists.len(ONCE_GHOST + OFTEN_GHOST - ghost));
                let step = (other / mine).max(1);
                self.target = if ghost == ONCE_GHOST {
                    (self.target + step).min(self.capacity)
                } else {
                    self.target.saturating_sub(step)
                };
                if held(self) >= self.capacity {
                    self.replace(ghost == OFTEN_GHOST, gone);
                }
                self.lists.put(OFTEN, block);
            }
            None => {
                let recent = self.lists.len(ONCE) + self.lists.len(ONCE_GHOST);
                let all = held(self) + self.lists.len(ONCE_GHOST) + self.lists.len(OFTEN_GHOST);
                if recent >= self.capacity {
                    if self.lists.len(ONCE) < self.capacity {
                        self.lists.pop(ONCE_GHOST);
                        if held(self) >= self.capacity {
                            self.replace(false, gone);
                        }
                    } else {
                        gone.extend(self.lists.pop(ONCE));
                    }
                } else if all >= self.capacity {
                    if all >= 2 * self.capacity {
                        self.lists.pop(OFTEN_GHOST);
                    }
                    if held(self) >= self.capacity {
                        self.replace(false, gone);
                    }
                }
                self.lists.put(ONCE, block);
            }
        }
    }
}

impl Rule for Arc {
    fn serve(&mut self, _request: &Request, path: &[u32], gone: &mut Vec<u32>) -> usize {
        let hits = path.iter().take_while(|block| self.holds(**block)).count();
        path.iter().rev().for_each(|block| self.touch(*block, gone));
        hits
    }

    fn holds(&self, block: u32) -> bool {
        matches!(self.lists.list(block), Some(ONCE | OFTEN))
    }
}

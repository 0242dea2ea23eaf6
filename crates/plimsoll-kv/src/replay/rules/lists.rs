//! Doubly linked lists over blocks' numbers, each block on at most one.

const NONE: u32 = u32::MAX;

/// `N` lists that share their links.
#[derive(Clone, Debug)]
pub(in crate::replay) struct Lists<const N: usize> {
    links: Vec<Link>,
    ends: [End; N],
}

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
    list: u8,
}

#[derive(Clone, Copy, Debug)]
struct End {
    newest: u32,
    oldest: u32,
    len: usize,
}

const OFF: u8 = u8::MAX;

impl<const N: usize> Lists<N> {
    /// Empty lists for blocks below `blocks`.
    pub fn new(blocks: usize) -> Self {
        Self {
            links: vec![Link { newer: NONE, older: NONE, list: OFF }; blocks],
            ends: [End { newest: NONE, oldest: NONE, len: 0 }; N],
        }
    }

    /// On which list a block is.
    pub fn list(&self, block: u32) -> Option<usize> {
        let list = self.links[block as usize].list;
        (list != OFF).then_some(usize::from(list))
    }

    pub fn len(&self, list: usize) -> usize {
        self.ends[list].len
    }

    pub fn oldest(&self, list: usize) -> Option<u32> {
        Some(self.ends[list].oldest).filter(|block| *block != NONE)
    }

    /// Makes a block the newest of a list, wherever it was.
    pub fn put(&mut self, list: usize, block: u32) {
        self.take(block);
        let end = &mut self.ends[list];
        let older = end.newest;
        end.newest = block;
        end.len += 1;
        if older == NONE {
            end.oldest = block;
        } else {
            self.links[older as usize].newer = block;
        }
        #[expect(clippy::cast_possible_truncation, reason = "there are a handful of lists")]
        let list = list as u8;
        self.links[block as usize] = Link { newer: NONE, older, list };
    }

    /// Takes a block off its list.
    pub fn take(&mut self, block: u32) {
        let Link { newer, older, list } = self.links[block as usize];
        if list == OFF {
            return;
        }
        let end = &mut self.ends[usize::from(list)];
        end.len -= 1;
        if newer == NONE {
            end.newest = older;
        } else {
            self.links[newer as usize].older = older;
        }
        let end = &mut self.ends[usize::from(list)];
        if older == NONE {
            end.oldest = newer;
        } else {
            self.links[older as usize].newer = newer;
        }
        self.links[block as usize].list = OFF;
    }

    /// Takes the oldest off a list.
    pub fn pop(&mut self, list: usize) -> Option<u32> {
        let block = self.oldest(list)?;
        self.take(block);
        Some(block)
    }
}

//! Parts of an instance that are left, and whether they can still be packed.

use super::course::NONE;
use super::dead::{Dead, mix};
use super::set::insert;

/// A buffer that is not placed: the lowest offset it can have, above its rank. Sorts in the order of choices.
pub(super) type Entry = u64;

pub(super) fn entry(low: u32, rank: usize) -> Entry {
    u64::from(low) << 32 | rank as u64
}

pub(super) const fn low(entry: Entry) -> u32 {
    (entry >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half of an entry")]
pub(super) const fn rank(entry: Entry) -> usize {
    entry as u32 as usize
}

/// An item by its rank, in numbers of the width that the inner loops take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked {
    pub from: u32,
    pub to: u32,
    pub size: u32,
    pub align: u32,
    /// What it adds to hashes.
    pub mark: u64,
    pub item: u32,
}

impl Ranked {
    /// The first offset at or above `floor` where it may stand.
    pub fn above(&self, floor: u32) -> u32 {
        if self.align == 1 { floor } else { floor.next_multiple_of(self.align) }
    }

    /// Whether they live at once.
    pub const fn meets(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// Buffers that share no section with others that are left: a run of `entries`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub first: usize,
    pub last: usize,
    /// A hash of what is left in it, and how low.
    pub state: u64,
    /// The part that is solved after it.
    pub next: u32,
    /// The frame whose choice made it.
    pub maker: u32,
    /// How high its highest stack is at least.
    tallest: u32,
}

/// What is left, in parts.
pub(super) struct Ground<'a> {
    pub capacity: u32,
    /// By rank.
    pub items: Vec<Ranked>,
    pub entries: Vec<Entry>,
    pub parts: Vec<Part>,
    /// What is to be divided: sorted.
    pub left: Vec<Entry>,
    higher: Vec<Entry>,
    /// The items that the last failure needs.
    pub reason: Vec<u64>,
    dead: &'a mut Dead,
    /// By section: how high what is left is at least, stacked.
    stack: Vec<u32>,
    /// By boundary between sections: how many begin to cross less how many end to.
    crossing: Vec<i32>,
}

impl<'a> Ground<'a> {
    pub fn new(items: Vec<Ranked>, sections: usize, capacity: u32, words: usize, dead: &'a mut Dead) -> Self {
        Self {
            capacity,
            items,
            entries: Vec::new(),
            parts: Vec::new(),
            left: Vec::new(),
            higher: Vec::new(),
            reason: vec![0; words],
            dead,
            stack: vec![0; sections],
            crossing: vec![0; sections + 1],
        }
    }

    /// Divides all items; `None` where they are dead as they are.
    pub fn begin(&mut self) -> Option<u32> {
        self.left = (0..self.items.len()).map(|rank| entry(0, rank)).collect();
        self.divide(NONE, NONE)
    }

    /// Forgets what was added later.
    pub fn truncate(&mut self, entries: usize, parts: usize) {
        self.entries.truncate(entries);
        self.parts.truncate(parts);
    }

    /// Remembers that a part is dead for the reason that is set.
    pub fn bury(&mut self, part: u32) {
        self.dead.remember(self.parts[part as usize].state, &self.reason);
    }

    /// Divides what is left into parts to be solved before `after`; `None` where one of them is dead.
    pub fn divide(&mut self, after: u32, maker: u32) -> Option<u32> {
        self.weigh()?;
        let begin = self.parts.len();
        self.crossing.fill(0);
        for &entry in &self.left {
            let item = &self.items[rank(entry)];
            self.crossing[item.from as usize] += 1;
            self.crossing[item.to as usize - 1] -= 1;
        }
        let (mut start, mut open, mut empty) = (0, 0, true);
        for section in 0..self.stack.len() {
            open += self.crossing[section];
            empty &= self.stack[section] == 0;
            if open == 0 {
                if !empty {
                    self.part(start, section + 1, maker)?;
                }
                (start, empty) = (section + 1, true);
            }
        }
        // The tightest part comes first: it is the likeliest to fail.
        self.parts[begin..].sort_unstable_by_key(|part| std::cmp::Reverse(part.tallest));
        let mut next = after;
        for at in (begin..self.parts.len()).rev() {
            self.parts[at].next = next;
            next = u32::try_from(at).unwrap_or(NONE);
        }
        Some(next)
    }

    /// Makes a part of what lives in sections `from..to`; `None` where it is dead.
    fn part(&mut self, from: usize, to: usize, maker: u32) -> Option<()> {
        let first = self.entries.len();
        let mut state = 0_u64;
        for &entry in &self.left {
            let item = &self.items[rank(entry)];
            if item.from as usize >= from && item.to as usize <= to {
                self.entries.push(entry);
                state = state.wrapping_add(mix(item.mark ^ u64::from(low(entry))));
            }
        }
        if let Some(reason) = self.dead.reason(state, self.reason.len()) {
            self.reason.copy_from_slice(reason);
            return None;
        }
        let tallest = self.stack[from..to].iter().max().copied().unwrap_or(0);
        self.parts.push(Part { first, last: self.entries.len(), state, next: NONE, maker, tallest });
        Some(())
    }

    /// Stacks what is left in each section in the order of `low`; `None` where a stack is too high.
    fn weigh(&mut self) -> Option<()> {
        self.heap();
        let Some(section) = self.stack.iter().position(|stack| *stack > self.capacity) else {
            return Some(());
        };
        // What the stack needs is what lies on its last gap.
        let mut stack = 0;
        self.reason.fill(0);
        for &entry in &self.left {
            let item = &self.items[rank(entry)];
            if (item.from as usize..item.to as usize).contains(&section) {
                if low(entry) > stack {
                    self.reason.fill(0);
                    stack = low(entry);
                }
                insert(&mut self.reason, item.item);
                stack += item.size;
            }
        }
        None
    }

    fn heap(&mut self) {
        self.stack.fill(0);
        for &entry in &self.left {
            let item = &self.items[rank(entry)];
            let low = low(entry);
            for stack in &mut self.stack[item.from as usize..item.to as usize] {
                *stack = (*stack).max(low) + item.size;
            }
        }
    }

    /// Sets what is left of the part `first..last` when one of it is placed, and tells which items that pushes up.
    /// An item that then does not fit is an error.
    pub fn place(
        &mut self,
        chosen: Entry,
        first: usize,
        last: usize,
        mut pushed: impl FnMut(u32),
    ) -> Result<(), u32> {
        let item = self.items[rank(chosen)];
        let (offset, top) = (low(chosen), low(chosen) + item.size);
        self.left.clear();
        self.higher.clear();
        for &other in &self.entries[first..last] {
            let next = &self.items[rank(other)];
            let floor = if next.meets(&item) { top } else { offset };
            if low(other) >= floor {
                self.left.push(other);
            } else if other != chosen {
                let raised = next.above(floor);
                pushed(next.item);
                if raised + next.size > self.capacity {
                    return Err(next.item);
                }
                self.higher.push(entry(raised, rank(other)));
            }
        }
        // Most stay as they are, in order: only the others are sorted.
        self.higher.sort_unstable();
        let (mut kept, mut higher) = (self.left.len(), self.higher.len());
        self.left.extend_from_slice(&self.higher);
        while higher > 0 {
            let goes = if kept > 0 && self.left[kept - 1] > self.higher[higher - 1] {
                kept -= 1;
                self.left[kept]
            } else {
                higher -= 1;
                self.higher[higher]
            };
            self.left[kept + higher] = goes;
        }
        Ok(())
    }

    /// What a candidate of the part `first..last` would cost: the more, the less room it leaves where there is little.
    /// `None` where it is dead at once.
    pub fn price(&mut self, chosen: Entry, first: usize, last: usize, ample: u64) -> Option<u64> {
        self.place(chosen, first, last, |_| ()).ok()?;
        self.heap();
        let mut price = 0;
        for &stack in &self.stack {
            price += (1 << 20) / (u64::from(self.capacity.checked_sub(stack)?) + ample);
        }
        Some(price)
    }
}

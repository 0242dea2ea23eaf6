//! Parts of an instance that are left, and whether they can still be packed.

use super::course::NONE;
use super::dead::Dead;
use super::divide::Whole;
use super::price::Prices;
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

    /// Puts it on the stacks of its sections, at `low` or above.
    pub fn stack(&self, low: u32, stacks: &mut [u32]) {
        for stack in &mut stacks[self.from as usize..self.to as usize] {
            *stack = (*stack).max(low) + self.size;
        }
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
    /// What all of it has to stay below: less than the capacity where something lies above it.
    pub capacity: u32,
    /// The last of the items that lie above all of it.
    pub hat: u32,
    /// How high its highest stack is at least.
    pub tallest: u32,
}

/// An item that lies above all of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hat {
    pub item: u32,
    /// The one above it.
    pub before: u32,
    /// A hash of it and those above.
    pub state: u64,
}

/// What is left, in parts.
pub(super) struct Ground<'a> {
    pub capacity: u32,
    /// By rank.
    pub items: Vec<Ranked>,
    /// By item.
    pub offsets: Vec<u32>,
    pub entries: Vec<Entry>,
    pub parts: Vec<Part>,
    /// What is to be divided: sorted.
    pub left: Vec<Entry>,
    higher: Vec<Entry>,
    pub hats: Vec<Hat>,
    /// Whether items may go to the top: they may not where what is below them would lose its alignment.
    pub crowned: bool,
    /// The items that the last failure needs.
    pub reason: Vec<u64>,
    pub dead: &'a mut Dead,
    /// By section: how high what is left is at least, stacked.
    pub stack: Vec<u32>,
    /// By section: how many items begin in it, and how many end.
    pub crossing: Vec<(u32, u32)>,
    pub prices: Prices,
}

impl<'a> Ground<'a> {
    pub fn new(items: Vec<Ranked>, sections: usize, capacity: u32, words: usize, dead: &'a mut Dead) -> Self {
        Self {
            capacity,
            offsets: vec![0; items.len()],
            crowned: items.iter().all(|item| item.align == 1),
            items,
            entries: Vec::new(),
            parts: Vec::new(),
            left: Vec::new(),
            higher: Vec::new(),
            hats: Vec::new(),
            reason: vec![0; words],
            dead,
            stack: vec![0; sections],
            crossing: vec![(0, 0); sections],
            prices: Prices::of(sections),
        }
    }

    /// Divides all items; `None` where they are dead as they are.
    pub fn begin(&mut self) -> Option<u32> {
        self.left = (0..self.items.len()).map(|rank| entry(0, rank)).collect();
        let whole = Whole { maker: NONE, hat: NONE, capacity: self.capacity };
        self.divide(NONE, whole)
    }

    /// Forgets what was added later.
    pub fn truncate(&mut self, (entries, parts, hats): (usize, usize, usize)) {
        self.entries.truncate(entries);
        self.parts.truncate(parts);
        self.hats.truncate(hats);
    }

    /// How much there is of what is forgotten.
    pub const fn lengths(&self) -> (usize, usize, usize) {
        (self.entries.len(), self.parts.len(), self.hats.len())
    }

    /// Adds to the reason what lies above a part: it failed below these.
    pub fn under(&mut self, mut hat: u32) {
        while hat != NONE {
            let Hat { item, before, .. } = self.hats[hat as usize];
            insert(&mut self.reason, item);
            hat = before;
        }
    }

    /// Remembers that a part is dead for the reason that is set.
    pub fn bury(&mut self, part: u32) {
        self.dead.remember(self.parts[part as usize].state, &self.reason);
    }

    /// Stacks what is left in each section in the order of `low`; `None` where a stack is too high.
    pub fn weigh(&mut self, capacity: u32) -> Option<()> {
        self.stack.fill(0);
        for &entry in &self.left {
            self.items[rank(entry)].stack(low(entry), &mut self.stack);
        }
        let Some(section) = self.stack.iter().position(|stack| *stack > capacity) else {
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

    /// Sets what is left of a part when one of it is placed, and tells which items that pushes up.
    /// An item that then does not fit is an error.
    pub fn place(&mut self, chosen: Entry, part: &Part, mut pushed: impl FnMut(u32)) -> Result<(), u32> {
        let item = self.items[rank(chosen)];
        let (offset, top) = (low(chosen), low(chosen) + item.size);
        self.left.clear();
        self.higher.clear();
        for &other in &self.entries[part.first..part.last] {
            let next = &self.items[rank(other)];
            let floor = if next.meets(&item) { top } else { offset };
            if low(other) >= floor {
                self.left.push(other);
            } else if other != chosen {
                let raised = next.above(floor);
                pushed(next.item);
                if raised + next.size > part.capacity {
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
}

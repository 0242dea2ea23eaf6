//! What is left falls into parts, and what lives through all of a part goes to its top.

use super::course::NONE;
use super::dead::mix;
use super::part::{Ground, Hat, Part, Ranked, low, rank};

/// Tells a hat in a hash of states from the same item among what is left.
const ABOVE: u64 = 1 << 63;

/// What is divided: the part that it was, less what was placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    /// The frame whose choice divides it.
    pub maker: u32,
    /// The last of the items above it.
    pub hat: u32,
    /// What it has to stay below.
    pub capacity: u32,
}

impl Ground<'_> {
    /// Divides what is left into parts to be solved before `after`; `None` where one of them is dead.
    pub fn divide(&mut self, after: u32, whole: Whole) -> Option<u32> {
        if self.weigh(whole.capacity).is_none() {
            self.under(whole.hat);
            return None;
        }
        let begin = self.parts.len();
        self.split(0, self.stack.len(), whole)?;
        // The tightest part comes first: it is the likeliest to fail.
        self.parts[begin..].sort_unstable_by_key(|part| std::cmp::Reverse(part.tallest));
        let mut next = after;
        for at in (begin..self.parts.len()).rev() {
            self.parts[at].next = next;
            next = u32::try_from(at).unwrap_or(NONE);
        }
        Some(next)
    }

    /// Cuts sections `from..to` where no item crosses. What is cut off is done before the next cut is looked for, so
    /// that cuts within it may use the same room.
    fn split(&mut self, from: usize, to: usize, whole: Whole) -> Option<()> {
        self.crossing[from..to].fill((0, 0));
        for &entry in &self.left {
            let item = &self.items[rank(entry)];
            if item.from as usize >= from && item.to as usize <= to {
                self.crossing[item.from as usize].0 += 1;
                self.crossing[item.to as usize - 1].1 += 1;
            }
        }
        let (mut start, mut open) = (from, 0);
        for section in from..to {
            let (begin, end) = self.crossing[section];
            if open == 0 {
                start = section;
            }
            open += begin;
            let busy = open > 0;
            open -= end;
            if busy && open == 0 {
                self.crown(start, section + 1, whole)?;
            }
        }
        Some(())
    }

    /// Puts what lives in all of sections `from..to` to the top; `None` where what is left is dead.
    ///
    /// An item that meets all others of a part lies wholly above some and wholly below the others. Let those above it
    /// sink by its size, and it can lie above all: so it does, and what is left may fall apart further.
    fn crown(&mut self, from: usize, to: usize, whole: Whole) -> Option<()> {
        if !self.crowned {
            return self.part(from, to, whole);
        }
        let Whole { maker, mut hat, mut capacity } = whole;
        let Self { left, items, hats, offsets, .. } = self;
        let waiting = left.len();
        left.retain(|entry| {
            let Ranked { from: begin, to: end, size, mark, item, .. } = items[rank(*entry)];
            if begin as usize != from || end as usize != to {
                return true;
            }
            capacity -= size;
            offsets[item as usize] = capacity;
            let above = hats.get(hat as usize).map_or(0, |hat| hat.state);
            hats.push(Hat { item, before: hat, state: above.wrapping_add(mix(mark ^ ABOVE)) });
            hat = u32::try_from(hats.len()).unwrap_or(NONE) - 1;
            false
        });
        let below = Whole { maker, hat, capacity };
        if left.len() < waiting { self.split(from, to, below) } else { self.part(from, to, below) }
    }

    /// Makes a part of what lives in sections `from..to`; `None` where it is dead.
    fn part(&mut self, from: usize, to: usize, whole: Whole) -> Option<()> {
        let Whole { maker, hat, capacity } = whole;
        let first = self.entries.len();
        let mut state = self.hats.get(hat as usize).map_or(0, |hat| hat.state);
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
        let last = self.entries.len();
        self.parts.push(Part { first, last, state, next: NONE, maker, capacity, hat, tallest });
        Some(())
    }
}

//! What a candidate would cost: the more, the less room it leaves where there is little.

use super::part::{Entry, Ground, Part, low, rank};

/// The price of a section with one unit of room.
const DEAREST: f32 = 1_000_000.0;

/// Prices of sections.
#[derive(Debug)]
pub(super) struct Prices {
    /// By section, before anything is placed.
    before: Vec<f32>,
    /// How much room makes a section as good as free.
    ample: f32,
    /// The ranks of what a candidate lifts to its top.
    lifted: Vec<u32>,
}

impl Prices {
    pub fn of(sections: usize) -> Self {
        Self { before: vec![0.0; sections], ample: 0.0, lifted: Vec::new() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a price need not be exact, only the same each time")]
fn price(room: u32, ample: f32) -> f32 {
    DEAREST / (room as f32 + ample)
}

impl Ground<'_> {
    /// Sets the prices of a part's sections as they are, to which those after a candidate are compared.
    pub fn appraise(&mut self, part: &Part, ample: f32) {
        self.stack.fill(0);
        for &entry in &self.entries[part.first..part.last] {
            self.items[rank(entry)].stack(low(entry), &mut self.stack);
        }
        self.prices.ample = ample;
        for (before, stack) in self.prices.before.iter_mut().zip(&self.stack) {
            // Sections of other parts hold nothing here.
            *before = price(part.capacity.saturating_sub(*stack), ample);
        }
    }

    /// By how much a candidate of the part that was appraised makes its sections dearer. `None` where it is dead at once.
    ///
    /// Only sections in which it lifts something change, so only those between the first and the last of them are
    /// stacked again. Entries are sorted, so what is stacked below its top is what begins below its top.
    pub fn price(&mut self, chosen: Entry, part: &Part) -> Option<f32> {
        let item = self.items[rank(chosen)];
        let (offset, top) = (low(chosen), low(chosen) + item.size);
        let entries = &self.entries[part.first..part.last];
        let below = entries.partition_point(|other| low(*other) < top);
        let (mut from, mut to) = (item.from, item.to);
        self.prices.lifted.clear();
        for &other in &entries[..below] {
            let next = &self.items[rank(other)];
            let meets = next.meets(&item);
            if other == chosen || !(meets || low(other) < offset) {
                continue;
            }
            if next.above(if meets { top } else { offset }) + next.size > part.capacity {
                return None;
            }
            (from, to) = (from.min(next.from), to.max(next.to));
        }
        let stacks = &mut self.stack[from as usize..to as usize];
        stacks.fill(0);
        let mut stack = |rank: usize, low: u32| {
            let next = &self.items[rank];
            let (begin, end) = (next.from.max(from), next.to.min(to));
            if begin < end {
                for stack in &mut stacks[(begin - from) as usize..(end - from) as usize] {
                    *stack = (*stack).max(low) + next.size;
                }
            }
        };
        for &other in &entries[..below] {
            if !self.items[rank(other)].meets(&item) {
                stack(rank(other), low(other).max(offset));
            } else if other != chosen {
                self.prices.lifted.push(u32::try_from(rank(other)).unwrap_or(0));
            }
        }
        for &lifted in &self.prices.lifted {
            stack(lifted as usize, top);
        }
        for &other in &entries[below..] {
            stack(rank(other), low(other));
        }
        let before = &self.prices.before[from as usize..to as usize];
        stacks.iter().zip(before).try_fold(0.0, |sum, (stack, before)| {
            let room = part.capacity.checked_sub(*stack)?;
            Some(sum + price(room, self.prices.ample) - before)
        })
    }
}

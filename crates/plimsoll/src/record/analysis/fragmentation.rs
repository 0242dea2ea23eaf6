//! How much of what is backed nobody can use.

use super::{Ranges, Tracker};

/// How broken up the memory of a place is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragmentation {
    /// When.
    pub at_ns: u64,
    /// What its pools have from their devices.
    pub backed: u64,
    /// Live bytes as placed, those that wait for the device too.
    pub placed: u64,
    /// Live bytes as asked.
    pub requested: u64,
    /// Free bytes within what is backed.
    pub free: u64,
    /// The largest run of them.
    pub largest_gap: u64,
}

impl Fragmentation {
    /// The share of what is backed that is not live: 1 − live / backed.
    pub fn idle(&self) -> f64 {
        if self.backed == 0 { 0.0 } else { (1.0 - ratio(self.placed, self.backed)).max(0.0) }
    }

    /// The share of what is free that the largest run is not: 1 − largest gap / free.
    pub fn scattered(&self) -> f64 {
        if self.free == 0 { 0.0 } else { (1.0 - ratio(self.largest_gap, self.free)).max(0.0) }
    }

    /// The share of what is placed that nobody asked for: 1 − asked / placed.
    pub fn rounding(&self) -> f64 {
        if self.placed == 0 { 0.0 } else { (1.0 - ratio(self.requested, self.placed)).max(0.0) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares are for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Free bytes of a source's segments and the largest run of them: its segments less its live blocks.
pub(super) fn gaps(tracker: &Tracker<'_>, source: u16, backed: &Ranges) -> (u64, u64) {
    let mut blocks = tracker.blocks(source).peekable();
    let (mut free, mut largest) = (0_u64, 0_u64);
    for (start, end) in backed.iter() {
        let mut at = start;
        let mut gap = |from: u64, to: u64| {
            free += to.saturating_sub(from);
            largest = largest.max(to.saturating_sub(from));
        };
        while let Some((address, block)) = blocks.next_if(|(address, _)| *address < end) {
            gap(at, address);
            at = at.max(address.saturating_add(block.placed));
        }
        gap(at, end);
    }
    (free, largest)
}

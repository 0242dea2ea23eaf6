//! Buffers in small numbers: sections instead of steps, units instead of bytes.
//!
//! Between two steps at which buffers begin or end nothing changes, so time is cut into sections. Most sections say
//! nothing of their own: what lives in a section that comes after beginnings only also lives in the next one. Only those
//! that some buffer leaves before another enters are kept; two buffers meet if and only if they share such a section
//! (intervals that all meet in pairs meet in a point), so nothing is lost, and half of them or more go.
//!
//! All offsets that a packing by stacking can give are sums of sizes, rounded up to alignments, so bytes are divided by
//! what divides all of them. A size is first rounded up to the smallest alignment: what lies between its end and the next
//! multiple could hold nothing anyway. Hence heights and capacities count in whole smallest alignments.

use plimsoll::Bytes;

use super::buffer::Buffer;
use super::error::PackError;

/// The most buffers that are packed at once.
pub const MOST: usize = 1 << 24;
/// Sums of sizes stay below this, so that an offset plus a size is never too large.
const LARGEST: u64 = 1 << 62;

/// A buffer of an [`Instance`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// The first section it lives in.
    pub from: u32,
    /// The section after the last one.
    pub to: u32,
    /// Its size in units.
    pub size: u64,
    /// Its alignment in units.
    pub align: u64,
    /// How many of the caller's steps it lives.
    pub steps: u64,
    /// Which buffer it is.
    pub buffer: u32,
}

impl Item {
    /// The first offset at or above `floor` where it may stand.
    pub fn above(&self, floor: u64) -> u64 {
        if self.align == 1 { floor } else { floor.next_multiple_of(self.align) }
    }

    /// In how many sections it lives.
    pub const fn span(&self) -> u32 {
        self.to - self.from
    }
}

/// What is to be packed, without what does not matter.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// All buffers that take room.
    pub items: Vec<Item>,
    /// How many sections there are.
    pub sections: u32,
    /// The bytes of a unit.
    pub unit: u64,
    /// The most units that live at once.
    pub bound: u64,
    /// How many buffers there were.
    pub buffers: usize,
}

impl Instance {
    /// Checks and cuts.
    pub fn of(buffers: &[Buffer]) -> Result<Self, PackError> {
        if buffers.len() > MOST {
            return Err(PackError::TooMany(buffers.len()));
        }
        let sizes = sizes(buffers)?;
        let uniform = buffers.windows(2).all(|pair| pair[0].align == pair[1].align);
        let aligns = if uniform { &[] } else { buffers };
        let unit =
            sizes.iter().copied().chain(aligns.iter().map(|buffer| buffer.align.get())).fold(0, gcd).max(1);
        let (spans, sections) = sections(buffers);
        let items: Vec<Item> = (0_u32..)
            .zip(buffers)
            .zip(spans.iter().zip(&sizes))
            .filter(|(_, (_, size))| **size > 0)
            .map(|((at, buffer), (&(from, to), size))| Item {
                from,
                to,
                size: size / unit,
                align: if uniform { 1 } else { buffer.align.get() / unit },
                steps: buffers[at as usize].upper - buffers[at as usize].lower,
                buffer: at,
            })
            .collect();
        let bound = most_at_once(&items, sections);
        Ok(Self { items, sections, unit, bound, buffers: buffers.len() })
    }

    /// Units as bytes.
    pub const fn bytes(&self, units: u64) -> Bytes {
        Bytes::new(units * self.unit)
    }

    /// Whole units of a capacity.
    pub const fn units(&self, capacity: Bytes) -> u64 {
        capacity.get() / self.unit
    }

    /// What lives at once in each section.
    pub fn loads(&self) -> Vec<u64> {
        loads(&self.items, self.sections)
    }
}

/// Each size, rounded up to the smallest alignment of all.
fn sizes(buffers: &[Buffer]) -> Result<Vec<u64>, PackError> {
    for (index, buffer) in buffers.iter().enumerate() {
        if buffer.lower >= buffer.upper {
            return Err(PackError::Lifetime { index, lower: buffer.lower, upper: buffer.upper });
        }
        if !buffer.align.get().is_power_of_two() || buffer.align.get() > LARGEST >> 8 {
            return Err(PackError::Alignment { index, align: buffer.align });
        }
    }
    let granule = buffers.iter().map(|buffer| buffer.align.get()).min().unwrap_or(1);
    let mut sum = 0_u64;
    let rounded = |(index, buffer): (usize, &Buffer)| {
        let size = buffer.size.get().checked_next_multiple_of(granule);
        // A buffer may be pushed up by its alignment as well.
        let room =
            size.and_then(|size| if size == 0 { Some(0) } else { size.checked_add(buffer.align.get()) });
        let total = room.and_then(|room| sum.checked_add(room)).filter(|total| *total <= LARGEST);
        match (size, total) {
            (Some(size), Some(total)) => {
                sum = total;
                Ok(size)
            }
            _ => Err(PackError::TooLarge { index }),
        }
    };
    buffers.iter().enumerate().map(rounded).collect()
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The sections of each buffer, and how many there are.
fn sections(buffers: &[Buffer]) -> (Vec<(u32, u32)>, u32) {
    let present = || (0_u32..).zip(buffers).filter(|(_, buffer)| !buffer.size.is_zero());
    let mut events: Vec<(u64, bool, u32)> =
        present().flat_map(|(at, buffer)| [(buffer.lower, true, at), (buffer.upper, false, at)]).collect();
    // Ends (`false`) come before beginnings at the same step.
    events.sort_unstable();
    let mut spans = vec![(0_u32, 0_u32); buffers.len()];
    let (mut section, mut begun) = (0_u32, false);
    for (_, begins, at) in events {
        if begins {
            spans[at as usize].0 = section;
            begun = true;
        } else {
            // The first end after beginnings closes a section.
            if begun {
                section += 1;
                begun = false;
            }
            spans[at as usize].1 = section;
        }
    }
    (spans, section)
}

fn loads(items: &[Item], sections: u32) -> Vec<u64> {
    let mut change = vec![0_i64; sections as usize + 1];
    for item in items {
        change[item.from as usize] += item.size.cast_signed();
        change[item.to as usize] -= item.size.cast_signed();
    }
    let mut load = 0_i64;
    change.pop();
    change
        .iter()
        .map(|change| {
            load += change;
            load.cast_unsigned()
        })
        .collect()
}

fn most_at_once(items: &[Item], sections: u32) -> u64 {
    loads(items, sections).into_iter().max().unwrap_or(0)
}

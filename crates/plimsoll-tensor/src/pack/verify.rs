//! Whether an arrangement is one: by a sweep over time that knows nothing of how it was made.

use std::collections::{BTreeMap, HashMap};

use plimsoll::Bytes;

use super::buffer::Buffer;

/// What is wrong with an arrangement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Not one offset for each buffer.
    #[error("{offsets} offsets are given for {buffers} buffers")]
    Count {
        /// How many buffers there are.
        buffers: usize,
        /// How many offsets.
        offsets: usize,
    },
    /// An offset that is no multiple of the buffer's alignment.
    #[error("buffer {index} stands at {}, which is no multiple of {}", offset.get(), align.get())]
    Misaligned {
        /// Which one.
        index: usize,
        /// Where it stands.
        offset: Bytes,
        /// What it has to be a multiple of.
        align: Bytes,
    },
    /// An end that cannot be written.
    #[error("buffer {index} ends beyond what can be counted")]
    Endless {
        /// Which one.
        index: usize,
    },
    /// Two that live at once and share bytes.
    #[error("buffers {one} and {other} both live at step {step} and share bytes")]
    Overlap {
        /// The one that was there.
        one: usize,
        /// The one that came.
        other: usize,
        /// When.
        step: u64,
    },
}

/// The height of an arrangement, or what is wrong with it.
pub fn verify(buffers: &[Buffer], offsets: &[Bytes]) -> Result<Bytes, Flaw> {
    if buffers.len() != offsets.len() {
        return Err(Flaw::Count { buffers: buffers.len(), offsets: offsets.len() });
    }
    let mut height = 0;
    let mut events = Vec::with_capacity(buffers.len() * 2);
    for (index, (buffer, offset)) in buffers.iter().zip(offsets).enumerate() {
        if !offset.get().is_multiple_of(buffer.align.get()) {
            return Err(Flaw::Misaligned { index, offset: *offset, align: buffer.align });
        }
        let end = offset.checked_add(buffer.size).ok_or(Flaw::Endless { index })?;
        height = height.max(end.get());
        if buffer.lower < buffer.upper && !buffer.size.is_zero() {
            events.push((buffer.lower, true, index));
            events.push((buffer.upper, false, index));
        }
    }
    // Ends (`false`) come before beginnings at the same step.
    events.sort_unstable();
    // What lives, by offset: since nothing overlaps, only neighbours can be in the way.
    let mut alive: BTreeMap<u64, usize> = BTreeMap::new();
    let mut ends: HashMap<usize, u64> = HashMap::new();
    for (step, begins, index) in events {
        let offset = offsets[index].get();
        if !begins {
            alive.remove(&offset);
            continue;
        }
        let end = offset + buffers[index].size.get();
        let below = alive.range(..=offset).next_back().filter(|(_, one)| ends[*one] > offset);
        let above = alive.range(offset..end).next();
        if let Some((_, &one)) = below.or(above) {
            return Err(Flaw::Overlap { one, other: index, step });
        }
        alive.insert(offset, index);
        ends.insert(index, end);
    }
    Ok(Bytes::new(height))
}

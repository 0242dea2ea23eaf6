//! Where each buffer stands.

use plimsoll::Bytes;

use super::instance::Instance;

/// Where each buffer stands, in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Each buffer's offset.
    pub offsets: Vec<Bytes>,
    /// The end of the highest.
    pub height: Bytes,
    /// The most that lives at once: no arrangement is lower.
    pub bound: Bytes,
}

impl Layout {
    /// From offsets of an instance's items, in units.
    pub(super) fn of(instance: &Instance, offsets: &[u64]) -> Self {
        let mut by_buffer = vec![Bytes::ZERO; instance.buffers];
        for (item, offset) in instance.items.iter().zip(offsets) {
            by_buffer[item.buffer as usize] = instance.bytes(*offset);
        }
        let height = instance.bytes(height(instance, offsets));
        Self { offsets: by_buffer, height, bound: instance.bytes(instance.bound) }
    }

    /// The height over the bound: 1 where nothing is wasted.
    pub fn ratio(&self) -> f64 {
        if self.bound.is_zero() { 1.0 } else { self.height.ratio(self.bound) }
    }
}

/// The end of the highest item.
pub(super) fn height(instance: &Instance, offsets: &[u64]) -> u64 {
    instance.items.iter().zip(offsets).map(|(item, offset)| offset + item.size).max().unwrap_or(0)
}

//! What is to be packed.

use plimsoll::Bytes;

/// A buffer that lives from step `lower` until just before step `upper`.
///
/// Steps are whatever the caller counts by: operations of a training step, events of an allocator. Two buffers of which
/// one ends where the other begins never live at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The first step at which it lives.
    pub lower: u64,
    /// The first step at which it does not live any more.
    pub upper: u64,
    /// How large it is. One of no bytes is put at the beginning and takes part in nothing.
    pub size: Bytes,
    /// What its offset has to be a multiple of: a power of two.
    pub align: Bytes,
}

impl Buffer {
    /// A buffer that may stand at any offset.
    pub const fn new(lower: u64, upper: u64, size: Bytes) -> Self {
        Self { lower, upper, size, align: Bytes::new(1) }
    }

    /// The same, at multiples of `align`.
    #[must_use]
    pub const fn aligned(self, align: Bytes) -> Self {
        Self { align, ..self }
    }

    /// Whether there is a step at which both live.
    pub const fn meets(&self, other: &Self) -> bool {
        self.lower < other.upper && other.lower < self.upper
    }
}

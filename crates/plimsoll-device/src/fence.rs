//! Order on a device: streams and fences.

use std::fmt;

/// A queue of work on one device: what is put on it runs in that order. Different streams are not ordered
/// among each other. Stream 0 exists on every device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream(pub u32);

/// A point on a stream's timeline: it is signalled when everything put on the stream before it is done.
///
/// A fence is a number, so it can be kept, copied and compared for nothing: on one stream a later fence
/// implies every earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The stream it was put on.
    pub stream: Stream,
    /// How many fences were put on that stream up to this one.
    pub seq: u64,
}

impl Fence {
    /// Whether this fence being signalled says that `other` is too.
    pub const fn implies(self, other: Self) -> bool {
        self.stream.0 == other.stream.0 && self.seq >= other.seq
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fence {} on stream {}", self.seq, self.stream.0)
    }
}

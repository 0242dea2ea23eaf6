//! Host memory that starts at a multiple of something. Uncharged: whoever makes one has been granted its bytes.

use std::ops::{Deref, DerefMut};

use crate::Bytes;

/// Zeroed bytes within a somewhat larger allocation, so that their start can be aligned without unsafe code.
#[derive(Debug)]
pub(crate) struct Buffer {
    room: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// What a buffer takes: the bytes and what aligning them may skip.
    pub(crate) const fn room(bytes: Bytes, align: u64) -> Bytes {
        bytes.saturating_add(Bytes::new(align.saturating_sub(1)))
    }

    /// A buffer, or what the system said instead of giving it.
    pub(crate) fn zeroed(bytes: Bytes, align: u64) -> Result<Self, std::collections::TryReserveError> {
        let room = Self::room(bytes, align).as_usize();
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(room)?;
        buffer.resize(room, 0);
        let room = buffer.into_boxed_slice();
        let address = room.as_ptr().addr();
        let start = address.next_multiple_of(Bytes::new(align.max(1)).as_usize()) - address;
        let len = bytes.as_usize();
        Ok(Self { room, start, len })
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_where_it_was_asked_to() {
        for align in [1, 64, 4096] {
            let buffer = Buffer::zeroed(Bytes::new(100), align).unwrap();
            assert_eq!(buffer.len(), 100);
            assert_eq!(buffer.as_ptr().addr() as u64 % align, 0);
        }
        assert!(Buffer::zeroed(Bytes::MAX, 64).is_err());
    }
}

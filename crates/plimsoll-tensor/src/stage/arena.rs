//! One lease in which a plan's buffers lie.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError};
use plimsoll_device::{Device, Stream};

use super::transit::Transits;

/// Where a plan puts a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// What may still use an arena when it goes.
pub(super) struct Users {
    pub(super) device: Arc<dyn Device>,
    pub(super) stream: Option<Stream>,
    pub(super) transits: Arc<Transits>,
}

/// One lease in which a plan's buffers lie, each for as long as its tensor lives.
///
/// The plan promises that what lives at once lies apart. That is not believed but looked at: a slot is taken only while
/// nothing that overlaps it is taken, which is also what makes lending parts of the lease sound.
pub(super) struct Arena {
    lease: Lease,
    slots: Vec<Slot>,
    /// What is taken: where it starts, where it ends.
    taken: Mutex<BTreeMap<u64, u64>>,
    users: Option<Users>,
}

impl Arena {
    pub(super) fn new(lease: Lease, slots: Vec<Slot>, users: Option<Users>) -> Self {
        let bytes = lease.bytes().get();
        assert!(
            slots.iter().all(|slot| slot.offset + slot.bytes <= bytes),
            "a plan's slots lie in its arena"
        );
        Self { lease, slots, taken: Mutex::new(BTreeMap::new()), users }
    }

    /// Takes a slot, unless something that overlaps it is taken.
    pub(super) fn take(&self, number: u32) -> bool {
        let Slot { offset, bytes } = self.slot(number);
        if bytes == 0 {
            return true;
        }
        let end = offset + bytes;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let before = taken.range(..end).next_back();
        if before.is_some_and(|(_, before_end)| *before_end > offset) {
            return false;
        }
        taken.insert(offset, end);
        true
    }

    /// A slot is free again; how many bytes it has.
    pub(super) fn give_back(&self, number: u32) -> u64 {
        let Slot { offset, bytes } = self.slot(number);
        if bytes > 0 {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let removed = taken.remove(&offset);
            assert_eq!(removed, Some(offset + bytes), "a slot that is given back was taken");
        }
        bytes
    }

    fn slot(&self, number: u32) -> Slot {
        self.slots[number as usize]
    }

    /// A slot's addresses on its device.
    pub(super) fn range(&self, number: u32) -> Range<u64> {
        let Slot { offset, bytes } = self.slot(number);
        let start = self.lease.address() + offset;
        start..start + bytes
    }

    /// A taken slot's bytes.
    pub(super) fn bytes(&self, number: u32) -> Result<&[u8], LeaseError> {
        let Slot { offset, bytes } = self.slot(number);
        let (start, len) = self.part(offset, bytes)?;
        // SAFETY: the part lies in the lease, which lives as long as this and which nobody else may write: slots that
        // are taken at once lie apart (`take`), and a taken slot belongs to one storage, whose borrow this follows.
        Ok(unsafe { std::slice::from_raw_parts(start, len) })
    }

    /// A taken slot's bytes for writing. The one storage that took the slot is borrowed for writing while they are.
    #[expect(clippy::mut_from_ref, reason = "of the slot, not of the arena: `take` keeps slots apart")]
    pub(super) fn bytes_mut(&self, number: u32) -> Result<&mut [u8], LeaseError> {
        let Slot { offset, bytes } = self.slot(number);
        let (start, len) = self.part(offset, bytes)?;
        // SAFETY: as in `bytes`; and whoever calls has the only handle to the storage that took this slot.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, len) })
    }

    fn part(&self, offset: u64, bytes: u64) -> Result<(*mut u8, usize), LeaseError> {
        let start = self.lease.host_start()?;
        if start.is_null() {
            return Ok((std::ptr::NonNull::dangling().as_ptr(), 0));
        }
        let (offset, len) = (Bytes::new(offset).as_usize(), Bytes::new(bytes).as_usize());
        // SAFETY: every slot lies within the lease: `new` made sure of it.
        Ok((unsafe { start.add(offset) }, len))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let Some(users) = &self.users else { return };
        // A device that gives no fence is lost, and nothing runs on it.
        if let Some(Ok(fence)) = users.stream.map(|stream| users.device.fence(stream)) {
            self.lease.keep_until(fence);
        }
        let start = self.lease.address();
        for fence in users.transits.of(&(start..start + self.lease.bytes().get()), true) {
            self.lease.keep_until(fence);
        }
    }
}

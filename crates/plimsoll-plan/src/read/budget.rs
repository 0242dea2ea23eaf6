//! What the reader may keep.

use std::path::Path;

use plimsoll::Bytes;

use super::ReadError;

/// The most that is kept of one model, all its parts together: names, shapes and metadata.
///
/// A model of 61 layers with 384 experts, each in a tensor of its own with two of scales beside it, fits even where one
/// header lists them all. It leaves room below 64 MiB for buffers.
pub const KEPT_MAX: Bytes = Bytes::mib(58);

/// What the allocator takes for a name and a shape besides their letters and sides.
const BLOCKS_BYTES: u64 = 32;

/// Counts what is kept, and what is held for a moment while lists grow.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: KEPT_MAX.get() }
    }

    /// Takes so many bytes, or says that the file asks for too much.
    pub(super) fn take(&mut self, bytes: u64, path: &Path, offset: u64) -> Result<(), ReadError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ReadError::Excess {
                path: path.to_owned(),
                offset,
                what: "bytes of names and shapes",
                found: KEPT_MAX.get().saturating_sub(self.left).saturating_add(bytes),
                most: KEPT_MAX.get(),
            }),
        }
    }

    /// Gives bytes back that are no longer kept.
    pub(super) fn give(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(bytes).min(KEPT_MAX.get());
    }

    /// Takes what the name and the shape of a tensor take.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        sides: usize,
        path: &Path,
        offset: u64,
    ) -> Result<(), ReadError> {
        let bytes = BLOCKS_BYTES.saturating_add(name.len() as u64).saturating_add(sides as u64 * 8);
        self.take(bytes, path, offset)
    }

    /// Appends to a list that never has much more room than it needs, and whose room is counted.
    pub(super) fn push<T>(
        &mut self,
        list: &mut Vec<T>,
        item: T,
        path: &Path,
        offset: u64,
    ) -> Result<(), ReadError> {
        if list.len() == list.capacity() {
            self.grow(list, (list.len() / 8).max(64), path, offset)?;
        }
        list.push(item);
        Ok(())
    }

    /// Appends a counted list to another.
    pub(super) fn append<T>(
        &mut self,
        list: &mut Vec<T>,
        part: Vec<T>,
        path: &Path,
    ) -> Result<(), ReadError> {
        if list.capacity() - list.len() < part.len() {
            self.grow(list, part.len().max(list.len() / 8), path, 0)?;
        }
        let room = room(&part);
        list.extend(part);
        self.give(room);
        Ok(())
    }

    /// Gives back what a list takes that goes away.
    pub(super) fn forget<T>(&mut self, list: Vec<T>) {
        self.give(room(&list));
        drop(list);
    }

    /// Makes room for some more. Old and new are there together for a moment.
    fn grow<T>(&mut self, list: &mut Vec<T>, more: usize, path: &Path, offset: u64) -> Result<(), ReadError> {
        let wanted = (list.len() as u64).saturating_add(more as u64).saturating_mul(size_of::<T>() as u64);
        self.take(wanted, path, offset)?;
        let before = room(list);
        list.reserve_exact(more);
        self.give(before);
        Ok(())
    }
}

fn room<T>(list: &Vec<T>) -> u64 {
    (list.capacity() as u64).saturating_mul(size_of::<T>() as u64)
}

//! What the reader may keep.

use std::path::Path;

use plimsoll::Bytes;

use super::ReadError;
use crate::model::Tensor;

/// The most that is kept of one model, all its parts together: names, shapes and metadata.
///
/// A model of 61 layers with 384 experts, each in a tensor of its own with two of scales beside it, takes four fifths
/// of this. It leaves room below 64 MiB for buffers.
pub const KEPT_MAX: Bytes = Bytes::mib(56);

/// What a tensor takes besides its name and shape: itself, the share of a list that grows by a quarter at a time, and
/// two blocks of an allocator.
const TENSOR_BYTES: u64 = (size_of::<Tensor>() as u64) * 9 / 4 + 32;

/// Counts what is kept.
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

    /// Takes what a tensor of such a name and so many sides takes.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        sides: usize,
        path: &Path,
        offset: u64,
    ) -> Result<(), ReadError> {
        let bytes = TENSOR_BYTES.saturating_add(name.len() as u64).saturating_add(sides as u64 * 8);
        self.take(bytes, path, offset)
    }
}

/// Appends to a list that never holds much more than it needs.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(64));
    }
    list.push(item);
}

//! The bytes behind tensors.

use std::ops::Range;
use std::sync::Arc;

use plimsoll::pool::Lease;

use super::arena::Arena;
use super::stage::{Inner, Stage};
use crate::TensorError;

/// Bytes that handles share: a lease, a place in a plan's arena, or none in a rehearsal.
///
/// Its size is part of what a tensor is said to cost: 24 bytes, and 16 of the counts before it.
pub(crate) struct Storage {
    backing: Backing,
    stage: Arc<Inner>,
}

pub(super) enum Backing {
    Leased(Lease),
    Placed { arena: Arc<Arena>, slot: u32 },
    Rehearsed { number: u32 },
}

impl Storage {
    pub(super) fn new(backing: Backing, stage: Arc<Inner>) -> Self {
        Self { backing, stage }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::of(Arc::clone(&self.stage))
    }

    /// Whether it never has any bytes.
    pub(crate) fn is_rehearsed(&self) -> bool {
        matches!(self.backing, Backing::Rehearsed { .. })
    }

    /// Its addresses on its device.
    pub(super) fn range(&self, what: &'static str) -> Result<Range<u64>, TensorError> {
        match &self.backing {
            Backing::Leased(lease) => Ok(lease.address()..lease.address() + lease.bytes().get()),
            Backing::Placed { arena, slot } => Ok(arena.range(*slot)),
            Backing::Rehearsed { .. } => Err(TensorError::Rehearsed { what }),
        }
    }

    /// Where it starts on its device, for who reads it there.
    pub(crate) fn address(&self, what: &'static str) -> Result<u64, TensorError> {
        let range = self.range(what)?;
        self.stage.await_copies(&range, false)?;
        Ok(range.start)
    }

    /// Where it starts on its device, for who writes it there: who calls has the only handle.
    pub(crate) fn address_mut(&self, what: &'static str) -> Result<u64, TensorError> {
        let range = self.range(what)?;
        self.stage.await_copies(&range, true)?;
        Ok(range.start)
    }

    /// The bytes, where the host sees them.
    pub(crate) fn bytes(&self, what: &'static str) -> Result<&[u8], TensorError> {
        self.stage.await_copies(&self.range(what)?, false)?;
        match &self.backing {
            Backing::Leased(lease) => Ok(lease.as_slice()?),
            Backing::Placed { arena, slot } => Ok(arena.bytes(*slot)?),
            Backing::Rehearsed { .. } => Err(TensorError::Rehearsed { what }),
        }
    }

    /// The bytes for writing: whoever calls has the only handle.
    pub(crate) fn bytes_mut(&mut self, what: &'static str) -> Result<&mut [u8], TensorError> {
        self.stage.await_copies(&self.range(what)?, true)?;
        match &mut self.backing {
            Backing::Leased(lease) => Ok(lease.as_mut_slice()?),
            Backing::Placed { arena, slot } => Ok(arena.bytes_mut(*slot)?),
            Backing::Rehearsed { .. } => Err(TensorError::Rehearsed { what }),
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        match &mut self.backing {
            Backing::Leased(lease) => {
                self.stage.meter.remove(lease.bytes().get());
                if let Some(fence) = self.stage.last_work() {
                    lease.keep_until(fence);
                }
                for fence in self.stage.copies(&(lease.address()..lease.address() + lease.bytes().get())) {
                    lease.keep_until(fence);
                }
            }
            Backing::Placed { arena, slot } => self.stage.meter.remove(arena.give_back(*slot)),
            Backing::Rehearsed { number } => self.stage.forget(*number),
        }
    }
}

//! A device's memory, taken in one piece and cut up.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use plimsoll::{Bytes, Place};
use plimsoll_device::{Device, Region, Request, StorageMode};

use crate::TensorError;

/// Pieces begin at multiples of this.
pub(super) const ALIGN: u64 = 256;

/// Memory of a device, all of it taken at once. It goes back when the room and all of its pieces are gone.
#[derive(Debug)]
pub struct Room {
    held: Arc<Held>,
    /// What is left, by address.
    left: Range<u64>,
}

/// A part of a room.
#[derive(Clone, Debug)]
pub struct Piece {
    held: Arc<Held>,
    address: u64,
    bytes: u64,
}

/// A region, until nobody uses it.
#[derive(Debug)]
pub(super) struct Held {
    device: Arc<dyn Device>,
    region: Mutex<Option<Region>>,
}

impl Room {
    /// Takes so many bytes at once: a device's own, or page-locked ones of the host.
    pub fn take(device: &Arc<dyn Device>, bytes: Bytes) -> Result<Self, TensorError> {
        let mode = if device.facts().unified { StorageMode::Shared } else { StorageMode::Private };
        let region = device.allocate(Request::new(bytes, mode).align(ALIGN))?;
        let left = region.address()..region.address() + region.bytes().get();
        let held = Held { device: Arc::clone(device), region: Mutex::new(Some(region)) };
        Ok(Self { held: Arc::new(held), left })
    }

    /// The memory of a piece, to be cut up further.
    pub fn within(piece: &Piece) -> Self {
        Self { held: Arc::clone(&piece.held), left: piece.address..piece.address + piece.bytes }
    }

    /// What pieces of these sizes take of a room.
    pub fn bytes_of(pieces: impl IntoIterator<Item = u64>) -> u64 {
        pieces.into_iter().fold(0, |sum, bytes| sum.saturating_add(bytes.next_multiple_of(ALIGN)))
    }

    /// A piece of what is left.
    pub fn cut(&mut self, bytes: u64) -> Result<Piece, TensorError> {
        let address = self.left.start;
        let end = address.checked_add(bytes).filter(|end| *end <= self.left.end);
        let Some(end) = end else {
            let left = self.left.end - address;
            let why =
                format!("{bytes} bytes of a room that has {left} left; count all pieces before it is taken");
            return Err(TensorError::shape("a piece of a room", why));
        };
        self.left.start = end.next_multiple_of(ALIGN).min(self.left.end);
        Ok(Piece { held: Arc::clone(&self.held), address, bytes })
    }

    /// Where it is.
    pub fn device(&self) -> &Arc<dyn Device> {
        &self.held.device
    }
}

impl Piece {
    /// How many bytes it has.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// The same part of another piece as this is of one.
    pub fn moved(&self, from: &Self, to: &Self) -> Result<Self, TensorError> {
        let part = self.address.checked_sub(from.address).filter(|at| at + self.bytes <= from.bytes);
        let Some(at) = part.filter(|_| Arc::ptr_eq(&self.held, &from.held)) else {
            return Err(TensorError::shape("a part of a piece", "it is a part of another one".to_owned()));
        };
        let address = to.at("a part of a piece", at, self.bytes)?;
        Ok(Self { held: Arc::clone(&to.held), address, bytes: self.bytes })
    }

    /// Where so many bytes from one on are; an error if they are not all within it.
    pub(super) fn at(&self, what: &'static str, from: u64, bytes: u64) -> Result<u64, TensorError> {
        if from.checked_add(bytes).is_some_and(|end| end <= self.bytes) {
            return Ok(self.address + from);
        }
        let why =
            format!("{bytes} bytes from {from} on do not lie within {}; take a larger piece", self.bytes);
        Err(TensorError::shape(what, why))
    }

    /// Where so many singles are.
    pub(super) fn singles(&self, what: &'static str, count: usize) -> Result<u64, TensorError> {
        self.at(what, 0, 4 * count as u64)
    }
}

impl Held {
    pub(super) fn is_on(&self, device: &Arc<dyn Device>) -> bool {
        Arc::ptr_eq(&self.device, device)
    }

    /// Whether every GPU copies from and to it by its address.
    pub(super) fn is_pinned(&self) -> bool {
        self.device.facts().place == Place::Pinned
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let region = self.region.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(region) = region {
            // A device that cannot take it back keeps it until it is closed.
            drop(self.device.free(region));
        }
    }
}

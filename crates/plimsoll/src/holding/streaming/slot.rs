//! The buffers that a ring turns over, behind a small trait: charged host memory, or leases of a pool.

use super::StreamError;
use crate::Bytes;
use crate::governor::{Charge, Reservation};
use crate::holding::Site;
use crate::holding::buffer::Buffer;

/// One buffer, charged as long as it lives.
pub trait Slot: Send + Sync {
    /// All of it.
    fn as_slice(&self) -> &[u8];
    /// All of it, for writing.
    fn as_mut_slice(&mut self) -> &mut [u8];
    /// What it is charged.
    fn charged(&self) -> Bytes;
}

/// How badly a slot is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The ring cannot do without: everything may be asked to shrink, and the site's patience be used up.
    Needed,
    /// It would be faster with it: only what is free at this moment.
    Spare,
}

/// Where a ring gets its slots from.
pub trait SlotSource: Send + Sync {
    /// A slot of so many bytes at this alignment; `None` when a spare one cannot be had now.
    fn slot(&self, bytes: Bytes, align: u64, want: Want) -> Result<Option<Box<dyn Slot>>, StreamError>;

    /// The slots that a ring begins with. Taken in one step where the source can: two rings that each have one of
    /// their two slots and wait for the other would wait for each other.
    fn first(&self, count: usize, bytes: Bytes, align: u64) -> Result<Vec<Box<dyn Slot>>, StreamError> {
        let missing =
            || StreamError::NoMemory { bytes, why: "a slot that was needed was not given".to_owned() };
        (0..count).map(|_| self.slot(bytes, align, Want::Needed)?.ok_or_else(missing)).collect()
    }

    /// So many bytes of slots were dropped because the governor asked for them; how many of them the ledger sees. A
    /// source that keeps what is dropped gives it back here.
    fn settle(&self, dropped: Bytes) -> Bytes {
        dropped
    }
}

/// Ordinary host memory, charged to a site.
#[derive(Clone, Debug)]
pub struct HostSlots {
    site: Site,
}

impl HostSlots {
    /// Slots charged to this site.
    pub fn new(site: &Site) -> Self {
        Self { site: site.clone() }
    }
}

impl HostSlots {
    fn backed(bytes: Bytes, align: u64, charge: Charge) -> Result<Box<dyn Slot>, StreamError> {
        let buffer = Buffer::zeroed(bytes, align)
            .map_err(|error| StreamError::NoMemory { bytes, why: error.to_string() })?;
        Ok(Box::new(HostSlot { buffer, charge }))
    }
}

impl SlotSource for HostSlots {
    fn slot(&self, bytes: Bytes, align: u64, want: Want) -> Result<Option<Box<dyn Slot>>, StreamError> {
        let room = Buffer::room(bytes, align);
        let charge = match want {
            Want::Needed => self.site.reserve(room).map(Reservation::back)?,
            Want::Spare => match self.site.reserve_quietly(room) {
                Some(charge) => charge,
                None => return Ok(None),
            },
        };
        Self::backed(bytes, align, charge).map(Some)
    }

    fn first(&self, count: usize, bytes: Bytes, align: u64) -> Result<Vec<Box<dyn Slot>>, StreamError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let room = Buffer::room(bytes, align);
        let all = room.checked_mul(count as u64).unwrap_or(Bytes::MAX);
        let mut charge = self.site.reserve(all)?.back();
        let mut slots = Vec::with_capacity(count);
        for _ in 0..count {
            let part = charge
                .split(room)
                .map_err(|error| StreamError::NoMemory { bytes: room, why: error.to_string() })?;
            slots.push(Self::backed(bytes, align, part)?);
        }
        Ok(slots)
    }
}

struct HostSlot {
    // Before the charge: what is charged is released when it is gone.
    buffer: Buffer,
    charge: Charge,
}

impl Slot for HostSlot {
    fn as_slice(&self) -> &[u8] {
        &self.buffer
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn charged(&self) -> Bytes {
        self.charge.bytes()
    }
}

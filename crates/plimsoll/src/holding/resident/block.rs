//! A file's bytes in memory: mapped where they are, or copied.

use std::fmt;
use std::path::Path;

use plimsoll_device::{Device, DeviceError, HostDevice, Region, Span};

use super::error::LoadError;
use crate::Bytes;
use crate::holding::buffer::Buffer;
use crate::sync::Arc;

/// What a copy is aligned to: a page of every machine that we know.
const COPY_ALIGN: u64 = 1 << 14;
/// How much is read in one step.
const STEP: usize = 16 << 10;

/// How a file is kept in memory.
#[derive(Clone, Debug)]
pub enum Keep {
    /// Mapped by this device, without a copy. The file is read through once, so that what loading costs is known and
    /// the first use does not pay it. Charged in full, although the system could take the pages back: what is in use all
    /// the time, as weights are, is in memory all the time.
    Mapped(Arc<HostDevice>),
    /// Mapped, and locked into RAM. Only for those who know that the machine can spare it.
    Locked(Arc<HostDevice>),
    /// Copied. The file may change afterwards.
    Copied,
}

impl Keep {
    /// What a file of this length is charged when it is kept like this.
    pub(super) fn charge_for(&self, length: Bytes) -> Bytes {
        match self {
            Self::Mapped(_) | Self::Locked(_) => length,
            Self::Copied if length.is_zero() => length,
            Self::Copied => Buffer::room(length, COPY_ALIGN),
        }
    }
}

/// A file's bytes. An empty file is a block of no bytes.
pub struct Block(Kind);

enum Kind {
    Mapped {
        /// None only while it is being dropped.
        region: Option<Region>,
        device: Arc<HostDevice>,
    },
    Copied(Buffer),
}

impl Block {
    pub(super) fn load(path: &Path, length: u64, keep: &Keep) -> Result<Self, LoadError> {
        match keep {
            Keep::Mapped(device) => Self::map(path, length, device, false),
            Keep::Locked(device) => Self::map(path, length, device, true),
            Keep::Copied => Self::copy(path, length),
        }
    }

    fn map(path: &Path, length: u64, device: &Arc<HostDevice>, locked: bool) -> Result<Self, LoadError> {
        let region = device.map_file(path, 0..length)?;
        let block = Self(Kind::Mapped { region: Some(region), device: Arc::clone(device) });
        if let Some(span) = block.span().filter(|_| locked && length > 0) {
            device.lock(span)?;
        }
        block.touch()?;
        Ok(block)
    }

    /// Reads everything once, through the file, so that one that has been cut meanwhile is an error.
    fn touch(&self) -> Result<(), DeviceError> {
        let mut step = [0; STEP];
        let mut at = 0;
        while at < self.bytes().get() {
            let len = STEP.min(Bytes::new(self.bytes().get() - at).as_usize());
            self.read(at, &mut step[..len])?;
            at += len as u64;
        }
        Ok(())
    }

    fn copy(path: &Path, length: u64) -> Result<Self, LoadError> {
        let file = std::fs::File::open(path)?;
        let mut buffer = Buffer::zeroed(Bytes::new(length), COPY_ALIGN)?;
        std::io::Read::read_exact(&mut &file, &mut buffer)?;
        Ok(Self(Kind::Copied(buffer)))
    }

    /// How many bytes.
    pub fn bytes(&self) -> Bytes {
        match &self.0 {
            Kind::Mapped { region, .. } => region.as_ref().map_or(Bytes::ZERO, Region::bytes),
            Kind::Copied(buffer) => Bytes::new(buffer.len() as u64),
        }
    }

    /// The bytes in place, where they are a copy: nobody else can change those.
    pub fn as_slice(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Mapped { .. } => None,
            Kind::Copied(buffer) => Some(buffer),
        }
    }

    /// The mapped part, for copies to a device without a detour.
    pub fn span(&self) -> Option<Span<'_>> {
        match &self.0 {
            Kind::Mapped { region, .. } => region.as_ref().map(Region::whole),
            Kind::Copied(_) => None,
        }
    }

    /// Copies out what begins at `offset`. Safe whatever happens to a mapped file: a part that is gone is an error.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        let end = offset.saturating_add(into.len() as u64);
        match &self.0 {
            Kind::Mapped { region: Some(region), device } => device.read(region.span(offset..end)?, into),
            Kind::Mapped { region: None, .. } => Err(DeviceError::UnknownRegion),
            Kind::Copied(buffer) => {
                let range = Bytes::new(offset).as_usize()..Bytes::new(end).as_usize();
                let part = buffer.get(range).ok_or(DeviceError::OutOfBounds {
                    start: offset,
                    end,
                    region: self.bytes(),
                })?;
                into.copy_from_slice(part);
                Ok(())
            }
        }
    }

    pub(super) fn mapped(&self) -> Option<&Region> {
        match &self.0 {
            Kind::Mapped { region, .. } => region.as_ref(),
            Kind::Copied(_) => None,
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Kind::Mapped { region, device } = &mut self.0
            && let Some(region) = region.take()
        {
            // A device that cannot take it back keeps it, and unmaps it when it is dropped with the error.
            drop(device.free(region));
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = if self.mapped().is_some() { "mapped" } else { "copied" };
        f.debug_struct("Block").field("bytes", &self.bytes()).field("kept", &kept).finish()
    }
}

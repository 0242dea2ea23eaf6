//! What can go wrong on a device, in words a user can act on.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Bytes, Fence, Region, StorageMode, Stream};

/// Why a device refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The device has no room for it now.
    #[error("{device} has no room for {asked}: {free} free; release memory there or ask for less")]
    OutOfMemory {
        /// Which device.
        device: String,
        /// What was asked.
        asked: Bytes,
        /// What the device says is free.
        free: Bytes,
    },
    /// A request that could never be met on this device.
    #[error("{asked} in one piece is more than {device} can give ({limit}); split the request")]
    TooLarge {
        /// Which device.
        device: String,
        /// What was asked.
        asked: Bytes,
        /// The most it gives in one piece.
        limit: Bytes,
    },
    /// An allocation of no bytes.
    #[error("an allocation of zero bytes was asked for; ask for at least one byte")]
    ZeroSize,
    /// Not a power of two, or more than the device can do.
    #[error("an alignment of {align} was asked for; it must be a power of two of at most {limit}")]
    BadAlignment {
        /// What was asked.
        align: u64,
        /// The strictest that can be had.
        limit: u64,
    },
    /// Outside the region.
    #[error("bytes {start}..{end} are outside a region of {region}")]
    OutOfBounds {
        /// Where the part starts.
        start: u64,
        /// Where it ends.
        end: u64,
        /// The region's size.
        region: Bytes,
    },
    /// Two sizes that must be equal are not.
    #[error("a copy from {source_bytes} into {target_bytes}; both parts must have one size")]
    SizeMismatch {
        /// The source's size.
        source_bytes: Bytes,
        /// The target's size.
        target_bytes: Bytes,
    },
    /// Source and target of a copy share bytes.
    #[error("source and target of a copy overlap; copy through a third buffer")]
    Overlap,
    /// A part of a growable range that is not a whole number of granules, or already in the asked state.
    #[error("bytes {start}..{end} cannot be {what}: {why} (granule {granule} bytes)")]
    BadRange {
        /// Where the part starts.
        start: u64,
        /// Where it ends.
        end: u64,
        /// "backed" or "given back".
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
        /// The device's granule.
        granule: u64,
    },
    /// Bytes of a growable range that have nothing behind them.
    #[error("bytes {start}..{end} of this range are not backed; commit them first")]
    NotBacked {
        /// Where the part starts.
        start: u64,
        /// Where it ends.
        end: u64,
    },
    /// The host asked for memory that only the device sees.
    #[error("the host cannot reach {mode:?} memory; use download and upload, or allocate it as Shared")]
    NotHostVisible {
        /// How the memory was allocated.
        mode: StorageMode,
    },
    /// A write to memory that is read only.
    #[error("this region is read only (a mapped file); copy it before writing")]
    ReadOnly,
    /// A group of devices that one of them has left.
    #[error("another device of the group failed and has left it; open the group again")]
    GroupLeft,
    /// A region of another device.
    #[error("this region belongs to another device")]
    WrongDevice,
    /// A region that the device does not know (any more).
    #[error("this region was already given back")]
    UnknownRegion,
    /// A stream that the device does not have.
    #[error("stream {} does not exist on this device", .0.0)]
    UnknownStream(Stream),
    /// A fence that was never put on this device's streams.
    #[error("{0} was never issued by this device; keep a fence with the device that gave it")]
    UnknownFence(Fence),
    /// Memory to be adopted that does not start on a page.
    #[error(
        "memory at {address:#x} does not start on a page of {page} bytes; allocate it page-aligned, or copy it in"
    )]
    Unaligned {
        /// Where the memory starts.
        address: u64,
        /// What the address must be a multiple of.
        page: u64,
    },
    /// A file has fewer bytes than are asked of it: it is short, or it was cut after it was mapped.
    #[error("bytes {start}..{end} of {path} are needed and it has {length} now; map it again within its length", path = path.display())]
    FileTooShort {
        /// Which file.
        path: PathBuf,
        /// Where the part starts in the file.
        start: u64,
        /// Where it ends in the file.
        end: u64,
        /// The file's length at this moment.
        length: Bytes,
    },
    /// A device was to be opened with a setting that cannot be.
    #[error("the setting {setting} = {value} cannot be used: {why}")]
    BadSetting {
        /// The setting's name.
        setting: &'static str,
        /// What was given.
        value: u64,
        /// What it must be.
        why: &'static str,
    },
    /// Something this device cannot do.
    #[error("{device} cannot {what}")]
    Unsupported {
        /// Which device.
        device: String,
        /// What it cannot do.
        what: &'static str,
    },
    /// An operation on memory whose arguments do not fit together.
    #[error("{what} cannot be done: {why}")]
    BadOperation {
        /// Which operation.
        what: &'static str,
        /// What does not fit, and what would.
        why: String,
    },
    /// A kernel that the device's compiler refuses.
    #[error("kernel {kernel} does not compile for {device}; the compiler says:\n{log}")]
    Compile {
        /// Which device.
        device: String,
        /// Which kernel.
        kernel: String,
        /// What the compiler wrote.
        log: String,
    },
    /// A fence did not come in time. Memory that waits for it stays charged.
    #[error("{fence} did not signal within {waited:?}; what waits for it stays charged")]
    FenceTimeout {
        /// Which fence.
        fence: Fence,
        /// How long was waited.
        waited: Duration,
    },
    /// The device is gone; nothing on it can be used any more.
    #[error("{device} is lost: {why}; its contents are gone, open it again")]
    Lost {
        /// Which device.
        device: String,
        /// What is known of the cause.
        why: String,
    },
    /// The system refused.
    #[error("{what} failed: {why}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        why: String,
    },
}

/// A region that could not be given back, with the region.
#[derive(Debug, thiserror::Error)]
#[error("a region of {} could not be given back: {error}", region.bytes())]
pub struct FreeError {
    /// The region, still the caller's.
    pub region: Region,
    /// Why.
    #[source]
    pub error: DeviceError,
}

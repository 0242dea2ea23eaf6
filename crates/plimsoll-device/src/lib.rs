//! The ground that Plimsoll stands on: what a memory device is, and two of them.
//!
//! A [`Device`] allocates, frees, copies and fences memory of one kind. It knows nothing of accounts, pools or
//! policy; those live in the `plimsoll` crate above. What a back end must keep is written once, as the public
//! suite in [`conformance`], and every back end runs it.
//!
//! * [`HostDevice`]: this machine's memory. Page-aligned mappings, growable ranges, mapped files.
//! * [`SimDevice`]: a device that exists only in the ledger's imagination: capacity, latency, delayed fences,
//!   injected failures and a virtual clock, the same for the same seed.
//!
//! Units ([`Bytes`]) and places ([`Place`]) are here because this is the leaf crate; `plimsoll` re-exports them.

mod commit_map;
pub mod conformance;
mod device;
mod error;
mod facts;
mod fence;
#[cfg(unix)]
pub mod host;
pub mod kernels;
mod lanes;
mod lost;
mod notice;
mod place;
pub mod programs;
mod region;
pub mod sim;
mod split;
mod units;

pub use commit_map::{CommitMap, Granules};
pub use device::{Device, MemoryNow, Request, SyncTo};
pub use error::{DeviceError, FreeError};
pub use facts::{Capabilities, DeviceKind, Facts, StorageMode};
pub use fence::{Fence, Stream};
#[cfg(unix)]
pub use host::{HostDevice, HostSettings};
pub use kernels::Kernels;
pub use lanes::Lanes;
pub use lost::Lost;
pub use notice::Notice;
pub use place::{ParsePlaceError, Place};
pub use programs::Programs;
pub use region::{DeviceId, Region, Span};
pub use sim::{SimDevice, SimSettings};
pub use split::split;
pub use units::{Bytes, ParseBytesError};

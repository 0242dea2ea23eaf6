//! A cold store in a folder on disk: append-only segments, which are punched, merged and forgotten as blocks go.
//!
//! # What it promises
//! * A record is found whole or not at all: its header (with its tokens) and every section have a checksum, and anything
//!   that does not verify is a miss. A section can be read and verified alone.
//! * What was put is there after the process is killed at any moment, and with [`Sync::Power`] after a loss of power.
//! * The files never take more than `max_bytes`: space is charged before it is written and given back after it is free.
//! * Readers wait for nobody: they take a lock only to look where a record is, never over I/O.
//! * One process has a folder at a time; the second is told who.
//!
//! # What it does not do
//! It does not choose what goes: whoever fills it removes blocks to make room. Only at a start with less room than before
//! does it choose, by what was said of each record's worth.
//!
//! The layout and the protocol are argued in `docs/design/kv-cold.md`.

mod calendar;
mod compact;
mod core;
pub mod disk;
mod fetch;
#[expect(clippy::module_inception, reason = "the folder itself, among its parts")]
mod folder;
mod format;
mod index;
mod inspect;
mod open;
mod real;
mod recover;
mod report;
mod segment;
mod settings;
pub mod sim;
mod space;
mod trim;
#[cfg(target_os = "linux")]
mod uring;
mod verify;
mod wear;
mod writer;

pub use calendar::{Calendar, ManualCalendar, SystemCalendar};
pub use folder::{Compacted, Folder};
pub use format::VERSION;
pub use inspect::{DayFacts, Facts, RootFacts, inspect, inspect_on};
pub use real::{ReadWay, RealDisk};
pub use report::Report;
pub use settings::{FolderSettings, Sync};
pub use verify::{Damage, Verified, compact, compact_on, verify, verify_on};

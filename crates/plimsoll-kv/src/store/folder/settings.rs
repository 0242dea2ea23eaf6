//! What a folder is opened with.

use std::path::PathBuf;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::governor::Account;

use super::calendar::{Calendar, SystemCalendar};
use super::real::ReadWay;

/// What survives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// What was put survives the death of the process, however sudden. After a loss of power some of it may be gone, and
    /// is a miss; it is never wrong.
    #[default]
    Process,
    /// What was put survives a loss of power too. Every batch waits for the disk.
    Power,
}

/// What a folder is opened with. Start from [`FolderSettings::new`].
#[derive(Clone, Debug)]
pub struct FolderSettings {
    /// Where it is; made if it is not there.
    pub path: PathBuf,
    /// The most that its files may take, at every moment.
    pub max_bytes: Bytes,
    /// The most that may be written on one day, UTC; no limit without.
    pub daily_bytes: Option<Bytes>,
    /// Whom the bytes are charged to, on [`Place::Disk`](plimsoll::Place::Disk); nobody without.
    pub account: Option<Account>,
    /// How large a file grows before the next is begun. In a small folder they are smaller.
    pub segment_bytes: Bytes,
    /// What survives what.
    pub sync: Sync,
    /// How several reads go at once.
    pub reads: ReadWay,
    /// Tells the day.
    pub calendar: Arc<dyn Calendar>,
}

impl FolderSettings {
    /// A folder that may take so much, with the usual settings: segments of 128 MiB, safe against the death of the
    /// process, no limit a day, nobody charged.
    pub fn new(path: impl Into<PathBuf>, max_bytes: Bytes) -> Self {
        Self {
            path: path.into(),
            max_bytes,
            daily_bytes: None,
            account: None,
            segment_bytes: Bytes::mib(128),
            sync: Sync::default(),
            reads: ReadWay::default(),
            calendar: Arc::new(SystemCalendar),
        }
    }
}

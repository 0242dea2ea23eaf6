//! What readers and the writer share.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::calendar::Calendar;
use super::disk::Disk;
use super::index::Index;
use super::segment::Handles;
use super::settings::Sync;
use super::space::Space;
use super::wear::Wear;
use crate::block::BlockId;
use crate::store::StoreError;

/// A folder without its writer.
#[derive(Debug)]
pub(super) struct Core {
    pub name: String,
    pub disk: Arc<dyn Disk>,
    pub block_bytes: u32,
    pub segment_bytes: u64,
    pub sync: Sync,
    pub calendar: Arc<dyn Calendar>,
    pub space: Arc<Space>,
    pub handles: Handles,
    /// Records that readers found damaged, for the writer to clear away: a reader waits for nobody.
    pub condemned: Mutex<Vec<Condemned>>,
    index: RwLock<Index>,
    wear: Mutex<Wear>,
}

/// A record that was found damaged and is in the index no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condemned {
    pub segment: u64,
    pub block: u32,
    pub blocks: u32,
    pub grave: Option<u32>,
}

impl Core {
    #[expect(clippy::too_many_arguments, reason = "its parts, each made elsewhere, once")]
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        sync: Sync,
        calendar: Arc<dyn Calendar>,
        space: Arc<Space>,
        index: Index,
        wear: Wear,
    ) -> Self {
        Self {
            name: disk.path().display().to_string(),
            block_bytes: disk.block_bytes(),
            disk,
            segment_bytes,
            sync,
            calendar,
            space,
            handles: Handles::default(),
            condemned: Mutex::default(),
            index: RwLock::new(index),
            wear: Mutex::new(wear),
        }
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wear(&self) -> MutexGuard<'_, Wear> {
        self.wear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record that is damaged out of the index, unless it is another by now. Whether it was.
    pub(super) fn condemn(&self, id: BlockId, segment: u64, block: u32) -> bool {
        let mut index = self.index_mut();
        if index.at(id, segment, block).is_none() {
            return false;
        }
        let Some(entry) = index.remove(id) else { return false };
        drop(index);
        let blocks = entry.kept.blocks(self.block_bytes);
        let condemned = Condemned { segment, block, blocks, grave: entry.grave };
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner).push(condemned);
        true
    }

    /// The error of something that the system did not do.
    pub(super) fn system(&self, doing: &'static str, source: io::Error) -> StoreError {
        system(self.disk.path(), doing, source)
    }
}

/// The error of something that the system did not do.
pub(super) fn system(path: &Path, doing: &'static str, source: io::Error) -> StoreError {
    StoreError::System { doing, path: path.to_owned(), source }
}

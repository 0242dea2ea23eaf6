//! One writer at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::DocsError;

const NAME: &str = "lock";

/// Held while a library may be written; gone with the process, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it, or says that another has it.
    pub(super) fn take(folder: &Path) -> Result<Self, DocsError> {
        let path = folder.join(NAME);
        let failed = |source| DocsError::Folder { path: path.clone(), source };
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DocsError::InUse { folder: folder.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether another has it, without taking it for longer than the look.
    pub(super) fn is_taken(folder: &Path) -> bool {
        let file = File::open(folder.join(NAME));
        // Shared: two who only look are not in each other's way.
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

//! One writer at a time.

use std::fs::File;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::VecError;

/// Held while an index may be written; gone with the process, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it, or says that another has it.
    pub(super) fn take(folder: &Path) -> Result<Self, VecError> {
        let path = folder.join("lock");
        let failed = |source| VecError::Folder { path: path.clone(), source };
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(VecError::InUse { folder: folder.to_owned() }),
            Err(error) => Err(failed(error.into())),
        }
    }
}

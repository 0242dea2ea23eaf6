//! One writer at a time.

use std::fs::File;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::VecError;

const NAME: &str = "lock";

/// Held while an index may be written; gone with the process, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the file away, by who holds it.
    pub(super) fn remove(folder: &Path) {
        let _ = std::fs::remove_file(folder.join(NAME));
    }

    /// Takes it, or says that another has it.
    pub(super) fn take(folder: &Path) -> Result<Self, VecError> {
        let path = folder.join(NAME);
        let failed = |source| VecError::Folder { path: path.clone(), source };
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(VecError::InUse { folder: folder.to_owned() }),
            Err(error) => Err(failed(error.into())),
        }
    }
}

//! Files that are written from a recording.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::CliError;

/// A file to write to. The recording itself is none: it is read while the other is written.
pub(crate) fn create(path: &Path, recording: &Path) -> Result<File, CliError> {
    let failed = |source| CliError::Write { path: path.to_owned(), source };
    let same = |one: &Path, other: &Path| Some(one.canonicalize().ok()? == other.canonicalize().ok()?);
    if same(path, recording) == Some(true) {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is the recording itself; name another file with -o",
        )));
    }
    File::create(path).map_err(failed)
}

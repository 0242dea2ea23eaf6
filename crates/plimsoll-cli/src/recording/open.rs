//! Opening a recording.

use std::path::Path;

use plimsoll::record::Recording;

use crate::CliError;

/// Opens a file; what is wrong with it is said with its name.
pub(crate) fn open(path: &Path) -> Result<Recording, CliError> {
    Ok(Recording::open(path)?)
}
